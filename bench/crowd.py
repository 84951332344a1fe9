"""A crowd of members, each on its own connection: gathers, beats in its pace or as fast as it can, comes back.

Who is in gives signs of life while others still come, as nodes do: on a slow machine that takes longer than a lease.
"""

import heapq
import random
import time
from collections.abc import Callable

from bench.http2 import Loop
from bench.members import Member, member_of
from bench.servers import Server

BURST = 8  # a node's first heartbeats, so that its clock is judged (R21)
WAIT_S = 240
TENDED_S = 5.0


class Members:
    """See the module. `ready`: members whose stream is open; `acknowledged`: signs of life answered so far."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._make = member_of(server)
        self.loop = Loop()
        self.members: list[Member] = []
        self.ready = 0
        self.acknowledged = 0
        self._returning: dict[Member, Member] = {}
        self._tended: list[Member] = []
        self._tended_at = 0.0
        self._next = 0
        self._unstarted: list[Member | None] = []
        self._after_ack = self._nothing

    def is_ready(self, member: Member) -> None:
        """See `members.Crowd`."""
        self.ready += 1
        self._returning.pop(member, None)
        self._tended.append(member)
        self._start_one()

    def is_acknowledged(self, member: Member) -> None:
        """See `members.Crowd`."""
        self.acknowledged += 1
        self._after_ack(member)

    def is_forgiven(self, member: Member) -> bool:
        """See `members.Crowd`: after a restart everyone tries until it is in, as nodes and etcd's clients do."""
        before = self._returning.pop(member, None)
        if before is None:
            return False
        self.members.remove(member)
        self._unstarted.append(before)
        self._start_one()
        return True

    def _nothing(self, member: Member) -> None:
        pass

    def _start_one(self) -> None:
        if self._unstarted:
            before = self._unstarted.pop()
            member = self._make(self.loop, self._server, self, before)  # type: ignore[arg-type]
            self.members.append(member)
            if before is not None:
                self._returning[member] = before

    def gather(self, number: int, at_once: int) -> float:
        """Enters `number` members, at most `at_once` of them under way; gives the seconds until all are in."""
        return self._gather([None] * number, at_once)

    def come_back(self, at_once: int) -> float:
        """The server was killed and serves again: the members take up what they had; seconds until all have it."""
        for member in self.members:
            member.close()
        before, self.members, self.ready, self._tended = self.members, [], 0, []
        taken = self._gather(list(before), at_once)
        if not all(member.licensed for member in self.members):
            raise RuntimeError("a member came back and had lost its seat")
        return taken

    def _gather(self, before: list[Member | None], at_once: int) -> float:
        wanted = self.ready + len(before)
        self._unstarted = before
        began = time.monotonic()
        for _ in range(min(at_once, len(before))):
            self._start_one()
        self._wait(lambda: self.ready >= wanted)
        return time.monotonic() - began

    def _wait(self, done: Callable[[], bool]) -> None:
        self._tended_at = time.monotonic()

        def finished() -> bool:
            self._tend()
            return done()

        self.loop.until(finished, WAIT_S)

    def _tend(self) -> None:
        """Each who is in beats once in `TENDED_S`, in turn."""
        now = time.monotonic()
        due = int((now - self._tended_at) * len(self._tended) / TENDED_S)
        if due:
            self._tended_at = now
            for _ in range(due):
                self._next = (self._next + 1) % len(self._tended)
                _beat(self._tended[self._next])

    def burst(self, newest: int) -> None:
        """The newest members send their first heartbeats, each as soon as the one before is acknowledged."""
        new = self.members[-newest:]
        left = dict.fromkeys(map(id, new), BURST)

        def again(member: Member) -> None:
            beats = left.pop(id(member), 0)
            if beats > 1:
                left[id(member)] = beats - 1
                _beat(member)

        self._after_ack = again
        for member in new:
            _beat(member)
        self._wait(lambda: not left)
        self._after_ack = self._nothing

    def pace(self, seconds: float, interval: float | None = None) -> int:
        """Beats for `seconds`, spread evenly; gives how many were sent.

        Args:
            seconds: How long.
            interval: Seconds between two of one member; None: as the server tells it, a tenth more or less.
        """
        now = time.monotonic()
        first = interval or self.members[0].interval
        waiting = sorted(range(len(self.members)), key=lambda place: self.members[place].beaten)
        due = [(now + first * turn / len(waiting), place) for turn, place in enumerate(waiting)]
        end, sent = now + seconds, 0
        while (now := time.monotonic()) < end:
            while due[0][0] <= now:
                at, place = due[0]
                member = self.members[place]
                _beat(member)
                sent += 1
                wait = interval or member.interval * random.uniform(0.9, 1.1)  # noqa: S311 (no secret)
                heapq.heapreplace(due, (at + wait, place))
            self.loop.poll(max(0.0, min(due[0][0], end) - time.monotonic()))
            self._check()
        return sent

    def saturate(self, seconds: float) -> int:
        """Each beats again as soon as it is acknowledged; gives how many were acknowledged."""
        before, end = self.acknowledged, time.monotonic() + seconds
        self._after_ack = _beat
        for member in self.members:
            _beat(member)
        while time.monotonic() < end:
            self.loop.poll(0.1)
        self._check()
        self._after_ack = self._nothing
        return self.acknowledged - before

    def settle(self) -> None:
        """Waits until what is under way is answered."""
        seen = -1
        while seen != self.acknowledged:
            seen = self.acknowledged
            self.loop.poll(0.2)
        self._check()

    def _check(self) -> None:
        if self.loop.failures:
            raise RuntimeError(f"{len(self.loop.failures)} failures, such as: {self.loop.failures[:3]}")


def _beat(member: Member) -> None:
    member.beaten = time.monotonic()
    member.beat()
