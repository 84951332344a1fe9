"""R21, R23 in the core: warnings, confirmed time, and what a wrong clock may not end."""

import msgspec
import pytest
from unit.core.world import (
    DAY,
    HOUR,
    LICENSE,
    MINUTE,
    OTHER_ID,
    T0_S,
    YEAR_S,
    World,
    drift_of,
    license_of,
    licensed,
    refused,
)

from licd_daemon.core import commands as c
from licd_daemon.core.checks import clock_near, clock_untrusted
from licd_daemon.core.effective import Confirmed
from licd_daemon.core.model import Failure

UNTRUSTED = clock_untrusted("set back by 3600 s behind a time already seen", "Set it.")


def near_of(name: str) -> Failure:
    return clock_near(name, 3_000, 4, 5_000)


def at(world: World, wall: int) -> None:
    """Effective time is set, as the shell does when it was confirmed."""
    world.now = msgspec.structs.replace(world.now, wall=wall)


def poisoned() -> World:
    """A registered cluster whose clock was a year and a day ahead, and has been set right since."""
    w = licensed().register("a")
    w.later(YEAR_S * 1000 + DAY)
    assert w.registration == "EXPIRED"
    w.do(c.JudgeLeaderClock(UNTRUSTED))
    return w


def test_R21_a_clock_over_half_the_limit_is_warned_of_once_and_healed() -> None:
    w = licensed().register("a")
    w.do(c.JudgeClock("a", None, False, near_of("a")))
    assert w.kinds() == ["ClockNear"]
    assert w.node("a") == "LICENSED"
    assert w.session("a").clock_warning == near_of("a")
    w.do(c.JudgeClock("a", None, False, near_of("a")))
    assert w.kinds() == []
    w.heal("a")
    assert w.kinds() == ["ClockHealed"]
    assert w.session("a").clock_warning is None


def test_R21_from_warning_to_drift_and_back_each_is_told() -> None:
    w = licensed().register("a")
    w.do(c.JudgeClock("a", None, False, near_of("a")))
    w.drift("a")
    assert (w.session("a").clock, w.session("a").clock_warning) == (drift_of("a"), None)
    w.do(c.JudgeClock("a", None, False, near_of("a")))
    assert (w.session("a").clock, w.session("a").clock_warning) == (None, near_of("a"))


def test_R21_a_warning_blocks_no_registration() -> None:
    w = licensed()
    w.join("a")
    w.do(c.JudgeClock("a", None, True, near_of("a")))
    assert w.register().registration == "REGISTERED"


def test_R21_a_rejected_node_whose_clock_is_only_warned_of_is_healed() -> None:
    w = licensed().register("a")
    w.join("b")
    w.drift("b", joining=True)
    w.drained("b")
    w.do(c.JudgeClock("b", None, False, near_of("b")))
    assert w.node("b") == "LICENSED"


def test_R23_a_code_gives_a_license_back_that_a_wrong_clock_had_ended() -> None:
    w = poisoned()
    true = T0_S * 1000 + HOUR
    challenge_id = w.challenge()  # not refused: an untrusted clock can't say that the license has expired
    w.attempt(challenge_id)
    at(w, true)
    w.do(c.ConfirmTime(Confirmed.CODE))
    assert w.kinds()[0] == "TimeConfirmed"
    assert w.state.effective == true
    w.do(c.JudgeLeaderClock(None))
    w.do(c.SettleCode(challenge_id, True))
    assert w.registration == "REGISTERED"
    assert w.node("a") == "LICENSED"
    w.later(MINUTE)
    assert w.registration == "REGISTERED"


def test_R23_confirmed_time_alone_gives_the_seats_back() -> None:
    w = poisoned()
    at(w, T0_S * 1000 + HOUR)
    w.do(c.ConfirmTime(Confirmed.CODE))
    assert w.kinds() == ["TimeConfirmed", "SeatGranted"]
    assert w.registration == "REGISTERED"


def test_R23_what_has_really_expired_stays_so() -> None:
    w = poisoned()
    challenge_id = w.challenge()
    w.attempt(challenge_id)
    w.do(c.ConfirmTime(Confirmed.CODE))
    w.do(c.JudgeLeaderClock(None))
    with refused("REGISTRATION_REFUSED") as caught:
        w.do(c.SettleCode(challenge_id, True))
    assert [str(failure.reason) for failure in caught[0].failures] == ["CERTIFICATE_EXPIRED"]
    with refused("REGISTRATION_REFUSED"):
        w.challenge()


def test_R3_warnings_come_again_after_time_was_set_back_to_the_truth() -> None:
    w = licensed().register("a")
    w.later(YEAR_S * 1000 - 7 * DAY)
    assert w.state.warned_days == 7
    at(w, T0_S * 1000)
    w.do(c.ConfirmTime(Confirmed.CODE))
    assert w.state.warned_days is None
    w.until(T0_S + YEAR_S - 30 * 86_400)
    assert w.state.warned_days == 30


def test_R23_a_reissue_is_taken_while_the_clock_can_not_say_that_it_has_expired_and_counts_as_expired() -> None:
    w = poisoned()
    w.upload(issued_at=T0_S + 60)
    assert w.kinds() == ["LicenseInstalled", "LicenseExpired"]
    assert w.registration == "EXPIRED"
    w.do(c.JudgeLeaderClock(None))
    with refused("LICENSE_REFUSED"):
        w.upload(issued_at=T0_S + 120)


@pytest.mark.parametrize("kept", [True, False])
def test_R2_the_time_a_license_was_issued_moves_no_clock(kept: bool) -> None:
    w = licensed().register("a")
    issued = T0_S + 600
    changes = {} if kept else {"license_id": OTHER_ID}
    w.upload(license_of(issued_at=issued, expires_at=LICENSE.expires_at + 86_400, **changes), replace=True)
    assert w.state.effective == T0_S * 1000
    w.later(MINUTE)
    assert w.state.effective == T0_S * 1000 + MINUTE


def test_R22_another_doubt_is_told_and_the_same_one_is_not() -> None:
    w = World()
    other = clock_untrusted("by 83 s off NTP server ntp.example", "Set it.")
    for failure, told in ((UNTRUSTED, 1), (UNTRUSTED, 0), (other, 1), (None, 1)):
        w.do(c.JudgeLeaderClock(failure))
        assert len(w.kinds()) == told
