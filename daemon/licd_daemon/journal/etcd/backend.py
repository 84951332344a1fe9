"""R32: the journal in etcd. One for several daemons, of which the one that leads writes.

Rules:

- Every write holds only if the leader key is still the one that this daemon made: a deposed leader can write nothing.
- An append also names the revision that wrote the head; its entries and the new head are one transaction. One that is
  too large for etcd writes its first segments before, behind the head, where nobody reads.
- After an append of unknown outcome nothing is appended until `load` has settled it: the head is written again, so that
  a late transaction fails, and what is behind it is removed. A new leader's first load does the same.
- Reads of several pages are all of one revision.
"""

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import structlog

from licd_daemon.journal import chain, segments
from licd_daemon.journal.etcd import reads as etcd_reads
from licd_daemon.journal.etcd.keys import Keys
from licd_daemon.journal.etcd.reads import HeadFound
from licd_daemon.journal.etcd.snapshots import EtcdSnapshots
from licd_daemon.journal.etcd.store import (
    Created,
    Delete,
    Item,
    Modified,
    OutcomeUnknown,
    Put,
    Store,
    StoreUnavailable,
    Write,
)
from licd_daemon.journal.port import (
    Head,
    JournalCorrupt,
    JournalUnavailable,
    PositionConflict,
    Query,
    Record,
    Snapshot,
    UnknownOutcome,
)
from licd_daemon.journal.segments import Segment

log = structlog.get_logger(__name__)

NOBODY = 0
"""The term of a writer that writes while nobody leads."""
_SETTLE_TRIES = 3


class EtcdJournal:
    """See `port.Journal`. For one event loop."""

    def __init__(self, store: Store, prefix: str, term: Callable[[], int] = lambda: NOBODY) -> None:
        """Nothing is read yet.

        Args:
            store: etcd; its maker closes it.
            prefix: Before all keys.
            term: The revision that made the leader key of the leadership that writes are made under.
        """
        self._store = store
        self._keys = Keys(prefix)
        self._term = term
        self._snapshots = EtcdSnapshots(store, self._keys, term)
        self._head: HeadFound | None = None
        self._settled_term: int | None = None
        self._unsettled = False
        self._firsts: list[int] | None = None

    async def load(self, replay: bool = False) -> tuple[Snapshot | None, Sequence[Record]]:
        """See `port.Journal.load`."""
        with _named():
            if self._unsettled or self._term() not in (NOBODY, -1, self._settled_term):
                await self._settle()
            found = self._head = await etcd_reads.find_head(self._store, self._keys)
            snapshot = None if replay else await self._snapshots.sound(found)
            records = list[Record]()
            await self._walk(snapshot.head if snapshot else Head(), found, records.extend)
            return snapshot, tuple(records)

    async def append(self, records: Sequence[Record], expected: Head) -> None:
        """See `port.Journal.append`."""
        if self._unsettled:
            raise UnknownOutcome("the outcome of an earlier write is unknown, load the journal again")
        with _named():
            if self._head is None or self._head.head != expected or not records:
                self._head = await etcd_reads.find_head(self._store, self._keys)
            if self._head.head != expected:
                raise PositionConflict(
                    f"the journal ends at entry {self._head.head.position}, not at {expected.position}"
                )
            if records:
                await self._append(segments.pack(records, expected), self._head)

    async def _append(self, parts: Sequence[Segment], found: HeadFound) -> None:
        head, self._head = Head(parts[-1].last, parts[-1].after), None
        writes = [Put(self._keys.segment(part.first), segments.encode(part)) for part in parts]
        try:
            for write in writes[:-1]:
                await self._commit(found, [write])
            revision = await self._commit(found, [writes[-1], Put(self._keys.head, etcd_reads.head_value(head))])
        except (OutcomeUnknown, asyncio.CancelledError):
            self._unsettled = True
            raise
        except StoreUnavailable as error:
            if len(parts) > 1:
                # Some of it may be behind the head, and would be in the way of the next append.
                self._unsettled = True
                raise OutcomeUnknown(str(error)) from None
            self._head = found
            raise
        self._head = HeadFound(head, revision, revision)
        if self._firsts is not None:
            self._firsts += [part.first for part in parts]

    async def _commit(self, found: HeadFound, writes: Sequence[Write]) -> int:
        """Write as the leader of this term, to the head that was found; give the revision."""
        conditions = (Created(self._keys.leader, self._term()), Modified(self._keys.head, found.modified))
        committed = await self._store.commit(conditions, writes)
        if not committed.done:
            raise PositionConflict("another daemon leads or has written to the journal: nothing was written")
        return committed.revision

    async def _settle(self) -> None:
        """After it, no transaction that was made before can be carried out any more."""
        term = self._term()
        for _ in range(_SETTLE_TRIES):
            found = await etcd_reads.find_head(self._store, self._keys)
            rest = Delete(self._keys.segment(found.head.position + 1), self._keys.journal_end)
            try:
                await self._commit(found, [Put(self._keys.head, etcd_reads.head_value(found.head)), rest])
            except PositionConflict:
                continue
            self._unsettled, self._settled_term, self._firsts = False, term, None
            return
        raise PositionConflict("another daemon leads: the journal is its")

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `port.Journal.save_snapshot`."""
        with _named():
            found = await etcd_reads.find_head(self._store, self._keys)
            if await self._snapshots.save(snapshot, found):
                self._firsts = None

    async def read(self, query: Query) -> Sequence[Record]:
        """See `port.Journal.read`."""
        with _named():
            return await self._select(query, await etcd_reads.find_head(self._store, self._keys))

    async def _select(self, query: Query, found: HeadFound) -> Sequence[Record]:
        records = list[Record]()
        async for page in self._pages(query, found):
            records += await asyncio.to_thread(_wanted, page, query, found.head.position)
            if len(records) >= query.limit:
                break
        return tuple(records[: query.limit])

    async def _pages(self, query: Query, found: HeadFound) -> AsyncIterator[list[Segment]]:
        """The segments that may hold what is wanted, in its order."""
        last = min(found.head.position, (query.before or found.head.position + 1) - 1)
        if last <= query.after or not query.limit:
            return
        firsts = await self._firsts_at(found, query.after + 1)
        wanted = firsts[max(0, bisect_right(firsts, query.after + 1) - 1) : bisect_right(firsts, last)]
        starts = wanted[:: etcd_reads.PAGE]
        spans = list(zip(starts, [*starts[1:], last + 1], strict=True))
        for start, end in reversed(spans) if query.newest_first else spans:
            span = etcd_reads.items(self._store, self._keys.segment(start), self._keys.segment(end), found.revision)
            yield [segments.decode(self._keys.first_of(item.key), item.value) async for item in span]

    async def _firsts_at(self, found: HeadFound, position: int) -> list[int]:
        """What segments begin with; if the one that holds `position` was joined meanwhile, they are counted again."""
        if self._firsts:
            key = self._keys.segment(self._firsts[max(0, bisect_right(self._firsts, position) - 1)])
            page = await self._store.scan(key, key + b"\0", limit=1, revision=found.revision, keys_only=True)
            if page.items and self._firsts:
                return self._firsts
        self._firsts = await etcd_reads.segment_positions(self._store, self._keys, found.revision)
        return self._firsts

    async def verify(self) -> Head:
        """See `port.Journal.verify`."""
        with _named():
            found = await etcd_reads.find_head(self._store, self._keys)
            await self._walk(Head(), found, lambda _: None)
            note, _ = await etcd_reads.find_note(self._store, self._keys, found.revision)
            if note is not None and await self._snapshots.sound(found) is None:
                raise JournalCorrupt(
                    f"the snapshot after entry {note.position} does not match its seal or its entry: the entries are "
                    "sound and a start does without it, but find out who changed it"
                )
            return found.head

    def misplaced(self) -> str:
        """See `port.Journal.misplaced`. Each write is fenced by etcd itself."""
        return ""

    async def close(self) -> None:
        """See `port.Journal.close`: the store is its maker's to close."""

    async def _walk(self, head: Head, found: HeadFound, visit: Callable[[Sequence[Record]], object]) -> None:
        """Visit each record after `head`, checked, up to the journal's end."""
        start, end = self._keys.segment(head.position + 1), self._keys.segment(found.head.position + 1)
        async for page in etcd_reads.pages(self._store, start, end, found.revision):
            records = await asyncio.to_thread(self._checked, page, head)
            head = Head(records[-1].position, records[-1].digest)
            visit(records)
        if head != found.head:
            raise JournalCorrupt(
                f"the journal ends with entry {head.position}, but entry {found.head.position} was written last: "
                "restore it from a backup"
            )

    def _checked(self, page: Sequence[Item], head: Head) -> Sequence[Record]:
        found = (segments.decode(self._keys.first_of(item.key), item.value) for item in page)
        records = [record for segment in found for record in segment.records()]
        for record in records:
            head = chain.check(head, record)
        return records


def _wanted(page: Sequence[Segment], query: Query, last: int) -> list[Record]:
    """The records of a page that a query wants, in its order."""
    found = [
        record
        for segment in page
        for record in segment.records()
        if (not query.kinds or record.kind in query.kinds)
        and query.after < record.position <= last
        and (query.before is None or record.position < query.before)
        and (query.since is None or record.at >= query.since)
        and (query.until is None or record.at < query.until)
    ]
    return found[::-1] if query.newest_first else found


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """The store's faults in the journal's words."""
    try:
        yield
    except OutcomeUnknown as error:
        raise UnknownOutcome(str(error)) from None
    except StoreUnavailable as error:
        raise JournalUnavailable(str(error)) from None
