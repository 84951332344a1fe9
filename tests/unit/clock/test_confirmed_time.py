"""R23: what a start that nothing has confirmed may do to effective time, and how it is taken back."""

import pytest

from licd_daemon.coordinator.kernel_clock import judged as kernel_judged
from licd_daemon.coordinator.service_clock import ServiceClock
from licd_daemon.core.build import BUILD_MS
from licd_daemon.core.effective import Cause, SourceOffset, Times, beginning, confirms, doubts
from licd_daemon.core.model import DAY_MS

YEAR = 365 * DAY_MS
RIGHT = BUILD_MS + 100 * DAY_MS
LIMIT = 5_000


class Machine:
    """A machine's clocks, whose daemon is started again and again; it keeps what a journal keeps."""

    def __init__(self) -> None:
        self.boot = 0.0
        self.wall = 0.0
        self.kept = (0, 0)
        self.service: ServiceClock

    def start(self, wall: float) -> None:
        self.wall = wall
        effective, unconfirmed = self.kept
        self.service = ServiceClock(
            effective, 0, lambda: self.boot, lambda: self.wall, unconfirmed_ms=unconfirmed, floor_ms=BUILD_MS
        )
        self.run(1000)

    def run(self, span: float) -> None:
        self.boot += span
        self.wall += span
        now = self.service.now()
        self.kept = (now.wall, now.unconfirmed)

    def confirm(self, instant: int) -> None:
        now = self.service.now()
        self.service.shift(instant - now.wall, instant - now.confirmed)
        self.run(0)

    @property
    def confirmed(self) -> int:
        return self.kept[0] - self.kept[1]


def registered() -> Machine:
    """A machine whose clock a code has confirmed."""
    machine = Machine()
    machine.start(RIGHT)
    machine.confirm(RIGHT)
    return machine


WRONG = [-2_177_452_800_000, 0, 40 * YEAR, RIGHT + 12 * YEAR, RIGHT + 14 * YEAR]
"""1901, 1970, 2010, 2038 and 2040, or about so."""


@pytest.mark.parametrize("wrong", WRONG)
def test_R23_one_start_with_a_wrong_clock_costs_nothing(wrong: int) -> None:
    machine = registered()
    machine.start(wrong)
    machine.run(DAY_MS)
    machine.start(RIGHT + DAY_MS)
    assert abs(machine.kept[0] - RIGHT - DAY_MS) <= LIMIT
    assert machine.confirmed < RIGHT + 2 * DAY_MS


@pytest.mark.parametrize("first", WRONG)
@pytest.mark.parametrize("second", WRONG)
def test_R23_restarts_with_any_clocks_move_what_is_confirmed_by_boottime_alone(first: int, second: int) -> None:
    machine = registered()
    for wall in (first, second, first, RIGHT, second):
        before = machine.confirmed
        machine.start(wall)
        machine.run(60_000)
        assert before <= machine.confirmed <= before + 61_000 + LIMIT


def test_R23_a_clock_set_back_at_a_start_buys_nothing() -> None:
    machine = registered()
    machine.run(30 * DAY_MS)
    before = machine.kept[0]
    machine.start(RIGHT)
    assert machine.kept[0] >= before


@pytest.mark.parametrize("wrong", WRONG)
def test_R23_a_first_start_with_a_wrong_clock_is_no_earlier_than_the_build(wrong: int) -> None:
    machine = Machine()
    machine.start(wrong)
    assert machine.kept[0] >= BUILD_MS
    assert machine.confirmed <= BUILD_MS + LIMIT
    machine.start(RIGHT)
    assert abs(machine.kept[0] - RIGHT) <= LIMIT


def test_R23_an_answer_takes_back_what_only_a_start_has_moved_and_no_more() -> None:
    late = RIGHT + 14 * YEAR
    word = SourceOffset("ntp", -14.0 * YEAR, 1.0)
    assert confirms(word, late, Times(late, RIGHT - DAY_MS), LIMIT) == RIGHT
    assert confirms(word, late, Times(late, RIGHT + DAY_MS), LIMIT) is None
    assert confirms(word, late, Times(late, late), LIMIT) is None
    assert confirms(word._replace(error=6_000.0), late, Times(late, RIGHT), LIMIT) is None


def test_R23_an_answer_that_agrees_confirms_a_start() -> None:
    assert confirms(SourceOffset("ntp", 3.0, 1.0), RIGHT, Times(RIGHT, RIGHT - DAY_MS), LIMIT) == RIGHT


def test_R23_time_in_which_only_the_daemon_was_off_is_known_by_boottime() -> None:
    latest = Times(RIGHT, RIGHT)
    assert beginning(latest, DAY_MS, RIGHT + DAY_MS, LIMIT) == (RIGHT + DAY_MS, RIGHT + DAY_MS)
    assert beginning(latest, 0, RIGHT + DAY_MS, LIMIT) == (RIGHT + DAY_MS, RIGHT), "the machine has booted since"
    assert beginning(latest, DAY_MS, RIGHT, LIMIT) == latest, "another container's boottime began elsewhere"
    assert beginning(latest, -DAY_MS, RIGHT + DAY_MS, LIMIT) == (RIGHT + DAY_MS, RIGHT)


def test_R23_a_clock_that_went_back_to_what_was_confirmed_is_told_from_one_set_back_behind_it() -> None:
    ahead = Times(RIGHT + DAY_MS, RIGHT)
    (returned,) = doubts(RIGHT + LIMIT, ahead, LIMIT, None, None)
    (behind,) = doubts(RIGHT - 2 * LIMIT, ahead, LIMIT, None, None)
    assert (returned.cause, behind.cause) == (Cause.RETURNED, Cause.BEHIND)


def test_R22_the_kernel_counts_only_where_it_is_synchronised_and_its_clock_is_this_one() -> None:
    assert kernel_judged(0, 0x2001, 12.5, 1_000_000.0, 1_000_400.0) == SourceOffset("of the kernel", 0.0, 12.5)
    assert kernel_judged(5, 0x40, 12.5, 1_000_000.0, 1_000_400.0) is None
    assert kernel_judged(0, 0x40, 12.5, 1_000_000.0, 1_000_400.0) is None
    assert kernel_judged(-1, 0, 12.5, 1_000_000.0, 1_000_400.0) is None
    assert kernel_judged(0, 0x2001, 16_000.0, 1_000_000.0, 1_000_400.0) is None
    assert kernel_judged(0, 0x2001, 12.5, 1_000_000.0, 99_000_400.0) is None
