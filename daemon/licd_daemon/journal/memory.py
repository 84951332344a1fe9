"""The journal in memory: for tests and `licd demo`. It keeps the port's contract, but for surviving the process."""

import hashlib
from collections.abc import Sequence
from itertools import islice

from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, JournalCorrupt, PositionConflict, Query, Record, Snapshot


class MemoryJournal:
    """See `port.Journal`."""

    def __init__(self) -> None:
        """An empty journal."""
        self._records: list[Record] = []
        self._snapshot: tuple[Snapshot, bytes] | None = None

    async def load(self, replay: bool = False) -> tuple[Snapshot | None, Sequence[Record]]:
        """See `port.Journal.load`."""
        snapshot = None if replay else self._sound_snapshot()
        head = snapshot.head if snapshot else Head()
        records = self._records[head.position :]
        for record in records:
            head = chain.check(head, record)
        return snapshot, tuple(records)

    async def append(self, records: Sequence[Record], expected: Head) -> None:
        """See `port.Journal.append`."""
        if self._head() != expected:
            raise PositionConflict(f"the journal ends at entry {self._head().position}, not at {expected.position}")
        self._records.extend(records)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `port.Journal.save_snapshot`."""
        if self._digest_at(snapshot.head.position) != snapshot.head.digest:
            raise PositionConflict(f"the snapshot's entry {snapshot.head.position} is not in the journal")
        self._snapshot = snapshot, hashlib.sha256(snapshot.state).digest()

    async def read(self, query: Query) -> Sequence[Record]:
        """See `port.Journal.read`."""
        records = reversed(self._records) if query.newest_first else iter(self._records)
        return tuple(islice((record for record in records if _wanted(query, record)), query.limit))

    async def verify(self) -> Head:
        """See `port.Journal.verify`."""
        head = Head()
        for record in self._records:
            head = chain.check(head, record)
        if self._snapshot and not self._sound_snapshot():
            raise JournalCorrupt("the snapshot does not match its digest: restore the journal from a backup")
        return head

    def misplaced(self) -> str:
        """See `port.Journal.misplaced`. It is in this process."""
        return ""

    async def close(self) -> None:
        """See `port.Journal.close`."""

    def _head(self) -> Head:
        return Head(self._records[-1].position, self._records[-1].digest) if self._records else Head()

    def _digest_at(self, position: int) -> bytes | None:
        if position == 0:
            return Head().digest
        return self._records[position - 1].digest if position <= len(self._records) else None

    def _sound_snapshot(self) -> Snapshot | None:
        if self._snapshot is None:
            return None
        snapshot, digest = self._snapshot
        sound = hashlib.sha256(snapshot.state).digest() == digest
        return snapshot if sound and self._digest_at(snapshot.head.position) == snapshot.head.digest else None


def _wanted(query: Query, record: Record) -> bool:
    return (
        (not query.kinds or record.kind in query.kinds)
        and record.position > query.after
        and (query.before is None or record.position < query.before)
        and (query.since is None or record.at >= query.since)
        and (query.until is None or record.at < query.until)
    )
