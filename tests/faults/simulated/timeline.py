"""One thread of time for everything simulated: an ordered list of what happens when. Nothing sleeps.

Instants are seconds since the world's beginning, by a clock that nobody in it has. Each machine's own clocks are made
from it: boottime at a rate of its own, wall time with a jump of its own.
"""

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass

from licd_daemon.core.build import BUILD_MS

EPOCH_S = BUILD_MS // 1000 + 86_400
"""The wall time at the world's beginning: an earlier one than this release's no daemon believes (R23)."""

Act = Callable[[], object]


class Timeline:
    """What happens next; ties in the order in which they were planned."""

    def __init__(self) -> None:
        self.now = 0.0
        self._planned: list[tuple[float, int, Act]] = []
        self._number = 0

    def at(self, when: float, act: Act) -> None:
        """Plans `act` for an instant; one that has gone by is now."""
        self._number += 1
        heapq.heappush(self._planned, (max(when, self.now), self._number, act))

    def after(self, delay: float, act: Act) -> None:
        """Plans `act` for `delay` seconds from now."""
        self.at(self.now + delay, act)

    def run(self, until: float) -> None:
        """Lets everything happen up to an instant."""
        while self._planned and self._planned[0][0] <= until:
            self.now, _, act = heapq.heappop(self._planned)
            act()
        self.now = until


@dataclass
class Machine:
    """The clocks of one machine: `rate` of its boottime, `jump` of its wall clock in seconds."""

    timeline: Timeline
    rate: float = 1.0
    booted: float = 1000.0
    jump: float = 0.0

    def boottime(self) -> float:
        """Seconds since it was started, suspended time included."""
        return self.booted + self.timeline.now * self.rate

    def wall(self) -> float:
        """Seconds since 1970 by its own clock."""
        return EPOCH_S + self.timeline.now * self.rate + self.jump

    def clock_gettime(self, clock: int) -> float:
        """As in `time`, of which a machine is the part that `clock.py` asks."""
        return self.wall() if clock == time.CLOCK_REALTIME else self.boottime()

    def clock_gettime_ns(self, clock: int) -> int:
        """As in `time`."""
        return int(self.clock_gettime(clock) * 1e9)

    def time_ns(self) -> int:
        """As in `time`."""
        return int(self.wall() * 1e9)

    def perf_counter(self) -> float:
        """As in `time`."""
        return self.boottime()

    monotonic = perf_counter
    CLOCK_BOOTTIME = time.CLOCK_BOOTTIME
    CLOCK_MONOTONIC = time.CLOCK_MONOTONIC
    CLOCK_REALTIME = time.CLOCK_REALTIME
