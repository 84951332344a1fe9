"""Who may come into a server with a bounded number of connections, and who must go for it (R36).

- A newcomer always gets in as long as somebody can go: who waits for a request first, then who waits for its client in
  the middle of one; never who is at work, or has not had its turn yet.
- Of those, one of the peer with the most connections goes, the one that has waited longest. A peer at its own bound
  makes room for its own newcomers.
"""

from collections import Counter
from enum import IntEnum
from typing import Generic, Protocol, TypeVar


class Stage(IntEnum):
    """What a connection is doing; the lowest goes first."""

    NO_REQUEST = 0
    WAITS_FOR_CLIENT = 1
    AT_WORK = 2
    NEW = 3


class Guest(Protocol):
    """A connection. `peer`: its host; `since`: when its stage began, in seconds of one clock."""

    peer: str
    since: float

    @property
    def stage(self) -> Stage:
        """At this instant."""


G = TypeVar("G", bound=Guest)


class Room(Generic[G]):
    """Those who are in."""

    def __init__(self, most: int, most_of_peer: int) -> None:
        self._most = most
        self._most_of_peer = most_of_peer
        self._guests: set[G] = set()
        self._of_peer: Counter[str] = Counter()

    @property
    def at_once(self) -> int:
        """How many may come in together: fewer than so many have not had their turn, and somebody can go."""
        return max(1, self._most_of_peer // 8)

    def full(self, peer: str) -> bool:
        """Whether somebody must go before a newcomer from `peer` can come in."""
        return len(self._guests) >= self._most or self._of_peer[peer] >= self._most_of_peer

    def first_to_go(self, peer: str) -> G | None:
        """Who goes for a newcomer from `peer`; None: everybody is at work."""
        own = self._of_peer[peer] >= self._most_of_peer
        may_go = (guest for guest in self._guests if guest.stage < Stage.AT_WORK and (guest.peer == peer or not own))
        return min(may_go, key=lambda guest: (guest.stage, -self._of_peer[guest.peer], guest.since), default=None)

    def add(self, guest: G) -> None:
        """Let a newcomer in."""
        self._guests.add(guest)
        self._of_peer[guest.peer] += 1

    def remove(self, guest: G) -> None:
        """Somebody has gone. Idempotent."""
        if guest in self._guests:
            self._guests.remove(guest)
            self._of_peer -= Counter([guest.peer])  # keeps no peer without a guest

    def everybody(self) -> list[G]:
        """Those who are in now."""
        return list(self._guests)
