"""The vendor's only clock: wall time, since licenses, bindings and challenges are judged by it."""

from datetime import UTC, datetime

from licd_kit.clock import wall_ms


def now() -> int:
    """Give the wall time in Unix seconds."""
    return wall_ms() // 1000


def iso(seconds: int) -> str:
    """Write Unix seconds as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute(seconds: int) -> str:
    """Write Unix seconds to the minute for people, `YYYY-MM-DD HH:MM UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
