"""R21: what four timestamps say of a clock, over paths and clocks that are simulated in numbers."""

import random
from dataclasses import dataclass

import pytest

from licd_daemon.core.drift import ClockFilter, Estimate, Level, Sample, Verdict, measure

LIMIT = 5_000.0
HEARTBEAT = 5_000


@dataclass
class Path:
    """A path with a delay for each direction, and jitter on both, in ms."""

    there: float
    back: float
    jitter: float
    chance: random.Random

    def sample(self, at: float, offset: float, rate: float = 0.0) -> Sample | None:
        """One exchange that the node begins at true time `at`, its clock ahead by `offset`, faster by `rate`."""
        received = at + self.there + self.jitter * self.chance.random()
        acknowledged = received + 0.1
        had = acknowledged + self.back + self.jitter * self.chance.random()
        return measure(acknowledged, had + offset + rate * (had - at), at + offset, received, int(acknowledged))


def test_R21_10_000_samples_over_200_ms_of_jitter_give_no_false_drift_and_keep_their_bound() -> None:
    path = Path(there=0.5, back=0.5, jitter=200, chance=random.Random(4))
    for offset in (0.0, 4_999.0, -4_999.0):
        clock, verdict = ClockFilter(), Verdict()
        for number in range(10_000):
            sample = path.sample(number * HEARTBEAT, offset)
            assert sample is not None
            assert abs(sample.offset - offset) <= sample.delay / 2
            clock.add(sample)
            estimate = clock.estimate(sample.taken)
            assert estimate is not None
            assert abs(estimate.offset - offset) <= estimate.error
            assert verdict.hear(estimate, LIMIT) is not Level.OVER


@pytest.mark.parametrize("offset", [250.0, -250.0, 30_000.0, -3_600_000.0, 3_600_000.0])
@pytest.mark.parametrize(("there", "back"), [(0.1, 0.1), (150.0, 1.0), (1.0, 150.0)])
def test_R21_every_sample_keeps_its_bound_however_asymmetric_the_path(offset: float, there: float, back: float) -> None:
    path = Path(there, back, jitter=20, chance=random.Random(1))
    for number in range(200):
        sample = path.sample(number * HEARTBEAT, offset)
        assert sample is not None
        assert abs(sample.offset - offset) <= sample.delay / 2 + 1e-6


def test_R21_a_clock_that_runs_1_percent_fast_is_followed_sample_by_sample() -> None:
    path = Path(0.2, 0.2, jitter=0.2, chance=random.Random(2))
    clock = ClockFilter()
    for number in range(40):
        at = float(number * HEARTBEAT)
        sample = path.sample(at, 0.01 * at, rate=0.01)
        assert sample is not None
        assert abs(sample.offset - 0.01 * at) <= sample.delay / 2 + 0.01
        clock.add(sample)
        assert len(clock) == 1, "each sample contradicts the one before, which is dropped"
        estimate = clock.estimate(sample.taken)
        assert estimate is not None
        assert abs(estimate.offset - 0.01 * at) < 1


def test_R21_such_a_clock_gets_its_verdict_all_the_same() -> None:
    verdict = Verdict()
    said = [verdict.hear(Estimate(4_900 + 50 * number, 0.2), LIMIT) for number in range(8)]
    assert said == [None, None, Level.NEAR, Level.NEAR, Level.NEAR, Level.OVER, Level.OVER, Level.OVER]


@pytest.mark.parametrize("step", [-3_600_000.0, -10_000.0, 10_000.0, 3_600_000.0])
def test_R21_samples_from_before_a_step_are_dropped_with_the_first_one_after_it(step: float) -> None:
    path = Path(1, 1, jitter=200, chance=random.Random(3))
    clock = ClockFilter()
    for number in range(12):
        offset = 0.0 if number < 8 else step
        sample = path.sample(number * HEARTBEAT, offset)
        assert sample is not None
        clock.add(sample)
        estimate = clock.estimate(sample.taken)
        assert estimate is not None
        assert abs(estimate.offset - offset) <= estimate.error


def test_R21_a_step_inside_an_exchange_makes_no_sample_or_one_that_keeps_its_bound() -> None:
    back = measure(1_000.2, 1_000.4 - 10_000, 1_000.0, 1_000.1, 0)
    assert back is None
    ahead = measure(1_000.2, 1_000.4 + 10_000, 1_000.0, 1_000.1, 0)
    assert ahead is not None
    assert abs(ahead.offset - 10_000) <= ahead.delay / 2


def test_R21_one_odd_sample_is_no_verdict() -> None:
    verdict = Verdict()
    fine, odd = Estimate(0, 1), Estimate(60_000, 1)
    assert [verdict.hear(each, LIMIT) for each in (fine, fine, fine)] == [None, None, Level.FINE]
    assert [verdict.hear(each, LIMIT) for each in (odd, odd, fine, odd, odd)] == [Level.FINE] * 5
    assert [verdict.hear(odd, LIMIT) for _ in range(3)] == [Level.OVER] * 3


def test_R21_a_clock_just_at_half_the_limit_does_not_warn_again_and_again() -> None:
    verdict = Verdict()
    assert [verdict.hear(Estimate(2_502, 1), LIMIT) for _ in range(3)][-1] is Level.NEAR
    wavering = [verdict.hear(Estimate(2_500, 1.0 + number % 4), LIMIT) for number in range(30)]
    assert set(wavering) == {Level.NEAR}
    assert [verdict.hear(Estimate(2_400, 1), LIMIT) for _ in range(3)][-1] is Level.FINE
