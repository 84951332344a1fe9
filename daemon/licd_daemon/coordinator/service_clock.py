"""The three clocks of a decision (`Now`), from the machine's own (`licd_kit.clock`).

Rules:

- Two sources, never mixed: boottime (CLOCK_BOOTTIME counts suspended time, R13) for everything that must not be moved
  by hand; the wall clock for licenses, records and drift.
- Effective time (R23) begins and moves on by boottime as `core/effective.py` says.
- Served time (R17, R18) counts only while the daemon could answer and write. A gap of more than `STALL_MS` between two
  readings is a stall and counts not at all: too little served time ends a lease late, which is safe; too much would end
  it early.
- All values of a decision are whole milliseconds.
"""

from licd_daemon.core.effective import LIMIT_MS, Times, beginning, moved_on
from licd_daemon.core.model import Now
from licd_kit.clock import Source, boot_and_wall, boottime_ms, fine_wall_ms

STALL_MS = 1000
"""The longest gap between two readings that still is served time; the daemon reads at least every 250 ms."""


class ServiceClock:
    """The daemon's three clocks (`Now`) for one epoch, which begins when this is made. For one thread."""

    def __init__(
        self,
        effective_ms: int,
        served_ms: int,
        boot: Source = boottime_ms,
        wall: Source = fine_wall_ms,
        *,
        unconfirmed_ms: int = 0,
        elapsed_ms: int = 0,
        floor_ms: int = 0,
        limit_ms: int = LIMIT_MS,
    ) -> None:
        """Continues from what the journal says.

        Args:
            effective_ms: The journal's latest effective time; 0: there is none.
            served_ms: The journal's latest served time.
            boot: Boottime, or another clock that only moves on.
            wall: The machine's wall clock.
            unconfirmed_ms: By how much `effective_ms` was ahead of what had been confirmed.
            elapsed_ms: How long ago the journal's latest was by boottime; 0: not known.
            floor_ms: No time is earlier: the build's date.
            limit_ms: How far ahead the wall clock is followed.
        """
        self.limit_ms = limit_ms
        self._floor = floor_ms
        self._boot = boot
        self._wall = wall
        self._seen_wall = int(wall())
        self._started = self._read = int(boot())
        self._reach_ms = 0
        latest = Times(max(effective_ms, floor_ms), max(effective_ms - unconfirmed_ms, floor_ms))
        self._times = beginning(latest, elapsed_ms, self._seen_wall, limit_ms)
        self._served = served_ms
        self._serving = True

    @property
    def started_ms(self) -> int:
        """When the run began, in ms of boottime."""
        return self._started

    def now(self, serving: bool = True) -> Now:
        """The present instant.

        Args:
            serving: Whether the daemon can answer and write at this instant. The time since the last reading is served
                only when it could at both of its ends.
        """
        # The wall first: a pause between the two readings must not be added to effective time a second time.
        wall, boot = int(self._wall()), int(self._boot())
        step = max(0, boot - self._read)
        self._read = max(self._read, boot)
        self._seen_wall = wall
        self._times = moved_on(self._times, step, wall, self.limit_ms, self._reach_ms)
        if self._times.effective == wall:
            self._reach_ms = 0
        if serving and self._serving and step <= STALL_MS:
            self._served += step
        self._serving = serving
        return Now(self._times.effective, self._read - self._started, self._served, self._times.unconfirmed)

    def served(self, serving: bool = True) -> int:
        """Served time in ms at this instant, as `now` tells it; cheap where nothing has moved on since."""
        unmoved = serving is self._serving and int(self._boot()) == self._read
        return self._served if unmoved else self.now(serving).served

    def hold(self, latest_ms: int, reach_ms: int) -> None:
        """The run before ended in doubt: a wall clock far ahead of the journal is a jump still (R23).

        Args:
            latest_ms: The journal's latest effective time.
            reach_ms: How far ahead of it the wall clock may be to be followed once, now or whenever it is set: for so
                long the machine may have been off.
        """
        effective, confirmed = self._times
        if effective - latest_ms > reach_ms:
            self._times = Times(max(latest_ms, confirmed), confirmed)
        self._reach_ms = reach_ms

    def follow_wall(self, lacks_ms: float = 0.0, *, confirmed: bool = False) -> None:
        """Effective time is what the wall clock says, forwards or back, and what that one lacks.

        Args:
            lacks_ms: What the wall clock lacks.
            confirmed: Whether a source has said so.
        """
        # As of the last reading of boottime: the next one adds what has passed since.
        self._seen_wall = int(self._wall()) - (int(self._boot()) - self._read)
        effective = max(self._seen_wall + int(lacks_ms), self._floor)
        self._times = Times(effective, effective if confirmed else min(self._times.confirmed, effective))

    def lead_ms(self) -> int:
        """The wall clock minus effective time, both of the same reading: a pause in between would pass for a jump."""
        return self._seen_wall - self._times.effective

    def astray(self) -> bool:
        """Whether the wall clock has come away from effective time by more than the limit (R23)."""
        return abs(self.lead_ms()) > self.limit_ms

    def shift(self, effective_ms: int, confirmed_ms: int) -> None:
        """Moves effective time and the confirmed part of it, each by its own span, forwards or back (R23)."""
        effective, confirmed = self._times
        self._times = Times(effective + effective_ms, confirmed + confirmed_ms)

    def raw_wall(self) -> float:
        """The machine's wall clock as it is, for the timestamps of drift (R21)."""
        return self._wall()

    def raw(self) -> tuple[float, float]:
        """Boottime and the machine's wall clock as they are, at one instant."""
        return boot_and_wall(self._boot, self._wall)
