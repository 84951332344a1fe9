"""Consecutive entries as one value of a key-value store.

- A segment is a mark, the digest before its first entry, the digest of its last, and the bodies, one a line,
  compressed. Positions count from the one that the key names; the digests between are computed, not kept.
- A body is JSON, so it holds no line break of its own.
- Segments that follow each other can be joined without reading their entries.
"""

import hashlib
import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, JournalCorrupt, Record

MAX_RAW_BYTES = 1024 * 1024
"""Of bodies in one segment: etcd takes 1.5 MiB a request, and some bodies do not compress."""

_MARK = b"licd segment 1\n"
_DIGEST_BYTES = 32
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """`first`: the position of its first entry; digests of the entry before it and of its last one."""

    first: int
    before: bytes
    after: bytes
    bodies: tuple[bytes, ...]

    @property
    def last(self) -> int:
        """The position of its last entry."""
        return self.first + len(self.bodies) - 1

    @property
    def raw_bytes(self) -> int:
        """The size of its bodies."""
        return sum(map(len, self.bodies))

    def records(self) -> Iterator[Record]:
        """Its entries, in order.

        Raises:
            JournalCorrupt: one of them is no entry of this version's vocabulary.
        """
        digest = self.before
        for position, body in enumerate(self.bodies, self.first):
            digest = hashlib.sha256(digest + body).digest()
            entry = chain.decode(Record(position, 0, "", body, digest))
            yield Record(position, entry.now.wall, chain.kind_of(entry.event), body, digest)


def pack(records: Sequence[Record], head: Head) -> list[Segment]:
    """The records, which follow `head`, in as few segments as their sizes allow."""
    segments, start, size = list[Segment](), 0, 0
    for index, record in enumerate(records):
        if size and size + len(record.body) > MAX_RAW_BYTES:
            segments.append(_segment(records[start:index], head))
            head, start, size = Head(records[index - 1].position, records[index - 1].digest), index, 0
        size += len(record.body)
    if records:
        segments.append(_segment(records[start:], head))
    return segments


def _segment(records: Sequence[Record], head: Head) -> Segment:
    return Segment(head.position + 1, head.digest, records[-1].digest, tuple(record.body for record in records))


def join(segments: Sequence[Segment]) -> Segment:
    """One segment of several that follow each other.

    Raises:
        JournalCorrupt: one does not follow the one before.
    """
    for one, other in itertools.pairwise(segments):
        if (other.first, other.before) != (one.last + 1, one.after):
            raise JournalCorrupt(f"entry {other.first} does not follow entry {one.last}: restore the journal")
    bodies = tuple(body for segment in segments for body in segment.bodies)
    return Segment(segments[0].first, segments[0].before, segments[-1].after, bodies)


def encode(segment: Segment) -> bytes:
    """The segment as a value."""
    return _MARK + segment.before + segment.after + zlib.compress(b"\n".join(segment.bodies), _LEVEL)


def decode(first: int, content: bytes) -> Segment:
    """The segment whose first entry has the position `first`.

    Raises:
        JournalCorrupt: it is none, or its entries do not give the digest that it names.
    """
    start = len(_MARK) + 2 * _DIGEST_BYTES
    before, after = content[len(_MARK) : len(_MARK) + _DIGEST_BYTES], content[len(_MARK) + _DIGEST_BYTES : start]
    remedy = "restore the journal from a backup"
    try:
        bodies = tuple(zlib.decompress(content[start:]).split(b"\n"))
    except zlib.error:
        raise JournalCorrupt(f"the entries from {first} on can't be read: {remedy}") from None
    digest = before
    for body in bodies:
        digest = hashlib.sha256(digest + body).digest()
    if not content.startswith(_MARK) or digest != after:
        raise JournalCorrupt(f"the entries from {first} on do not match their digest: {remedy}")
    return Segment(first, before, after, bodies)
