"""R31: a journal whose files are not where the next start would load them from says so, and no other one does."""

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from licd_daemon.core.events import SessionLost
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, Snapshot
from licd_daemon.journal.sqlite.backend import SqliteJournal

pytestmark = pytest.mark.asyncio
FILES = ("journal.db", "journal.db-wal", "journal.db-shm")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


@pytest_asyncio.fixture
async def journal(folder: Path) -> AsyncIterator[SqliteJournal]:
    opened = await SqliteJournal.open(folder / "journal.db")
    await append(opened, Head(), 3)
    yield opened
    await opened.close()


async def append(journal: SqliteJournal, head: Head, count: int) -> Head:
    for number in range(count):
        records, after = chain.extend(head, [SessionLost(f"session-{number}")], Now(1, 1, 1))
        await journal.append(records, head)
        head = after
    return head


async def misplaced(journal: SqliteJournal) -> str:
    return await asyncio.to_thread(journal.misplaced)


async def test_R31_a_journal_that_is_written_and_checkpointed_is_in_its_place(folder: Path) -> None:
    journal = await SqliteJournal.open(folder / "journal.db")
    await journal.load()
    head, seen = Head(), set()
    before = (folder / "journal.db").stat().st_mtime_ns
    for _ in range(30):
        head = await append(journal, head, 50)
        await journal.save_snapshot(Snapshot(head, os.urandom(100_000)))
        seen.add(await misplaced(journal))
    assert (folder / "journal.db").stat().st_mtime_ns != before, "there was a checkpoint"
    assert seen == {""}
    await journal.close()


@pytest.mark.parametrize("names", [FILES, *((name,) for name in FILES)], ids="+".join)
async def test_R31_files_that_were_taken_away_are_missed_until_they_are_back(
    journal: SqliteJournal, folder: Path, names: tuple[str, ...]
) -> None:
    for name in names:
        (folder / name).rename(folder / f"{name}.aside")
    assert f"{folder / names[0]} can't be found" in await misplaced(journal)
    for name in names:
        (folder / f"{name}.aside").rename(folder / name)
    assert await misplaced(journal) == ""


async def test_R31_a_folder_that_was_renamed_is_missed(journal: SqliteJournal, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    assert "can't be found" in await misplaced(journal)
    folder.with_name("elsewhere").rename(folder)


@pytest.mark.parametrize("name", FILES)
async def test_R31_a_copy_in_the_place_of_a_file_is_another_file(
    journal: SqliteJournal, folder: Path, name: str
) -> None:
    shutil.copy(folder / name, folder / "copy")
    (folder / "copy").replace(folder / name)
    assert "is another file than this daemon writes to" in await misplaced(journal)


async def test_R31_a_backup_copied_over_the_file_is_noticed_although_it_is_the_same_file(
    journal: SqliteJournal, folder: Path
) -> None:
    with sqlite3.connect(folder / "journal.db") as source, sqlite3.connect(folder / "backup.db") as target:
        source.backup(target)
    _, records = await journal.load()
    head = await append(journal, Head(records[-1].position, records[-1].digest), 400)
    await journal.save_snapshot(Snapshot(head, os.urandom(5_000_000)))  # larger than what waits for a checkpoint
    with (folder / "journal.db").open("r+b") as file:
        file.truncate()
        file.write((folder / "backup.db").read_bytes())
    assert "was overwritten by another program" in await misplaced(journal)


async def test_R31_a_file_that_was_only_touched_is_read_once_and_is_the_same(
    journal: SqliteJournal, folder: Path
) -> None:
    os.utime(folder / "journal.db")
    assert await misplaced(journal) == ""
