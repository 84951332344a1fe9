"""When a node sends its heartbeats and when it gives a stream up: pure, with time and chance passed in.

- The sequence rises strictly over the session's whole life: within each stream it must (R16), and daemons before 0.2
  want it over resumed streams too.
- A stream opens with a burst of BURST heartbeats, each sent as soon as the one before is acknowledged, so that the
  node's clock is judged within a second (R21); then one an interval, jittered by a tenth so that nodes do not march
  in step (R14). The interval is the one that the daemon sent last.
- One heartbeat is under way at a time. Without its acknowledgement within an interval, and 5 s at most, the stream is
  dead: that leaves time to resume while the lease still runs, which waiting for TCP would not; a daemon with many nodes
  sends intervals of up to half a lease.
- The time to try again doubles from 0.2 s to a heartbeat interval, 5 s at the most; the first try comes at once. A
  daemon that has restarted keeps a recorded seat for about a lease: who tries less often comes too late.
"""

import dataclasses
import math

BURST = 8
SHORTEST_INTERVAL = 0.05
"""Seconds; a daemon that names no interval must not make the node spin."""
SHORTEST_PATIENCE = 0.25
"""Seconds; below it a busy machine would pass for a dead stream."""
JITTER = 0.1
SLOWEST_RETRY = 5.0
LONGEST_PATIENCE = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """The heartbeats of one session; instants are seconds of boottime.

    Attributes:
        sequence: of the last heartbeat sent.
        sent: when the heartbeat under way was sent; None when none is.
        due: when the next one is due, once none is under way.
        burst: heartbeats to send without waiting for the interval.
        interval: seconds between heartbeats.
    """

    sequence: int = 0
    sent: float | None = None
    due: float = math.inf
    burst: int = 0
    interval: float = 5.0

    @property
    def runs(self) -> bool:
        """Whether a stream is open."""
        return self.sent is not None or self.due < math.inf

    def opened(self, now: float, interval: float) -> "Pace":
        """At the start of a stream."""
        interval = max(interval, SHORTEST_INTERVAL)
        return dataclasses.replace(self, sent=None, due=now, burst=BURST, interval=interval)

    def stopped(self) -> "Pace":
        """Between streams."""
        return dataclasses.replace(self, sent=None, due=math.inf, burst=0)

    def beaten(self, now: float) -> "Pace":
        """After the next heartbeat was sent at `now`."""
        return dataclasses.replace(self, sequence=self.sequence + 1, sent=now, burst=max(0, self.burst - 1))

    def acknowledged(self, now: float, interval: float, chance: float) -> "Pace":
        """After the acknowledgement of the heartbeat under way; `chance` is uniform in 0..1."""
        interval = max(interval, SHORTEST_INTERVAL)
        wait = 0.0 if self.burst else interval * (1 - JITTER + 2 * JITTER * chance)
        return dataclasses.replace(self, sent=None, due=now + wait, interval=interval)

    def hurried(self, now: float) -> "Pace":
        """After a change: the next heartbeat reports at once that it was applied, so that a lost seat moves on."""
        return dataclasses.replace(self, due=now, burst=max(self.burst, 1))

    def next_at(self) -> float:
        """When something is to be done: a heartbeat, or giving the stream up."""
        if self.sent is None:
            return self.due
        return self.sent + min(max(self.interval, SHORTEST_PATIENCE), LONGEST_PATIENCE)

    def beats_at(self, now: float) -> bool:
        """Whether a heartbeat is due."""
        return self.sent is None and now >= self.due

    def dead_at(self, now: float) -> bool:
        """Whether the stream is to be given up."""
        return self.sent is not None and now >= self.next_at()


def retry_delay(failures: int, interval: float, chance: float) -> float:
    """Seconds before the next try after `failures` of them in a row; `interval` is between heartbeats.

    Args:
        failures: how many tries have failed since the last acknowledgement.
        interval: seconds between heartbeats.
        chance: uniform in 0..1.
    """
    if failures <= 1:
        return 0.1 * chance
    longest = min(SLOWEST_RETRY, max(interval, 0.2), 0.2 * 2.0 ** min(failures - 2, 10))
    return longest * (0.5 + 0.5 * chance)
