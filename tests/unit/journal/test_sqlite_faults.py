"""A full disk, a failing device, a killed process: what was acknowledged stays, nothing else does."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from licd_daemon.core.events import AnyEvent, SessionLost, TimeMarked
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, JournalUnavailable, PositionConflict, Query, Record, Snapshot, UnknownOutcome
from licd_daemon.journal.sqlite.backend import SqliteJournal

pytestmark = pytest.mark.asyncio
EVENTS: Sequence[AnyEvent] = [SessionLost(f"session-{number}") for number in range(8)]


def following(head: Head) -> tuple[Sequence[Record], Head]:
    return chain.extend(head, EVENTS, Now(1, 1, 1))


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from licd_daemon.core.events import SessionLost
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, JournalUnavailable, UnknownOutcome
from licd_daemon.journal.sqlite.backend import SqliteJournal

async def main():
    journal = await SqliteJournal.open(Path(sys.argv[1]))
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    head, acknowledged, refused = Head(), 0, 0
    for number in range(60):
        if number == 20:
            resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, unlimited[1]))
        if number == 50:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        records, after = chain.extend(head, [SessionLost(str(n)) for n in range(64)], Now(1, 1, 1))
        try:
            await journal.append(records, head)
            head, acknowledged = after, acknowledged + 1
        except JournalUnavailable as error:
            assert not isinstance(error, UnknownOutcome), error
            refused += 1
            _, found = await journal.load()
            assert len(found) == head.position
    assert number == 59 and refused > 5 and acknowledged + refused == 60
    assert head == await journal.verify() and head.position == 64 * acknowledged
    await journal.close()
    print(head.position, refused)

asyncio.run(main())
"""


async def test_a_full_disk_refuses_appends_and_is_forgotten_once_there_is_room(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FULL_DISK, str(tmp_path / "journal.db")]
    run = await asyncio.to_thread(lambda: subprocess.run(command, check=False, capture_output=True, text=True))
    assert run.returncode == 0, run.stderr
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    assert (await journal.verify()).position == int(run.stdout.split()[0])
    await journal.close()


KILLED = """
import asyncio, sys
from pathlib import Path
from licd_daemon.core.events import SessionLost
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, Snapshot
from licd_daemon.journal.sqlite.backend import SqliteJournal

async def main():
    journal = await SqliteJournal.open(Path(sys.argv[1]))
    head = Head()
    while True:
        records, after = chain.extend(head, [SessionLost(str(n)) for n in range(7)], Now(1, 1, 1))
        await journal.append(records, head)
        head = after
        if head.position % 350 == 0:
            await journal.save_snapshot(Snapshot(head, bytes(100_000)))
        print(head.position, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 40, 55, 400])
async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path: Path, lines: int) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "journal.db")]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(lines):
        await process.stdout.readline()
    process.kill()
    rest, _ = await process.communicate()
    acknowledged = int([str(7 * lines).encode(), *rest.splitlines()][-1])
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    head = await journal.verify()
    snapshot, records = await journal.load()
    await journal.close()
    assert head.position in (acknowledged, acknowledged + 7)
    assert snapshot is not None or acknowledged < 350
    assert (records[-1].position if records else snapshot and snapshot.head.position) == head.position


class FailingDevice:
    """The real connection, whose next COMMIT fails as with a failing fsync: before or after it took effect."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self.real = real
        self.fail: str | None = None

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        if statement == "COMMIT" and self.fail:
            when, self.fail = self.fail, None
            if when == "after":
                self.real.execute(statement)
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
            error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
            raise error
        return self.real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


@pytest.mark.parametrize(("fail", "written"), [("before", 8), ("after", 16)])
async def test_a_sync_that_fails_leaves_it_open_until_the_journal_is_loaded_again(
    tmp_path: Path, fail: str, written: int
) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    records, head = following(Head())
    await journal.append(records, Head())
    device = FailingDevice(journal._writing)
    journal._writing = device  # type: ignore[assignment]
    device.fail = fail
    more, after = following(head)
    with pytest.raises(UnknownOutcome):
        await journal.append(more, head)
    with pytest.raises(UnknownOutcome):
        await journal.append(more, head)
    _, found = await journal.load()
    assert len(found) == written
    if fail == "before":
        await journal.append(more, head)
    more, end = following(after)
    await journal.append(more, after)
    assert await journal.verify() == end
    await journal.close()


async def test_a_lock_held_by_another_program_is_unavailable_and_passes(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    records, head = following(Head())
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalUnavailable, match="locked"):
            await journal.append(records, Head())
        other.execute("ROLLBACK")
    await journal.append(records, Head())
    assert await journal.verify() == head
    await journal.close()


async def test_two_journals_on_one_file_never_both_write_a_position(tmp_path: Path) -> None:
    first = await SqliteJournal.open(tmp_path / "journal.db")
    second = await SqliteJournal.open(tmp_path / "journal.db")
    records, head = following(Head())
    await first.append(records, Head())
    with pytest.raises(PositionConflict):
        await second.append(records, Head())
    assert await second.verify() == head
    await second.close()
    await first.close()


async def test_a_query_under_way_holds_up_no_append(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    may_end = threading.Event()
    slow = asyncio.ensure_future(journal._reader.call(may_end.wait))
    records, head = following(Head())
    await asyncio.wait_for(journal.append(records, Head()), 10)
    await asyncio.wait_for(journal.save_snapshot(Snapshot(head, b"state")), 10)
    assert not slow.done()
    may_end.set()
    await slow
    assert len(await journal.read(Query())) == 8
    await journal.close()


async def test_closing_waits_for_no_verification(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    records, _ = chain.extend(Head(), [TimeMarked()] * 20_000, Now(1, 1, 1))
    await journal.append(records, Head())
    verification = asyncio.ensure_future(journal.verify())
    await asyncio.sleep(0)
    await journal.close()
    with pytest.raises(JournalUnavailable):
        await verification


async def test_a_cancelled_append_is_written_all_or_not_at_all(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    records, head = following(Head())
    append = asyncio.ensure_future(journal.append(records, Head()))
    await asyncio.sleep(0)
    append.cancel()
    with pytest.raises(asyncio.CancelledError):
        await append
    _, found = await journal.load()
    assert list(found) == list(records)
    assert await journal.verify() == head
    await journal.close()
