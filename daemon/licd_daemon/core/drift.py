"""R21: a node's clock against the leader's, from four timestamps (RFC 5905, section 8).

A heartbeat and its acknowledgement are one exchange: the node sends at T1 (its clock), the daemon receives at T2 and
acknowledges at T3 (the leader's), the node has it at T4 (its clock), which the next heartbeat has. Node minus leader
is ((T4 - T3) + (T1 - T2)) / 2, the delay (T4 - T1) - (T3 - T2). The true offset lies within delay / 2 of the measured
one, whatever the two ways of the path are like.

- Of the last 8 samples the one with the least delay counts (R21); its bound grows by 15 ppm with its age, since two
  clocks do not run alike.
- An exchange of negative delay had a clock set inside it: no sample. Samples that the newest one contradicts are of the
  time before a clock was set, and are dropped.
- Three samples in a row must say the same before it is a verdict.
"""

from enum import IntEnum
from typing import NamedTuple

SAMPLES = 8
AGING = 15e-6
VERDICT_AFTER = 3
RESOLUTION_MS = 1.0
"""How coarse the timestamps of a node may be."""


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
        """Whether the clock is over the limit whatever the error was."""
        return abs(self.offset) - self.error > limit_ms

    def within(self, limit_ms: float) -> bool:
        """Whether the clock is within the limit whatever the error was."""
        return abs(self.offset) + self.error <= limit_ms


def measure(t1: float, t2: float, t3: float, t4: float, taken: int) -> Sample | None:
    """A sample from four wall times in ms; None: a clock was set in between.

    Args:
        t1: When the first message was sent, by the first clock.
        t2: When it came, by the second.
        t3: When the second message was sent, by the second clock.
        t4: When it came, by the first.
        taken: Served ms at that time.

    Returns:
        The second clock minus the first. To measure a node by an exchange that the node began, give T3, T4, T1, T2.
    """
    delay = (t4 - t1) - (t3 - t2)
    if delay < -RESOLUTION_MS:
        return None
    return Sample(((t2 - t1) + (t3 - t4)) / 2, max(0.0, delay), taken)


class ClockFilter:
    """The last samples of one node. Every heartbeat of every node comes through here: plain loops, nothing made.

    `_best` is the sample of the least error; since all age alike, it stays that until a better one comes or it goes.
    """

    __slots__ = ("_best", "_samples")

    def __init__(self) -> None:
        self._samples: list[Sample] = []
        self._best: Sample | None = None

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: Sample) -> None:
        """Take a sample; the oldest of more than 8 goes, and so do those that this one contradicts and all before."""
        # DANGER: `_best` must be one of `_samples` when this returns. The short way keeps both, so it is closed where
        # the oldest is to go and is the best; the long way may drop any, and so looks for the best again. An estimate
        # by a sample that has gone, or that a newer one contradicts, blames a node for a clock that it has no more.
        samples, best = self._samples, self._best
        offset, delay, taken = sample
        full = len(samples) == SAMPLES
        # Most samples are the best one's offset and some more delay: they hold all that it holds, so they contradict
        # none that it does not, and are no better.
        if best is not None and not (full and samples[0] is best):
            best_offset, best_delay, best_taken = best
            if abs(offset - best_offset) <= (delay - best_delay) / 2 - AGING * (taken - best_taken):
                if full:
                    del samples[0]
                samples.append(sample)
                return
        place = len(samples)
        for older_offset, older_delay, older_taken in reversed(samples):
            # No one offset fits both: a clock was set between them, or runs faster than any sound one.
            if abs(offset - older_offset) > (delay + older_delay) / 2 + AGING * (taken - older_taken):
                del samples[:place]
                break
            place -= 1
        if len(samples) == SAMPLES:
            del samples[0]
        samples.append(sample)
        self._best = min(samples, key=_worth)

    def estimate(self, served: int) -> Estimate | None:
        """The best sample's offset and aged bound at `served`; None before the first sample."""
        best = self._best
        return None if best is None else Estimate(best.offset, best.delay / 2 + AGING * (served - best.taken))


def _worth(sample: Sample) -> float:
    """Less is better: the bound of its error, at whatever time."""
    return sample.delay / 2 - AGING * sample.taken


class Level(IntEnum):
    """How a node's clock stands. NEAR: more than half of the limit, a warning. OVER: CLOCK_DRIFT (R21)."""

    FINE = 0
    NEAR = 1
    OVER = 2


class Verdict:
    """What the samples of one node have shown three times in a row. `level` None: not yet anything."""

    __slots__ = ("_latest", "_times", "level")

    def __init__(self) -> None:
        self.level: Level | None = None
        self._latest: Level | None = None
        self._times = 0

    def hear(self, estimate: Estimate, limit_ms: float) -> Level | None:
        """The verdict after one more estimate."""
        latest = self._level(estimate, limit_ms)
        self._times = self._times + 1 if latest is self._latest else 1
        self._latest = latest
        if self._times >= VERDICT_AFTER:
            self.level = latest
        return self.level

    def _level(self, estimate: Estimate, limit_ms: float) -> Level:
        """A warning ends only where the clock is surely below it, or a clock just there would warn permanently."""
        if estimate.over(limit_ms):
            return Level.OVER
        if estimate.over(limit_ms / 2):
            return Level.NEAR
        warned = self.level is not None and self.level is not Level.FINE
        return Level.NEAR if warned and not estimate.within(limit_ms / 2) else Level.FINE
