"""Entries to and from bytes, and the digest chain over them.

A record's body is the JSON of its `Entry`; its digest is SHA-256(digest before || body), so that a changed, missing or
reordered entry changes every digest after it.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from licd_daemon.core.events import AnyEvent
from licd_daemon.core.model import Frozen, Now
from licd_daemon.journal.port import UNREADABLE, Head, JournalCorrupt, Record


class Entry(Frozen, frozen=True):
    """An event, its place and its instant."""

    position: int
    now: Now
    event: AnyEvent


_decoder = msgspec.json.Decoder(Entry)
_encoder = msgspec.json.Encoder()


def kind_of(event: AnyEvent) -> str:
    """The event's tag in the journal, such as `seat_granted`."""
    return str(type(event).__struct_config__.tag)


def extend(head: Head, events: Iterable[AnyEvent], now: Now) -> tuple[Sequence[Record], Head]:
    """Records for `events` after `head`, and the head after them."""
    records = []
    position, digest = head.position, head.digest
    for event in events:
        position += 1
        body = _encoder.encode(Entry(position, now, event))
        digest = hashlib.sha256(digest + body).digest()
        records.append(Record(position, now.wall, kind_of(event), body, digest))
    return records, Head(position, digest)


def decode(record: Record) -> Entry:
    """The entry of a record.

    Raises:
        JournalCorrupt: the body is no entry of this version's vocabulary.
    """
    try:
        return _decoder.decode(record.body)
    except UNREADABLE as error:
        raise JournalCorrupt(f"entry {record.position} can't be read by this version of licd: {error}") from None


def check(head: Head, record: Record) -> Head:
    """The head after `record`, which must follow `head`, match its digest, and be filed as its body says.

    Raises:
        JournalCorrupt: it does not.
    """
    if record.position != head.position + 1:
        raise JournalCorrupt(
            f"entry {head.position + 1} is missing (found {record.position}): restore the journal from a backup"
        )
    if hashlib.sha256(head.digest + record.body).digest() != record.digest:
        raise JournalCorrupt(f"entry {record.position} does not match its digest: restore the journal from a backup")
    entry = decode(record)
    if (entry.position, entry.now.wall, kind_of(entry.event)) != (record.position, record.at, record.kind):
        raise JournalCorrupt(f"entry {record.position} is filed wrongly: restore the journal from a backup")
    return Head(record.position, record.digest)
