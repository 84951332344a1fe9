"""What the journal and leadership ask of etcd, in plain values: gRPC's names stop at `client.py`.

- Reads are linearizable: they see every write that was acknowledged before them, or fail.
- `commit` is one atomic step. `StoreUnavailable`: nothing was written, now or later. `OutcomeUnknown`: it may have been
  written, or may yet be; the caller must read back before it goes on, behind a write that a late one can't follow.
- Nothing is sent a second time unless the first has certainly not been taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class StoreUnavailable(Exception):
    """The store can't be reached or does not take the request; nothing was written. Names the cause and the remedy."""


class OutcomeUnknown(StoreUnavailable):
    """It is not known whether the write was, or will be, carried out."""


@dataclass(frozen=True, slots=True)
class Item:
    """A key that is there. Revisions: the one that made it, and the one that changed it last. `lease` 0: none."""

    key: bytes
    value: bytes
    created: int
    modified: int
    lease: int


@dataclass(frozen=True, slots=True)
class Page:
    """What a read found, as of `revision`. `more`: the limit cut some off."""

    items: tuple[Item, ...]
    revision: int
    more: bool = False


@dataclass(frozen=True, slots=True)
class Created:
    """Condition: the key was made by this revision; 0: it is absent."""

    key: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Modified:
    """Condition: the key was changed last by this revision; 0: it is absent."""

    key: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Put:
    """Write: the key has this value from now on. `lease` 0: until it is removed."""

    key: bytes
    value: bytes
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Delete:
    """Write: the keys from `key` up to `end`, itself left out, are gone; without `end`, the one key."""

    key: bytes
    end: bytes = b""


Condition = Created | Modified
Write = Put | Delete


@dataclass(frozen=True, slots=True)
class Committed:
    """`done`: all conditions held, and the writes are durable as `revision`."""

    done: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Renewed:
    """The seconds that the lease runs from the renewal on, 0: it has ended; and the key as it was after it."""

    ttl_s: int
    item: Item | None


class Store(Protocol):
    """Port; see the module. Every method may raise `StoreUnavailable`. For one event loop."""

    async def get(self, key: bytes) -> Item | None:
        """The key, if it is there."""

    async def scan(self, start: bytes, end: bytes, *, limit: int, revision: int = 0, keys_only: bool = False) -> Page:
        """At most `limit` keys from `start` up to `end`, itself left out, in order, as of `revision` (0: now)."""

    async def commit(self, conditions: Sequence[Condition], writes: Sequence[Write]) -> Committed:
        """Carry out the writes, all or none, if all conditions hold.

        Raises:
            StoreUnavailable: nothing was written.
            OutcomeUnknown.
        """

    async def compact(self, revision: int) -> None:
        """Drop the history before `revision`."""

    async def grant(self, ttl_s: int) -> tuple[int, int]:
        """A lease's id, and the seconds that it runs without a renewal: at least `ttl_s`."""

    async def renew(self, lease: int, key: bytes) -> Renewed:
        """Renew a lease, and read a key after it: etcd has been seen to renew a lease that was gone."""

    async def revoke(self, lease: int) -> None:
        """End a lease and remove its keys."""
