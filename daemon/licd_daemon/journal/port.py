"""The journal: what every backend MUST do.

- `append` is one atomic, durable step: after it returns, all of its entries survive a crash; after it raises, none
  does, or (`UnknownOutcome`) the caller must read back before it goes on.
- Entries are numbered from 1 without gaps. An append names the position that it follows; another one there is a
  `PositionConflict`, and nothing is written.
- Each entry carries the SHA-256 of the digest before it and its own body (`chain.py`): the journal is the audit log.
- A snapshot never replaces entries; it only spares a start the folding of those up to its position.
- Whatever can't be written raises `JournalUnavailable`; whatever does not match its digest raises `JournalCorrupt`,
  which names the entry and what to do, and is never skipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What msgspec raises for bytes that are not what was written."""
GENESIS = bytes(32)


class JournalError(Exception):
    """The journal can't do what was asked."""


class JournalUnavailable(JournalError):
    """Nothing was written: a full disk, a failing device, an engine out of reach."""


class UnknownOutcome(JournalUnavailable):
    """It is not known whether the append was written: load again before the next."""


class PositionConflict(JournalError):
    """Somebody else has appended."""


class JournalCorrupt(JournalError):
    """What is stored does not match its digest, or has a gap."""


@dataclass(frozen=True, slots=True)
class Record:
    """A stored entry. `at`: effective wall time in ms; `body`: canonical JSON of the entry; `digest`: 32 bytes."""

    position: int
    at: int
    kind: str
    body: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry's position (0: none) and digest (GENESIS: none)."""

    position: int = 0
    digest: bytes = GENESIS


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state after the entry at `head`, as bytes that the codec made."""

    head: Head
    state: bytes


@dataclass(frozen=True, slots=True)
class Query:
    """Which records to read: positions strictly between `after` and `before`, times in [since, until) in ms."""

    kinds: tuple[str, ...] = ()
    after: int = 0
    before: int | None = None
    since: int | None = None
    until: int | None = None
    newest_first: bool = False
    limit: int = 100


class Journal(Protocol):
    """Port; see the module for what a backend MUST do. All methods may be awaited from one event loop."""

    async def load(self, replay: bool = False) -> tuple[Snapshot | None, Sequence[Record]]:
        """The newest sound snapshot and every record after it, digests verified.

        Args:
            replay: Leave snapshots out and give every record, as when a snapshot is of another version of the codec.

        Raises:
            JournalCorrupt, JournalUnavailable.
        """

    async def append(self, records: Sequence[Record], expected: Head) -> None:
        """R33: appends records that `chain.extend` made to follow `expected`, durably, all or none.

        Raises:
            PositionConflict, JournalUnavailable, UnknownOutcome.
        """

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """Keep a snapshot; older ones may go.

        Raises:
            PositionConflict: its head is no entry of the journal.
            JournalUnavailable.
        """

    async def read(self, query: Query) -> Sequence[Record]:
        """Records for people to look at.

        Raises:
            JournalUnavailable.
        """

    async def verify(self) -> Head:
        """Walk the whole chain from the first entry and the snapshot, and give its end.

        Raises:
            JournalCorrupt, JournalUnavailable.
        """

    def misplaced(self) -> str:
        """Why what is written now would be lost: the place that it is loaded from has something else; "": it would not.

        Cheap, and called from another thread than the event loop's: the proof of leadership asks (R31).
        """

    async def close(self) -> None:
        """End the backend's threads and connections. Idempotent."""
