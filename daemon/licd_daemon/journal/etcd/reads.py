"""How the journal is read from etcd (`keys.py` says what stands where)."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import msgspec

from licd_daemon.journal.etcd.keys import Keys
from licd_daemon.journal.etcd.store import Item, Store
from licd_daemon.journal.port import UNREADABLE, Head, JournalCorrupt

PAGE = 32
"""Keys a read: at most 1 MiB each."""
_FIRST_PAGE = 4
_PAGE_BYTES = 4 * 1024 * 1024
"""What a page should have, judged by the one before: over a slow path a read has its deadline too."""


class SnapshotNote(msgspec.Struct, frozen=True):
    """What `PREFIX/snapshot` says. `merged_to`: where the last joined segment begins. `revision`: the store's then."""

    position: int
    digest: str
    seal: str
    parts: int
    revision: int
    merged_to: int = 1


_note_decoder = msgspec.json.Decoder(SnapshotNote)


@dataclass(frozen=True, slots=True)
class HeadFound:
    """The journal's end. `modified`: the revision that wrote it, 0: never. `revision`: the store's when it was read."""

    head: Head
    modified: int
    revision: int


async def find_head(store: Store, keys: Keys) -> HeadFound:
    """The journal's end now.

    Raises:
        JournalCorrupt: it can't be read.
    """
    page = await store.scan(keys.head, keys.head + b"\0", limit=1)
    if not page.items:
        return HeadFound(Head(), 0, page.revision)
    try:
        position, digest = page.items[0].value.split()
        head = Head(int(position), bytes.fromhex(digest.decode()))
    except ValueError:
        raise JournalCorrupt("the note of the journal's end is damaged: restore the journal from a backup") from None
    return HeadFound(head, page.items[0].modified, page.revision)


def head_value(head: Head) -> bytes:
    """What `find_head` reads."""
    return f"{head.position} {head.digest.hex()}".encode()


async def find_note(store: Store, keys: Keys, revision: int) -> tuple[SnapshotNote | None, int]:
    """The newest snapshot's note as of `revision`, and the revision that wrote it; None: none that can be read."""
    page = await store.scan(keys.snapshot, keys.snapshot + b"\0", limit=1, revision=revision)
    if not page.items:
        return None, 0
    try:
        return _note_decoder.decode(page.items[0].value), page.items[0].modified
    except UNREADABLE:
        return None, page.items[0].modified


async def items(store: Store, start: bytes, end: bytes, revision: int) -> AsyncIterator[Item]:
    """The keys from `start` up to `end`, itself left out, as of `revision`."""
    async for page in pages(store, start, end, revision):
        for item in page:
            yield item


async def pages(store: Store, start: bytes, end: bytes, revision: int) -> AsyncIterator[Sequence[Item]]:
    """The same, as they are read: several at a time."""
    limit, more = _FIRST_PAGE, True
    while more:
        page = await store.scan(start, end, limit=limit, revision=revision)
        if page.items:
            yield page.items
            start = page.items[-1].key + b"\0"
            size = sum(len(item.value) for item in page.items)
            limit = max(1, min(PAGE, _PAGE_BYTES * len(page.items) // max(1, size)))
        more = page.more


async def segment_positions(store: Store, keys: Keys, revision: int) -> list[int]:
    """The positions that segments begin with, as of `revision`, in order."""
    found, start, more = list[int](), keys.journal, True
    while more:
        page = await store.scan(start, keys.journal_end, limit=10_000, revision=revision, keys_only=True)
        found += [keys.first_of(item.key) for item in page.items]
        more = page.more
        start = page.items[-1].key + b"\0" if page.items else start
    return found
