"""The journal in one SQLite file (R31): the default.

Rules:

- One thread owns the connection that writes; another reads for people, so that their queries never hold up an append.
- Before it writes, an append compares the journal's head, in its own transaction.
- A COMMIT that failed for lack of space or because the file can't be written has written nothing. After any other
  failure of it, such as a failed sync, its pages may come back after a crash: `UnknownOutcome`, and nothing is appended
  until `load` has settled it by a durable write over them.
- `misplaced` compares the files at the paths with the open ones (`place.py`). A file that another program has
  written to is read once as a whole through a connection of its own: it may be the same journal all the same.
- A snapshot carries its head and a seal, SHA-256 over position, digest and state. One that does not fit is passed over
  for the one before it, and that for the whole journal. Two are kept.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from licd_daemon.journal import chain
from licd_daemon.journal.port import (
    Head,
    JournalCorrupt,
    JournalError,
    JournalUnavailable,
    PositionConflict,
    Query,
    Record,
    Snapshot,
    UnknownOutcome,
)
from licd_daemon.journal.sqlite import rows as sqlite_rows
from licd_daemon.journal.sqlite.file import ERRORS, named, open_for_reading, open_for_writing, transaction
from licd_daemon.journal.sqlite.place import Overwritten, Place
from licd_daemon.journal.sqlite.worker import Worker

T = TypeVar("T")
log = structlog.get_logger(__name__)


class SqliteJournal:
    """See `port.Journal`. Made by `open`."""

    def __init__(self, path: Path) -> None:
        """Open the file; blocks. Use `open` in an event loop.

        Raises:
            JournalError: the file is of a newer format, or another program's.
            JournalCorrupt, JournalUnavailable.
        """
        self._path = path
        self._writing = open_for_writing(path)
        try:
            self._reading = open_for_reading(path)
        except BaseException:
            self._writing.close()
            raise
        try:
            self._place = Place(path)
        except OSError as error:
            raise JournalUnavailable(f"{path} was taken away while it was opened: {error.strerror}") from None
        self._end = Head()
        self._unsettled = False
        self._closed = False
        self._writer = Worker("licd-journal")
        self._reader = Worker("licd-journal-reader")

    @classmethod
    async def open(cls, path: Path) -> "SqliteJournal":
        """Open the journal at `path`, and make it if there is none; its folder must exist.

        Raises:
            JournalError: the file is of a newer format, or another program's.
            JournalCorrupt, JournalUnavailable.
        """
        return await asyncio.to_thread(cls, path)

    async def load(self, replay: bool = False) -> tuple[Snapshot | None, Sequence[Record]]:
        """See `port.Journal.load`."""
        return await self._on(self._writer, lambda: self._load(replay))

    async def append(self, records: Sequence[Record], expected: Head) -> None:
        """See `port.Journal.append`."""
        await self._on(self._writer, lambda: self._append(records, expected))

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `port.Journal.save_snapshot`."""
        await self._on(self._writer, lambda: self._save_snapshot(snapshot))

    async def read(self, query: Query) -> Sequence[Record]:
        """See `port.Journal.read`."""
        return await self._on(self._reader, lambda: sqlite_rows.select(self._reading, query))

    async def verify(self) -> Head:
        """See `port.Journal.verify`."""
        return await self._on(self._reader, self._verify)

    def misplaced(self) -> str:
        """See `port.Journal.misplaced`."""
        try:
            return self._place.trouble()
        except Overwritten:
            if self._reads_as_written():
                return ""
            return f"{self._path} was overwritten by another program: stop the daemon and restore a backup"
        except OSError as error:
            return f"{self._path} can't be looked at: {error.strerror}"

    def _reads_as_written(self) -> bool:
        written = self._end  # appends go on meanwhile
        try:
            if not self._path.stat().st_size:
                return False  # SQLite deletes the `-wal` of an empty file as soon as it opens it
            connection = open_for_reading(self._path)
            try:
                self._walk(connection, Head(), self._stop_if_closed)
                sound = sqlite_rows.digest_at(connection, written.position) == written.digest
            finally:
                connection.close()
        except JournalError:
            return False
        if sound:
            self._place.accept()
        return sound

    async def close(self) -> None:
        """See `port.Journal.close`."""
        if not self._closed:
            self._closed = True
            self._reading.interrupt()
            # The writing one last: the last connection to close empties the write-ahead log into the file.
            await self._reader.call(self._reading.close)
            await self._writer.call(self._writing.close)
            self._reader.stop()
            self._writer.stop()

    async def _on(self, worker: Worker, function: Callable[[], T]) -> T:
        if self._closed:
            raise JournalUnavailable(f"{self._path} is closed")

        def job() -> T:
            try:
                return function()
            except ERRORS as error:
                raise named(error, self._path) from None

        return await worker.call(job)

    def _append(self, records: Sequence[Record], expected: Head) -> None:
        if self._unsettled:
            raise UnknownOutcome(f"{self._path}: the outcome of an earlier write is unknown, load the journal again")
        try:
            with self._place.changing(), transaction(self._writing):
                if not sqlite_rows.append(self._writing, records, expected):
                    end = sqlite_rows.head(self._writing).position
                    raise PositionConflict(f"the journal ends at entry {end}, not at {expected.position}")
        except UnknownOutcome:
            self._unsettled = True
            raise
        if records:
            self._end = Head(records[-1].position, records[-1].digest)

    def _load(self, replay: bool) -> tuple[Snapshot | None, Sequence[Record]]:
        if self._unsettled:
            with self._place.changing(), transaction(self._writing):
                sqlite_rows.settle(self._writing)
            self._unsettled = False
        snapshot = None if replay else self._sound_snapshot()
        records: list[Record] = []
        self._end = self._walk(self._writing, snapshot.head if snapshot else Head(), records.append)
        return snapshot, tuple(records)

    def _sound_snapshot(self) -> Snapshot | None:
        for position in sqlite_rows.snapshot_positions(self._writing):
            if snapshot := self._snapshot_at(self._writing, position):
                return snapshot
            log.warning("snapshot_unsound", path=str(self._path), position=position)
        return None

    def _snapshot_at(self, connection: sqlite3.Connection, position: int) -> Snapshot | None:
        try:
            return sqlite_rows.sound_snapshot(connection, position)
        except ERRORS as error:
            # Its pages are damaged: the entries may be sound all the same.
            if isinstance(named(error, self._path), JournalCorrupt):
                return None
            raise

    def _save_snapshot(self, snapshot: Snapshot) -> None:
        with self._place.changing(), transaction(self._writing):
            if sqlite_rows.digest_at(self._writing, snapshot.head.position) != snapshot.head.digest:
                raise PositionConflict(f"the snapshot's entry {snapshot.head.position} is not in the journal")
            sqlite_rows.put_snapshot(self._writing, snapshot)

    def _verify(self) -> Head:
        head = self._walk(self._reading, Head(), self._stop_if_closed)
        if fault := sqlite_rows.fault(self._reading):
            raise JournalCorrupt(f"{self._path} is damaged ({fault}): restore it from a backup")
        for position in sqlite_rows.snapshot_positions(self._reading):
            if not self._snapshot_at(self._reading, position):
                raise JournalCorrupt(
                    f"the snapshot after entry {position} does not match its seal or its entry: the entries are sound"
                    " and a start does without it, but find out who changed the file"
                )
        return head

    def _stop_if_closed(self, _: Record) -> None:
        # A daemon that is asked to stop need not wait for a long journal to be verified.
        if self._closed:
            raise JournalUnavailable(f"{self._path} is closed")

    def _walk(self, connection: sqlite3.Connection, head: Head, visit: Callable[[Record], None]) -> Head:
        """Visit each record after `head`, checked, up to the journal's end, and give the end."""
        end = sqlite_rows.head(connection)
        try:
            for record in sqlite_rows.records_after(connection, head.position):
                if record.position > end.position:
                    break
                head = chain.check(head, record)
                visit(record)
        except ERRORS as error:
            raise named(error, self._path, head.position) from None
        last, noted = sqlite_rows.last_position(connection)
        if head != end or last != noted:
            raise JournalCorrupt(
                f"{self._path} ends with entry {last}, but entry {noted} was written last: restore it from a backup"
            )
        return head
