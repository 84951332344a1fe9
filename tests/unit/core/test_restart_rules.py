"""R17: processes that are new prove nothing. A registration lives on only in those that overlapped with the living."""

from collections.abc import Callable

import pytest
from unit.core.world import GRACE, MINUTE, SECOND, World, licensed, refused

from licd_daemon.core import commands as c
from licd_daemon.core.events import HoldersHeard, SeatGranted, SessionJoined, SessionLost
from licd_daemon.core.evolve import evolve
from licd_daemon.core.model import Seat

WINDOW = 5 * MINUTE


def test_R17_kill_9_of_all_and_new_ones_within_a_lease_asks_for_a_code() -> None:
    w = licensed(max_nodes=3).register("a", "b", "c")
    for name in ("a2", "b2", "c2"):
        w.join(name)
    assert w.nodes("a2", "b2", "c2") == "WAITING WAITING WAITING"
    w.silent("a", "b", "c")
    assert w.registration == "RECOVERING"
    assert w.nodes("a2", "b2", "c2") == "PENDING PENDING PENDING"
    w.register()
    assert w.nodes("a2", "b2", "c2") == "LICENSED LICENSED LICENSED"


def test_R17_with_spare_seats_the_new_ones_keep_nothing_alive_and_recover_nothing() -> None:
    w = licensed(max_nodes=5).register("a", "b", "c")
    for name in ("a2", "b2", "c2"):
        w.join(name)
    assert w.nodes("a2", "b2", "c2") == "LICENSED LICENSED WAITING"
    w.silent("a", "b", "c")
    assert w.registration == "RECOVERING"
    assert w.nodes("a2", "b2", "c2") == "LICENSED LICENSED PENDING"
    w.heard("a2")
    w.resume("a2")
    w.silent("b2")
    w.resume("b2")
    assert w.registration == "RECOVERING"
    w.later(WINDOW)
    assert w.registration == "UNREGISTERED"
    assert w.session("a2").seat is Seat.DRAINING
    assert w.nodes("a2", "c2") == "PENDING PENDING"


def test_R17_with_spare_seats_a_code_registers_the_new_ones_while_it_recovers() -> None:
    w = licensed(max_nodes=5).register("a", "b", "c")
    w.join("a2")
    w.join("b2")
    w.silent("a", "b", "c")
    w.register("c2")
    assert w.registration == "REGISTERED"
    assert w.nodes("a2", "b2", "c2") == "LICENSED LICENSED LICENSED"


def test_R17_staggered_deaths_within_a_lease_are_a_restart_of_all() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.join("a2")
    w.silent("a")
    assert w.node("a2") == "WAITING"
    w.join("b2")
    w.silent("b")
    assert w.registration == "RECOVERING"
    assert w.nodes("a2", "b2") == "PENDING PENDING"


def test_R17_one_left_and_the_others_were_killed() -> None:
    """The seat that was left is anybody's; but who takes it keeps nothing alive for those that silence took."""
    w = licensed(max_nodes=2).register("a", "b")
    w.leave("a")
    w.join("a2")
    w.join("b2")
    assert w.nodes("a2", "b2") == "LICENSED WAITING"
    w.silent("b")
    assert w.registration == "RECOVERING"
    assert w.nodes("a2", "b2") == "LICENSED PENDING"


def test_R17_a_clean_stop_of_all_resets_at_once_and_new_ones_must_be_certified() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.leave("a", "b")
    assert w.registration == "UNREGISTERED"
    w.join("a2")
    assert w.node("a2") == "PENDING"


@pytest.mark.parametrize("end", ["leave", "silent"])
def test_R17_a_rolling_restart_keeps_it_when_the_new_one_joins_before_the_old_one_ends(end: str) -> None:
    w = licensed(max_nodes=2).register("0", "1")
    for number in range(2, 8):
        w.join(str(number))
        w.heard(str(number - 1))
        getattr(w, end)(str(number - 2))
        assert w.nodes(str(number - 1), str(number)) == "LICENSED LICENSED"
    assert w.registration == "REGISTERED"


@pytest.mark.parametrize("end", ["leave", "silent"])
def test_R17_a_rolling_restart_keeps_it_when_the_new_one_joins_after_the_old_one_ended(end: str) -> None:
    w = licensed(max_nodes=2).register("0", "1")
    for number in range(2, 8):
        getattr(w, end)(str(number - 2))
        w.join(str(number))
        w.heard(str(number - 1))
        assert w.nodes(str(number - 1), str(number)) == "LICENSED LICENSED"
    assert w.registration == "REGISTERED"


def test_R17_with_one_seat_a_surge_node_takes_over_after_kill_9() -> None:
    w = licensed(max_nodes=1).register("old")
    w.join("surge")
    w.heard("old")
    w.silent("old")
    assert w.registration == "REGISTERED"
    assert w.node("surge") == "LICENSED"


def test_R17_a_waiting_node_gets_the_seat_that_silence_freed_once_a_holder_was_heard() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.silent("a")
    w.join("a2")
    assert w.node("a2") == "WAITING"
    w.heard("b")
    assert w.kinds() == ["HoldersHeard", "SeatGranted"]
    assert w.node("a2") == "LICENSED"


def test_R17_a_sign_of_life_vouches_for_nobody_who_joined_after_it() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.join("before")
    heard = w.state.vouched_by("b")
    w.join("after")
    w.do(c.Tick(heard))
    w.silent("a", "b")
    assert w.nodes("before", "after") == "LICENSED WAITING"
    assert w.registration == "REGISTERED"


def test_R11_R17_a_seat_that_silence_did_not_free_is_a_newcomers_at_once() -> None:
    w = licensed(max_nodes=3).register("a")
    w.join("spare")
    assert w.node("spare") == "LICENSED"
    w.leave("spare")
    w.join("left")
    assert w.node("left") == "LICENSED"
    w.silent("left")
    w.join("b")
    w.join("c")
    assert w.nodes("b", "c") == "LICENSED WAITING"
    w.heard("a")
    assert w.node("c") == "LICENSED"


def test_R17_the_first_in_line_that_is_entitled_gets_the_seat() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.join("first")
    w.heard("a")
    w.join("second")
    w.drift("first")
    w.heal("first")
    assert list(w.state.line.values()) == ["second", "first"]
    w.silent("a")
    assert w.nodes("first", "second") == "LICENSED WAITING"
    w.leave("b")
    assert w.nodes("first", "second") == "LICENSED LICENSED"


@pytest.mark.parametrize("said", [True, False])
def test_R17_a_draining_seat_is_silences_only_if_nobody_acknowledged(said: bool) -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.evict("a")
    w.join("new")
    w.do(c.DrainOver("a", silent=not said))
    assert w.node("new") == ("LICENSED" if said else "WAITING")
    w.heard("b")
    assert w.node("new") == "LICENSED"


VOUCHING: dict[str, Callable[[World], None]] = {
    "heartbeat": lambda w: w.heard("old"),
    "Resume": lambda w: w.resume("old"),
    "Join again": lambda w: w.join("old"),
    "Leave": lambda w: w.leave("old"),
    "eviction": lambda w: w.evict("old"),
}


@pytest.mark.parametrize("sign", VOUCHING)
def test_R17_whatever_shows_that_a_holder_lives_vouches_for_those_who_have_joined(sign: str) -> None:
    w = licensed(max_nodes=2).register("old")
    w.join("new")
    VOUCHING[sign](w)
    if sign not in ("Leave", "eviction"):
        w.silent("old")
    assert w.registration == "REGISTERED"
    assert w.node("new") == "LICENSED"


def test_R17_a_lost_holder_that_returns_or_leaves_vouches_and_one_that_is_evicted_does_not() -> None:
    for sign, state in (("resume", "REGISTERED"), ("leave", "REGISTERED"), ("evict", "UNREGISTERED")):
        w = licensed(max_nodes=2).register("old")
        w.join("new")
        w.silent("old")
        assert w.registration == "RECOVERING"
        getattr(w, sign)("old")
        assert w.registration == state


def test_R17_neither_newcomers_nor_the_waiting_nor_strangers_vouch() -> None:
    w = licensed(max_nodes=2).register("old")
    w.join("seated")
    w.join("waiting")
    w.heard("seated", "waiting")
    w.resume("seated")
    with refused("WRONG_SECRET"):
        w.resume("old", secret="x")
    w.silent("old")
    assert w.registration == "RECOVERING"


def test_R17_a_newcomer_that_overlapped_vouches_in_its_turn() -> None:
    w = licensed(max_nodes=3).register("a")
    w.join("b")
    w.heard("a")
    w.join("c")
    w.heard("b")
    w.silent("a", "b")
    assert w.registration == "REGISTERED"
    assert w.node("c") == "LICENSED"


def test_R17_R18_over_a_restart_of_the_daemon_it_is_known_who_has_overlapped() -> None:
    w = licensed(max_nodes=3).register("a")
    w.join("met")
    w.heard("a")
    w.join("new")
    w.restart()
    w.resume("new")
    assert w.registration == "RECOVERING"
    assert w.node("new") == "LICENSED"
    w.resume("met")
    assert w.registration == "REGISTERED"
    w.later(GRACE)
    w.silent("a", "met")
    assert w.registration == "REGISTERED"


def test_R17_R18_all_are_killed_with_the_daemon() -> None:
    w = licensed(max_nodes=3).register("a", "b")
    w.join("a2")
    w.restart()
    w.join("b2")
    w.resume("a2")
    w.later(GRACE)
    w.silent("a", "b")
    assert w.registration == "RECOVERING"
    assert w.nodes("a2", "b2") == "LICENSED PENDING"
    w.later(WINDOW - GRACE - SECOND)
    assert w.registration == "RECOVERING"
    w.later(SECOND)
    assert w.registration == "UNREGISTERED"


def test_R17_a_lost_newcomer_has_overlapped_once_a_holder_is_heard() -> None:
    w = licensed(max_nodes=2).register("a")
    w.join("b")
    w.silent("b")
    w.resume("b")
    assert w.node("b") == "WAITING"
    w.silent("b")
    w.heard("a")
    w.resume("b")
    assert w.node("b") == "LICENSED"


def test_R17_whoever_is_there_at_the_registration_is_no_newcomer() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.join("waiting")
    w.silent("a", "b")
    w.leave("waiting")
    w.join("c")
    w.register("d")
    w.silent("c")
    assert w.registration == "REGISTERED"
    w.silent("d")
    w.resume("d")
    assert w.nodes("d") == "LICENSED"


def test_R17_a_sign_of_life_is_journaled_only_where_it_says_something() -> None:
    w = licensed(max_nodes=1).register("a")
    w.heard("a")
    w.resume("a")
    assert w.kinds() == []
    w.join("b")
    w.heard("b")
    assert w.kinds() == []
    w.resume("a")
    assert w.events == (HoldersHeard(2),)
    w.heard("a")
    assert w.kinds() == []
    w.join("c")
    w.leave("c")
    w.heard("a")
    assert w.kinds() == []


def test_R17_a_registration_of_a_0_1_0_journal_lives_on_in_every_holder() -> None:
    """There, whoever held a seat carried the registration: an upgrade must not end it."""
    w = licensed(max_nodes=2).register("a")
    for event in (SessionJoined("b", "b", "b", "b", w.session("a").application), SeatGranted("b"), SessionLost("a")):
        w.state = w.folded = evolve(w.state, event, w.now)
    w.restart()
    w.resume("b")
    assert w.registration == "REGISTERED"
    assert w.node("b") == "LICENSED"
