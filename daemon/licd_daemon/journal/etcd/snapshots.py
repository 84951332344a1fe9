"""The journal's snapshots in etcd, and the tidying that goes with them (ADR 0014).

Rules:

- A snapshot's parts are written first; its note alone makes it a snapshot. One that does not match its seal, or does
  not end where an append ended, is left out.
- A snapshot never replaces entries. Every `TIDY_EVERY` of them it joins the small segments before it to large ones, and
  drops etcd's history up to the snapshot before it: others may use the same etcd.
- Every write holds only if the leader key is still this daemon's own, and what it replaces is what it has seen: a late
  one undoes nothing.
"""

import asyncio
import hashlib
import zlib
from collections.abc import Callable, Sequence

import msgspec
import structlog

from licd_daemon.journal import segments
from licd_daemon.journal.etcd import reads as etcd_reads
from licd_daemon.journal.etcd.keys import Keys
from licd_daemon.journal.etcd.reads import HeadFound, SnapshotNote
from licd_daemon.journal.etcd.store import Created, Delete, Modified, Put, Store, StoreUnavailable, Write
from licd_daemon.journal.port import Head, PositionConflict, Snapshot
from licd_daemon.journal.segments import Segment

log = structlog.get_logger(__name__)

TIDY_EVERY = 5_000
"""Entries: a daemon that hands over has no time to tidy up what is small anyway."""
_PART_BYTES = 1024 * 1024


class EtcdSnapshots:
    """See the module. `term`: as in `EtcdJournal`."""

    def __init__(self, store: Store, keys: Keys, term: Callable[[], int]) -> None:
        """Nothing is read yet."""
        self._store = store
        self._keys = keys
        self._term = term

    async def sound(self, found: HeadFound) -> Snapshot | None:
        """The newest snapshot as of a head; None: there is none that can be used."""
        note, _ = await etcd_reads.find_note(self._store, self._keys, found.revision)
        if note is None:
            return None
        start, end = self._keys.parts(note.position), self._keys.part(note.position, note.parts)
        parts = [item.value async for item in etcd_reads.items(self._store, start, end, found.revision)]
        try:
            state = await asyncio.to_thread(zlib.decompress, b"".join(parts))
            snapshot = Snapshot(Head(note.position, bytes.fromhex(note.digest)), state)
        except (zlib.error, ValueError):
            snapshot = None
        if snapshot and _seal(snapshot) == note.seal and await self._ends_an_append(snapshot.head, found):
            return snapshot
        log.warning("snapshot_unsound", position=note.position)
        return None

    async def save(self, snapshot: Snapshot, found: HeadFound) -> bool:
        """Keep a snapshot, and tidy up if it is worth it; True: segments may have been joined.

        Raises:
            PositionConflict: its head is no entry of the journal.
            StoreUnavailable: it was not kept.
        """
        if not await self._ends_an_append(snapshot.head, found):
            raise PositionConflict(f"the snapshot's entry {snapshot.head.position} is not in the journal")
        before, modified = await etcd_reads.find_note(self._store, self._keys, found.revision)
        content = await asyncio.to_thread(zlib.compress, snapshot.state, 1)
        note = SnapshotNote(
            snapshot.head.position,
            snapshot.head.digest.hex(),
            _seal(snapshot),
            -(-len(content) // _PART_BYTES),
            found.revision,
            before.merged_to if before else 1,
        )
        modified = await self._put_snapshot(note, content, modified)
        if note.position - note.merged_to < TIDY_EVERY:
            return False
        try:
            await self._tidy(note, modified, before.revision if before else 0)
        except StoreUnavailable as error:
            log.warning("journal_not_tidied", error=str(error))
        return True

    async def _ends_an_append(self, head: Head, found: HeadFound) -> bool:
        """Whether a segment ends with this entry; joining never goes beyond the newest snapshot's."""
        if head == found.head:
            return True
        item = await self._store.get(self._keys.segment(head.position + 1))
        return item is not None and segments.decode(head.position + 1, item.value).before == head.digest

    async def _put_snapshot(self, note: SnapshotNote, content: bytes, modified: int) -> int:
        """Its parts, then its note, which alone makes it one; gives the revision that wrote that."""
        keys = self._keys
        for number in range(note.parts):
            start = number * _PART_BYTES
            part = content[start : start + _PART_BYTES]
            await self._as_leader([Put(keys.part(note.position, number), part)])
        return await self._put_note(note, modified, Delete(keys.snapshots, keys.parts(note.position)))

    async def _put_note(self, note: SnapshotNote, modified: int, *writes: Write) -> int:
        # A late one must not replace a later snapshot's.
        seen = Modified(self._keys.snapshot, modified)
        return await self._as_leader([Put(self._keys.snapshot, msgspec.json.encode(note)), *writes], seen)

    async def _as_leader(self, writes: Sequence[Write], *conditions: Modified) -> int:
        committed = await self._store.commit([Created(self._keys.leader, self._term()), *conditions], writes)
        if not committed.done:
            raise PositionConflict("another daemon leads: nothing was written")
        return committed.revision

    async def _tidy(self, note: SnapshotNote, modified: int, history_from: int) -> None:
        merged_to = await self._join_up_to(note)
        await self._put_note(msgspec.structs.replace(note, merged_to=merged_to), modified)
        if 0 < history_from < note.revision:
            await self._store.compact(history_from)

    async def _join_up_to(self, note: SnapshotNote) -> int:
        """Join the segments up to the snapshot; the first position of the last one, which may not be full yet."""
        group, modified, size = list[Segment](), 0, 0
        start, end = self._keys.segment(note.merged_to), self._keys.segment(note.position + 1)
        revision = (await etcd_reads.find_head(self._store, self._keys)).revision
        async for item in etcd_reads.items(self._store, start, end, revision):
            segment = segments.decode(self._keys.first_of(item.key), item.value)
            if group and size + segment.raw_bytes > segments.MAX_RAW_BYTES:
                await self._join(group, modified)
                group, size = [], 0
            modified = modified if group else item.modified
            group.append(segment)
            size += segment.raw_bytes
        if len(group) > 1:
            await self._join(group, modified)
        return group[0].first if group else note.merged_to

    async def _join(self, group: Sequence[Segment], modified: int) -> None:
        if len(group) < 2:
            return
        joined = await asyncio.to_thread(lambda: segments.encode(segments.join(group)))
        first, last = group[0].first, group[-1].last
        writes = (
            Put(self._keys.segment(first), joined),
            Delete(self._keys.segment(first + 1), self._keys.segment(last + 1)),
        )
        # A late one must not undo a later joining.
        await self._as_leader(writes, Modified(self._keys.segment(first), modified))


def _seal(snapshot: Snapshot) -> str:
    place = f"{snapshot.head.position}:".encode()
    return hashlib.sha256(place + snapshot.head.digest + snapshot.state).hexdigest()
