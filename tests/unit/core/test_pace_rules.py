"""R14: the daemon sets the pace of heartbeats, slower as nodes grow many, and never beyond half of the lease."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licd_daemon.core.pace import BEATS_PER_S, Pace


@pytest.mark.parametrize(
    ("nodes", "interval"),
    [(0, 5_000), (1, 5_000), (5_000, 5_000), (6_000, 6_000), (7_500, 7_500), (10_000, 7_500), (1_000_000, 7_500)],
)
def test_the_defaults_hold_until_heartbeats_would_crowd_out_joins(nodes: int, interval: int) -> None:
    assert Pace(5_000, 15_000).interval_ms(nodes) == interval


@given(st.integers(100, 60_000), st.integers(2, 20), st.integers(0, 1_000_000))
def test_one_lost_heartbeat_costs_no_seat(interval: int, beats: int, nodes: int) -> None:
    lease = interval * beats
    assert interval <= Pace(interval, lease).interval_ms(nodes) <= lease / 2


@given(st.integers(0, 100_000))
def test_all_together_stay_below_the_rate_as_long_as_the_lease_allows(nodes: int) -> None:
    told = Pace(1_000, 3_600_000).interval_ms(nodes)
    assert nodes * 1000 / told <= BEATS_PER_S
