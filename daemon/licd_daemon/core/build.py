"""When this version was released: no clock that is right is earlier (R23, R34)."""

from datetime import UTC, datetime

BUILD_DATE = datetime(2026, 11, 1, tzinfo=UTC)
"""A lower bound of the present time. A release moves it on."""

BUILD_MS = int(BUILD_DATE.timestamp()) * 1000
