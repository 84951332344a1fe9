"""A node's clock against the leader's, from four timestamps (RFC 5905, section 8).

The daemon sends at t1 (its clock), the node receives at t2 and sends at t3 (its clock), the daemon receives at t4:
offset = ((t2 - t1) + (t3 - t4)) / 2 (node minus leader), delay = (t4 - t1) - (t3 - t2). The true offset lies within
delay / 2 of the measured one. Of the last 8 samples the one with the least delay counts (R21); its bound grows by
15 ppm with its age, since two clocks do not run alike.
"""

from collections import deque
from typing import NamedTuple

SAMPLES = 8
AGING = 15e-6


class Sample(NamedTuple):
    """One measurement, in ms; `taken` in served ms."""

    offset: float
    delay: float
    taken: int


class Estimate(NamedTuple):
    """Node minus leader, and the bound of its error, in ms."""

    offset: float
    error: float

    def over(self, limit_ms: float) -> bool:
        """Whether the clock is over the limit whatever the error was (R21)."""
        return abs(self.offset) - self.error > limit_ms


def measure(t1: float, t2: float, t3: float, t4: float, taken: int) -> Sample:
    """A sample from four wall times in ms; a negative delay (a clock was set in between) counts as 0."""
    return Sample(((t2 - t1) + (t3 - t4)) / 2, max(0.0, (t4 - t1) - (t3 - t2)), taken)


class ClockFilter:
    """The last samples of one node."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=SAMPLES)

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: Sample) -> None:
        """Takes a sample; the oldest of more than 8 goes."""
        self._samples.append(sample)

    def estimate(self, served: int) -> Estimate | None:
        """The best sample's offset and aged bound at `served`; None before the first sample."""
        if not self._samples:
            return None
        best = min(self._samples, key=lambda sample: sample.delay + 2 * AGING * (served - sample.taken))
        return Estimate(best.offset, best.delay / 2 + AGING * (served - best.taken))
