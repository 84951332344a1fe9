"""R13, R14: who may believe in a seat until when: deadlines in served time, in memory only.

TTLs are persisted, deadlines never. A session has up to three deadlines, each for one question of the daemon:

- LEASE: has the node been silent for longer than its lease? Renewed by every heartbeat.
- DRAIN: may the holder of a withdrawn seat still believe in it? Fixed when the withdrawal was sent.
- MEMORY: is the day of a lost or ended session over?

The daemon counts from when it RECEIVED a sign of life, plus a margin for the clock rates of two machines; the node
counts from when it SENT it. So the node always gives up first. Renewing is O(1): the heap finds out when an entry
comes up.
"""

import heapq
from collections.abc import Iterable, Iterator
from enum import IntEnum
from itertools import islice

from licd_daemon.core.model import RESUMABLE_MS, Seat, SessionStatus, State

RATE_MARGIN = 0.02  # of the lease: two boottime clocks disagree by far less


class Deadline(IntEnum):
    """What a deadline is for."""

    LEASE = 0
    DRAIN = 1
    MEMORY = 2


_Due = tuple[Deadline, str]


def with_margin(lease_ttl_ms: int) -> int:
    """How long the daemon waits for a lease of `lease_ttl_ms`."""
    return lease_ttl_ms + int(lease_ttl_ms * RATE_MARGIN) + 1


def recorded_lease_ms(state: State, handover_ms: int) -> int:
    """How long a process may still believe after a new epoch began, whatever the journal says; 0: none ever did (R18).

    The longest lease ever granted, its margin, and what a deposed leader may still have acknowledged: the longest proof
    interval in the journal, or `handover_ms`, whichever is more (R31).
    """
    if not state.longest_lease_ms:
        return 0
    return with_margin(state.longest_lease_ms) + max(handover_ms, state.longest_proof_ms)


def seatless_first(due: Iterable[tuple[Deadline, str]], state: State) -> tuple[list[_Due], list[_Due]]:
    """What is due, in the order to decide it: leases of those without a seat, and the rest.

    A seat that is freed goes to the waitlist at once, and never to a lease that has ended at that same instant.
    """
    first: list[_Due] = []
    rest: list[_Due] = []
    for kind, session_id in due:
        session = state.sessions.get(session_id)
        seatless = kind is Deadline.LEASE and session is not None and session.seat is Seat.NONE
        (first if seatless else rest).append((kind, session_id))
    return first, rest


class Leases:
    """The deadlines of all sessions. `lease_ttl_ms` is what nodes are granted."""

    def __init__(self, lease_ttl_ms: int) -> None:
        self._span = with_margin(lease_ttl_ms)
        self._deadlines: dict[Deadline, dict[str, int]] = {kind: {} for kind in Deadline}
        self._leases = self._deadlines[Deadline.LEASE]
        self._heap: list[tuple[int, Deadline, str]] = []

    def grant(self, session_id: str, served: int) -> None:
        """A session is live; its lease runs from `served`, the receipt of its latest sign of life.

        A longer one from another epoch runs on: should this answer be lost, its node still believes in that (R18).
        """
        self._set(Deadline.LEASE, session_id, max(self._leases.get(session_id, 0), served + self._span))

    def renew(self, session_id: str, served: int) -> bool:
        """A sign of life came; False: there is no lease to renew, so nothing may be acknowledged."""
        known = self._leases.get(session_id)
        if known is None:
            return False
        until = served + self._span
        if until > known:
            self._leases[session_id] = until
        return True

    def runs(self, session_id: str) -> bool:
        """Whether the session has a lease."""
        return session_id in self._leases

    def drain(self, session_id: str, served: int) -> None:
        """The withdrawal was sent: what the holder may believe ends with the lease that it has now."""
        if session_id not in self._deadlines[Deadline.DRAIN]:
            self._set(Deadline.DRAIN, session_id, self._leases.get(session_id, served + self._span))

    def remember(self, session_id: str, since: int) -> None:
        """A lost or ended session is kept for a day."""
        self._set(Deadline.MEMORY, session_id, since + RESUMABLE_MS)

    def remembered_longest(self, count: int) -> list[str]:
        """Up to `count` of those that are kept for a day, beginning with the one that has been longest."""
        return list(islice(self._deadlines[Deadline.MEMORY], count))

    def drop(self, kind: Deadline, session_id: str) -> None:
        """A deadline is no question any more."""
        self._deadlines[kind].pop(session_id, None)

    def due(self, served: int) -> Iterator[tuple[Deadline, str]]:
        """Take out and yield what is due at `served`, earliest first."""
        while self._heap and self._heap[0][0] <= served:
            _, kind, session_id = heapq.heappop(self._heap)
            until = self._deadlines[kind].get(session_id)
            if until is None:
                continue
            if until > served:
                heapq.heappush(self._heap, (until, kind, session_id))
                continue
            del self._deadlines[kind][session_id]
            yield kind, session_id

    def _set(self, kind: Deadline, session_id: str, until: int) -> None:
        known = self._deadlines[kind].get(session_id)
        self._deadlines[kind][session_id] = until
        if known is None or until < known:
            heapq.heappush(self._heap, (until, kind, session_id))

    def promote(self, state: State, served: int, handover_ms: int) -> None:
        """R18: at a new epoch every recorded holder, and everyone who was connected, has a fresh lease."""
        until = served + recorded_lease_ms(state, handover_ms)
        for session in sorted(state.sessions.values(), key=lambda session: session.since or 0):
            if session.status in (SessionStatus.LIVE, SessionStatus.AWAITED):
                self._set(Deadline.LEASE, session.session_id, until)
            else:
                self.drop(Deadline.LEASE, session.session_id)
            if session.seat is Seat.DRAINING:
                self._set(Deadline.DRAIN, session.session_id, until)
            if session.since is not None:
                self.remember(session.session_id, session.since)
