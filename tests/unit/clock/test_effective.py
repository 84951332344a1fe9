"""R22, R23: effective time, and what is said of the leader's own clock."""

import pytest

from licd_daemon.core.drift import Estimate
from licd_daemon.core.effective import SourceOffset, Times, confirms, doubts, failure_of, majority, moved_on

LIMIT = 5_000
HOUR = 3_600_000
NOW = 1_700_000_000_000
SURE = Times(NOW, NOW)


@pytest.mark.parametrize(
    ("wall", "expected"),
    [
        (NOW + 250, NOW + 250),
        (NOW + 250 + LIMIT, NOW + 250 + LIMIT),  # slightly ahead: followed
        (NOW + 251 + LIMIT, NOW + 250),  # a jump: not taken over
        (NOW + 10_000 * HOUR, NOW + 250),
        (NOW, NOW + 250),  # behind: never
        (NOW - HOUR, NOW + 250),
    ],
)
def test_R23_effective_time_moves_by_boottime_and_follows_only_what_is_slightly_ahead(wall: int, expected: int) -> None:
    assert moved_on(SURE, 250, wall, LIMIT) == (expected, expected)


def test_R23_a_jump_ahead_and_back_leaves_no_trace() -> None:
    times = SURE
    for second in range(1, 60):
        jump = 8_760 * HOUR if 10 <= second < 50 else 0
        times = moved_on(times, 1_000, NOW + second * 1_000 + jump, LIMIT)
    assert times == (NOW + 59_000, NOW + 59_000)


def said(wall: float = NOW, ntp: SourceOffset | None = None, most: Estimate | None = None) -> str:
    failure = failure_of(doubts(wall, SURE, LIMIT, ntp, most))
    return failure.detail if failure else ""


def test_R23_within_the_limit_nothing_is_said() -> None:
    assert said() == said(wall=NOW + LIMIT) == said(wall=NOW - LIMIT) == ""
    assert said(ntp=SourceOffset("ntp", -5_004, 4)) == ""


def test_R22_R23_every_doubt_is_said_with_its_span() -> None:
    assert said(wall=NOW + HOUR) == "jumped ahead by 3600 s, which nothing has confirmed"
    assert said(wall=NOW - HOUR) == "set back by 3600 s behind a time already seen"
    assert said(ntp=SourceOffset("ntp.example", -5_005, 4)) == "by 5.0 s off NTP server ntp.example"
    both = said(wall=NOW - HOUR, ntp=SourceOffset("ntp.example", HOUR, 4))
    assert both == "by 3600 s off NTP server ntp.example; set back by 3600 s behind a time already seen"


def test_R21_an_unsure_leader_says_so_unless_ntp_vouches_for_it() -> None:
    most = Estimate(30_000, 4)
    assert said(most=most) == "by 30 s off most of the cluster's clocks, so no single node is to blame"
    assert said(most=most, ntp=SourceOffset("ntp", 1, 4)) == ""
    assert said(most=most, ntp=SourceOffset("ntp", 30_000, 4)).startswith("by 30 s off NTP server")


@pytest.mark.parametrize(
    ("offsets", "expected"),
    [
        ([], None),
        ([30_000], None),  # one against one
        ([30_000, 30_000], 30_000),
        ([30_000, -3_600_000], None),  # they do not agree with one another
        ([0, 30_000, 30_000], None),  # two against two
        ([30_000, 30_100, 29_900], 30_000),
        ([0, 0, 30_000], None),
        ([-90_000, -90_000, -90_000, 0], -90_000),
    ],
)
def test_R21_most_clocks_stand_elsewhere_only_where_more_than_half_agree(
    offsets: list[float], expected: float | None
) -> None:
    most = majority([Estimate(offset, 1) for offset in offsets], LIMIT)
    assert (None if most is None else most.offset) == (None if expected is None else pytest.approx(expected, abs=101))


def test_R23_ntp_confirms_a_jump_only_where_it_agrees_with_the_wall_clock_and_not_with_effective_time() -> None:
    assert confirms(SourceOffset("ntp", 10, 5), NOW + HOUR, SURE, LIMIT) == NOW + HOUR
    assert confirms(SourceOffset("ntp", -HOUR, 5), NOW + HOUR, SURE, LIMIT) is None, "the clock is wrong"
    assert confirms(SourceOffset("ntp", 10, 2 * HOUR), NOW + HOUR, SURE, LIMIT) is None, "too vague to tell"
    assert confirms(SourceOffset("ntp", 10, 5), NOW - HOUR, SURE, LIMIT) is None, "NTP takes no confirmed time back"
