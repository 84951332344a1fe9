"""R31: a journal that another program wrote over in its place says so, however busily this process writes to it.

And the remedies that are reported keep what was acknowledged.
"""

import asyncio
import os
import sqlite3
import threading
from pathlib import Path

import pytest

from licd_daemon.core.events import SessionLost
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, JournalError
from licd_daemon.journal.sqlite.backend import SqliteJournal

pytestmark = pytest.mark.asyncio


async def append(journal: SqliteJournal, head: Head) -> Head:
    records, after = chain.extend(head, [SessionLost("session")], Now(1, 1, 1))
    await journal.append(records, head)
    return after


async def misplaced(journal: SqliteJournal) -> str:
    return await asyncio.to_thread(journal.misplaced)


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
@pytest.mark.parametrize("appends", [0, 1])
async def test_R31_a_file_that_was_overwritten_is_noticed_although_the_daemon_wrote_since(
    tmp_path: Path, name: str, appends: int
) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    head = await append(journal, Head())
    os.truncate(tmp_path / name, 0)
    for _ in range(appends):
        try:
            head = await append(journal, head)
        except JournalError:
            break  # SQLite may notice it too
    assert "was overwritten by another program" in await misplaced(journal)
    assert "was overwritten by another program" in await misplaced(journal), "it stays so"
    await journal.close()


async def test_R31_a_checkpoint_by_another_program_between_appends_leaves_the_same_journal(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal.load()
    head = await append(journal, Head())
    other = sqlite3.connect(tmp_path / "journal.db")
    other.execute("PRAGMA wal_checkpoint(PASSIVE)")
    other.close()
    await append(journal, head)
    assert await misplaced(journal) == ""
    await journal.close()


@pytest.mark.parametrize("replaced", [False, True])
async def test_R31_files_that_were_away_during_an_append_are_in_their_place_when_they_are_back(
    tmp_path: Path, replaced: bool
) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    head = await append(journal, Head())
    for name in ("journal.db", "journal.db-wal"):
        (tmp_path / name).rename(tmp_path / f"{name}.aside")
        if replaced:
            (tmp_path / name).write_bytes(b"another")
    head = await append(journal, head)
    assert await misplaced(journal) != ""
    for name in ("journal.db", "journal.db-wal"):
        (tmp_path / f"{name}.aside").rename(tmp_path / name)
    assert await misplaced(journal) == ""
    await append(journal, head)
    assert await misplaced(journal) == ""
    await journal.close()


async def test_R31_appends_under_a_constant_watch_are_never_taken_for_another_programs(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal.load()
    ended = threading.Event()

    def watch() -> set[str]:
        found = {journal.misplaced()}
        while not ended.is_set():
            found.add(journal.misplaced())
        return found

    watching = asyncio.create_task(asyncio.to_thread(watch))
    head = Head()
    for _ in range(300):
        head = await append(journal, head)
    ended.set()
    assert await watching == {""}
    await journal.close()


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
async def test_R31_a_clean_stop_keeps_everything_although_a_side_file_was_deleted(tmp_path: Path, suffix: str) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    head = await append(journal, Head())
    (tmp_path / f"journal.db{suffix}").unlink()
    assert "restart the daemon by SIGTERM" in await misplaced(journal)
    await journal.close()
    again = await SqliteJournal.open(tmp_path / "journal.db")
    _, records = await again.load()
    assert [record.digest for record in records] == [head.digest]
    await again.close()
