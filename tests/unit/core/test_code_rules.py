"""R7-R9: the challenge, its code, and the guard against guessed codes."""

import pytest
from unit.core.world import DAY, HOUR, MINUTE, OTHER_ID, SECOND, World, licensed, refused

from licd_daemon.core import commands as c
from licd_daemon.core.model import ChallengeState

LOCKS = 6  # the sixth wrong code locks


def test_R7_a_challenge_is_dead_after_five_minutes() -> None:
    w = licensed()
    w.join("a")
    challenge_id = w.challenge()
    w.later(5 * MINUTE - 1)
    challenge = w.state.challenge
    assert challenge is not None
    assert challenge.state(w.now) is ChallengeState.PENDING
    w.later(1)
    assert challenge.state(w.now) is ChallengeState.EXPIRED
    with refused("CHALLENGE_EXPIRED") as caught:
        w.code(challenge_id)
    assert caught[0].metadata == {"state": "EXPIRED"}
    assert w.state.lockout.wrong_codes == 0
    w.code(w.challenge())
    assert w.registration == "REGISTERED"


def test_R7_a_challenge_runs_by_boottime_whatever_the_wall_clock_or_an_outage_does() -> None:
    w = licensed()
    w.join("a")
    challenge_id = w.challenge()
    w.later(5 * MINUTE, served=False)
    with refused("CHALLENGE_EXPIRED"):
        w.code(challenge_id)


def test_R7_a_new_challenge_ends_the_one_before() -> None:
    w = licensed()
    w.join("a")
    older = w.challenge()
    newer = w.challenge()
    with refused("CHALLENGE_EXPIRED") as caught:
        w.code(older)
    assert caught[0].metadata == {"state": "SUPERSEDED"}
    w.code(newer)


def test_R7_a_restart_ends_the_challenge() -> None:
    w = licensed()
    w.join("a")
    challenge_id = w.challenge()
    w.restart()
    assert w.state.challenge is None
    with refused("CHALLENGE_EXPIRED"):
        w.code(challenge_id)


def test_R7_a_challenge_that_never_was_is_not_found() -> None:
    w = licensed()
    with refused("NO_SUCH_CHALLENGE"):
        w.attempt("f" * 16)
    assert w.state.lockout.wrong_codes == 0


def test_R7_a_challenge_is_used_once() -> None:
    w = licensed()
    w.join("a")
    challenge_id = w.challenge()
    w.code(challenge_id)
    assert w.state.predecessor == challenge_id
    with refused("CHALLENGE_EXPIRED") as caught:
        w.code(challenge_id)
    assert caught[0].metadata == {"state": "USED"}


def test_R7_another_license_ends_the_challenge_and_one_drawn_for_the_former_is_refused() -> None:
    w = licensed()
    challenge_id = w.challenge()
    former = w.state.license
    assert former is not None
    w.upload(license_id=OTHER_ID)
    with refused("CHALLENGE_EXPIRED"):
        w.code(challenge_id)
    with refused("CHALLENGE_EXPIRED"):
        w.do(c.CreateChallenge("e" * 16, former.license_id, "https://portal/Q/X"))


def test_no_challenge_without_a_license() -> None:
    w = World()
    with refused("NO_LICENSE"):
        w.do(c.CreateChallenge("e" * 16, OTHER_ID, "https://portal/Q/X"))


def test_R8_a_right_code_that_is_refused_stays_usable_until_it_expires() -> None:
    w = licensed()
    challenge_id = w.challenge()
    for _ in range(8):
        with refused("REGISTRATION_REFUSED"):
            w.code(challenge_id)
    w.join("a")
    w.code(challenge_id)
    assert w.registration == "REGISTERED"


def test_R9_the_sixth_wrong_code_locks_for_fifteen_minutes() -> None:
    w = licensed()
    challenge_id = w.challenge()
    for left in (5, 4, 3, 2, 1):
        with refused("WRONG_CODE") as caught:
            w.code(challenge_id, right=False)
        assert caught[0].metadata == {"attempts_left": str(left)}
    with refused("LOCKED_OUT") as caught:
        w.code(challenge_id, right=False)
    assert caught[0].retry_after_ms == 15 * MINUTE
    assert caught[0].metadata == {"locked_until": str((w.now.wall + 15 * MINUTE) // 1000)}


def test_R9_while_locked_no_code_is_compared_and_no_challenge_is_drawn() -> None:
    w = licensed()
    w.join("a")
    w.lock()
    counted = w.state.lockout.wrong_codes
    w.later(15 * MINUTE - 1)
    with refused("LOCKED_OUT") as caught:
        w.attempt("f" * 16)
    assert caught[0].retry_after_ms == 1
    with refused("LOCKED_OUT"):
        w.challenge()
    assert w.state.lockout.wrong_codes == counted
    w.later(1)
    w.code(w.challenge())
    assert w.registration == "REGISTERED"


@pytest.mark.parametrize("between", ["challenge", "restart", "upload", "other license", "reset", "release", "a day"])
def test_R9_the_count_spans(between: str) -> None:
    w = licensed().register("a")
    w.wrong(5)
    if between == "restart":
        w.restart()
    elif between == "upload":
        w.upload(issued_at=1_700_000_001)
    elif between == "other license":
        w.upload(license_id=OTHER_ID, replace=True)
    elif between == "reset":
        w.reset()
    elif between == "release":
        w.release()
        w.upload(license_id=OTHER_ID)
    elif between == "a day":
        w.later(DAY)
    with refused("LOCKED_OUT"):
        w.code(w.challenge(), right=False)


def test_R9_only_a_right_code_clears_the_count() -> None:
    w = licensed()
    w.join("a")
    w.wrong(5)
    w.code(w.challenge())
    assert w.state.lockout.wrong_codes == 0
    w.wrong(5)


def test_R9_a_right_code_clears_the_count_even_if_the_registration_is_refused() -> None:
    w = licensed()
    w.wrong(5)
    with refused("REGISTRATION_REFUSED"):
        w.code(w.challenge())
    w.wrong(5)


def test_R9_an_attempt_is_counted_before_its_code_is_compared() -> None:
    w = licensed()
    w.attempt(w.challenge())
    assert w.state.lockout.wrong_codes == 1


def test_R9_attempts_that_a_crash_leaves_uncompared_count() -> None:
    w = licensed()
    for _ in range(5):
        w.attempt(w.challenge())
        w.restart()
    w.wrong(0)
    with refused("LOCKED_OUT"):
        w.code(w.challenge(), right=False)


def test_R9_a_crash_at_the_sixth_attempt_locks_at_the_start() -> None:
    """Otherwise a guesser who can crash the daemon would never be locked out."""
    w = licensed()
    w.wrong(5)
    w.attempt(w.challenge())
    w.restart()
    with refused("LOCKED_OUT"):
        w.challenge()
    w.later(15 * MINUTE)
    with refused("LOCKED_OUT"):
        w.code(w.challenge(), right=False)


def test_R9_each_lockout_doubles_the_next_up_to_24_hours() -> None:
    w = licensed()
    spans = []
    for _ in range(10):
        w.lock()
        spans.append(w.state.lockout.left_ms(w.now))
        w.later(spans[-1])
        assert w.state.lockout.left_ms(w.now) == 0
    assert spans == [15 * MINUTE << n for n in range(7)] + [DAY] * 3


def test_R9_after_a_lockout_each_wrong_code_locks_until_a_right_one() -> None:
    w = licensed()
    w.join("a")
    w.lock()
    w.later(15 * MINUTE)
    with refused("LOCKED_OUT"):
        w.code(w.challenge(), right=False)
    w.later(30 * MINUTE)
    w.code(w.challenge())
    w.wrong(5)
    with refused("LOCKED_OUT") as caught:
        w.code(w.challenge(), right=False)
    assert caught[0].retry_after_ms == 15 * MINUTE


def test_R9_a_lockout_starts_again_in_full_at_each_start_of_the_daemon() -> None:
    w = licensed()
    w.lock()
    w.later(14 * MINUTE)
    w.restart(down=HOUR)
    assert w.state.lockout.left_ms(w.now) == 15 * MINUTE
    w.later(15 * MINUTE - 1)
    with refused("LOCKED_OUT"):
        w.challenge()
    w.later(1)
    w.challenge()


def test_R9_a_lockout_runs_by_boottime_even_while_the_journal_is_away() -> None:
    w = licensed()
    w.lock()
    w.later(15 * MINUTE, served=False)
    w.challenge()


def test_R9_a_lockout_that_ended_before_a_restart_does_not_come_back() -> None:
    w = licensed()
    w.lock()
    w.later(15 * MINUTE)
    w.restart()
    w.later(SECOND)
    w.challenge()


def test_R10_registration_takes_one_step() -> None:
    w = licensed(max_nodes=2)
    w.join("a")
    w.join("b")
    challenge_id = w.challenge()
    w.attempt(challenge_id)
    assert w.nodes("a", "b") == "PENDING PENDING"
    w.do(c.SettleCode(challenge_id, True))
    assert w.kinds() == ["CodeMatched", "Registered"]
    assert w.nodes("a", "b") == "LICENSED LICENSED"
