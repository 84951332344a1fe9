"""A deployment on each journal."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from unit.daemon.deployment import Deployment

from licd_daemon.journal.memory import MemoryJournal
from licd_daemon.journal.port import Journal
from licd_daemon.journal.sqlite.backend import SqliteJournal


@pytest_asyncio.fixture(params=["memory", "sqlite"])
async def deployment(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Deployment]:
    journal: Journal = (
        MemoryJournal() if request.param == "memory" else await SqliteJournal.open(tmp_path / "journal.db")
    )
    yield Deployment(tmp_path, journal)
    await journal.close()
