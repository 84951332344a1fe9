"""R21: offset and error bound from four timestamps (RFC 5905, section 8)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licd_daemon.core.drift import AGING, ClockFilter, Estimate, Sample, measure

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("t1", "t2", "t3", "t4", "offset", "delay"),
    [
        (1000, 1005, 1006, 1011, 0, 10),  # both ways alike
        (1000, 13_305, 13_306, 1011, 12_300, 10),  # the node 12.3 s ahead
        (20_000, 7705, 7706, 20_011, -12_300, 10),  # behind
        (1000, 1010, 1010, 1010, 5, 10),  # all of the delay on one way: off by delay / 2
        (1000, 1005, 1105, 1110, 0, 10),  # what the node takes to answer is no delay
    ],
)
def test_R21_offset_and_delay(t1: float, t2: float, t3: float, t4: float, offset: float, delay: float) -> None:
    assert measure(t1, t2, t3, t4, 7) == Sample(offset, delay, 7)


@given(
    offset=st.floats(-1e6, 1e6),
    there=st.floats(0, 1e4),
    back=st.floats(0, 1e4),
    think=st.floats(0, 1e4),
)
def test_R21_the_true_offset_lies_within_half_the_delay(offset: float, there: float, back: float, think: float) -> None:
    t1 = 1e7
    t2 = t1 + there + offset
    t3 = t2 + think
    sample = measure(t1, t2, t3, t3 - offset + back, 0)
    assert sample is not None
    assert abs(sample.offset - offset) <= sample.delay / 2 + 1e-6


def test_R21_no_sample_no_estimate() -> None:
    assert ClockFilter().estimate(0) is None


def test_R21_the_sample_with_the_least_delay_counts() -> None:
    clock = ClockFilter()
    for offset, delay in ((40, 90), (3, 8), (-50, 110)):
        clock.add(Sample(offset, delay, 0))
    assert clock.estimate(0) == Estimate(3, 4)


def test_R21_only_the_last_eight_samples_count() -> None:
    clock = ClockFilter()
    clock.add(Sample(3, 8, 0))
    for _ in range(7):
        clock.add(Sample(40, 90, 0))
    assert clock.estimate(0) == Estimate(3, 4)
    clock.add(Sample(40, 90, 0))
    assert clock.estimate(0) == Estimate(40, 45)
    assert len(clock) == 8


def test_R21_a_samples_bound_grows_by_15_ppm_with_its_age() -> None:
    clock = ClockFilter()
    clock.add(Sample(3, 8, 0))
    estimate = clock.estimate(HOUR)
    assert estimate is not None
    assert estimate.error == pytest.approx(4 + 54)
    assert pytest.approx(15e-6) == AGING
    clock.add(Sample(9, 20, HOUR))
    assert clock.estimate(HOUR) == Estimate(9, 10)  # older, the former is worse by now


@pytest.mark.parametrize(
    ("offset", "error", "over"),
    [(5000, 0, False), (5001, 0, True), (5004, 4, False), (5005, 4, True), (-5005, 4, True)],
)
def test_R21_a_node_is_over_the_limit_only_beyond_the_error(offset: float, error: float, over: bool) -> None:
    assert Estimate(offset, error).over(5000) is over


@given(st.lists(st.tuples(st.integers(-40, 40), st.integers(0, 60), st.integers(0, 10_000)), min_size=1, max_size=40))
def test_R21_the_filter_is_the_least_bound_of_the_last_8_that_nothing_newer_contradicts(
    measured: list[tuple[int, int, int]],
) -> None:
    clocks, kept, taken = ClockFilter(), list[Sample](), 0
    for offset, delay, later in measured:
        taken += later
        sample = Sample(offset, delay, taken)
        clocks.add(sample)
        wrong = [abs(offset - o.offset) > (delay + o.delay) / 2 + AGING * (taken - o.taken) for o in kept]
        first = len(wrong) - wrong[::-1].index(True) if any(wrong) else 0
        kept = [*kept[first:], sample][-8:]
        assert len(clocks) == len(kept)
        best = clocks.estimate(taken)
        assert best is not None
        assert best.error == pytest.approx(min(o.delay / 2 + AGING * (taken - o.taken) for o in kept))
