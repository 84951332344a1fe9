"""Time comes from here: no other module imports `time`.

Rules:

- Two sources, never mixed: boottime (CLOCK_BOOTTIME counts suspended time, R13) for everything that must not be moved
  by hand; the wall clock for licenses, records and drift.
- Effective time (R23) never goes back within a run, and starts at the journal's latest: setting the clock back buys
  nothing.
- Served time (R17, R18) counts only while the daemon could answer and write. A gap of more than `STALL_MS` between two
  readings is a stall and counts not at all: too little served time ends a lease late, which is safe; too much would end
  it early.
- All values are whole milliseconds.
"""

import time
from collections.abc import Callable

from licd_daemon.core.model import Now

STALL_MS = 1000
"""The longest gap between two readings that still is served time; the daemon reads at least every 250 ms."""

_NS_PER_MS = 1_000_000
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Source = Callable[[], int]
"""A clock: gives milliseconds."""


def boottime_ms() -> int:
    """Milliseconds since boot, suspended time included (R13); where the system lacks that clock, its monotonic one."""
    return time.clock_gettime_ns(_BOOTTIME) // _NS_PER_MS


def wall_ms() -> int:
    """Milliseconds since the Unix epoch by this machine's clock, whatever it was set to."""
    return time.time_ns() // _NS_PER_MS


class ServiceClock:
    """The daemon's three clocks (`Now`) for one epoch, which begins when this is made. For one thread."""

    def __init__(self, effective_ms: int, served_ms: int, boot: Source = boottime_ms, wall: Source = wall_ms) -> None:
        """Continues from what the journal says.

        Args:
            effective_ms: The journal's latest effective time.
            served_ms: The journal's latest served time.
            boot: Boottime, or another clock that only moves on.
            wall: The machine's wall clock.
        """
        self._boot = boot
        self._wall = wall
        self._started = self._read = boot()
        self._effective = effective_ms
        self._served = served_ms
        self._serving = True

    def now(self, serving: bool = True) -> Now:
        """The present instant.

        Args:
            serving: Whether the daemon can answer and write at this instant. The time since the last reading is served
                only when it could at both of its ends.
        """
        boot = self._boot()
        step = max(0, boot - self._read)
        self._read = max(self._read, boot)
        self._effective = max(self._effective + step, self._wall())
        if serving and self._serving and step <= STALL_MS:
            self._served += step
        self._serving = serving
        return Now(wall=self._effective, run=self._read - self._started, served=self._served)

    def raw_wall(self) -> int:
        """The machine's wall clock as it is, for the timestamps of drift (R21)."""
        return self._wall()
