"""R13-R16: no seat is two processes', and sessions are LIVE, LOST or ENDED."""

from collections.abc import Callable

import pytest
from unit.core.world import LEASE, OTHER_ID, T0_S, YEAR_S, World, license_of, licensed, refused

from licd_daemon.core import commands as c
from licd_daemon.core.model import REMEMBERED_EPOCHS, RESUMABLE_MS, EndReason, Seat, SessionStatus

TAKEN: dict[str, Callable[[World], None]] = {
    "eviction": lambda w: w.evict("a"),
    "copy": lambda w: w.copied("a"),
    "drift": lambda w: w.drift("a", joining=True),
    "reissue": lambda w: w.upload(max_nodes=1, name="report-server-2", issued_at=T0_S + 1, replace=True),
}
RETURNED: dict[str, Callable[[World], None]] = {
    "acknowledged, or its lease is over": lambda w: w.drained("a"),
    "left": lambda w: w.leave("a"),
}


@pytest.mark.parametrize("end", RETURNED)
@pytest.mark.parametrize("how", TAKEN)
def test_R13_a_seat_taken_from_its_holder_is_nobodys_until(how: str, end: str) -> None:
    w = licensed(max_nodes=1).register("keeps")
    w.join("a")
    w.join("b", name="report-server-2" if how == "reissue" else "report-server")
    w.leave("keeps")
    assert w.node("a") == "LICENSED"
    TAKEN[how](w)
    assert w.session("a").seat is Seat.DRAINING
    if how in ("eviction", "copy"):  # its last holder is gone
        w.register()
    assert w.node("b") == "WAITING"
    RETURNED[end](w)
    copy_left = (how, end) == ("copy", "left")  # one copy's word is not the other's
    assert w.node("b") == ("WAITING" if copy_left else "LICENSED")


def lose_by(w: World, how: str) -> None:
    """`a` loses its seat with its registration."""
    other = license_of(license_id=OTHER_ID, max_nodes=1)
    {"reset": w.reset, "license": lambda: w.upload(other, replace=True), "release": w.release}[how]()


@pytest.mark.parametrize("how", ["reset", "license", "release"])
def test_R13_a_new_registration_waits_for_seats_that_drain(how: str) -> None:
    w = licensed(max_nodes=1).register("a")
    lose_by(w, how)
    w.evict("a")
    if how == "release":
        w.upload(license_id=OTHER_ID, max_nodes=1)
    w.register("b")
    assert w.registration == "REGISTERED"
    assert w.node("b") == "WAITING"
    w.drained("a")
    assert w.node("b") == "LICENSED"


def test_R10_a_registration_whose_every_seat_still_drains_lives_in_those_who_wait_for_them() -> None:
    w = licensed(max_nodes=1).register("a")
    w.evict("a")
    w.register("b")
    assert w.registration == "REGISTERED"
    w.restart()
    assert w.registration == "RECOVERING"
    w.resume("b")
    assert w.registration == "REGISTERED"
    assert w.node("b") == "WAITING"
    w.leave("b")
    assert w.registration == "UNREGISTERED"


def test_R13_registering_anew_leaves_a_holder_its_seat_without_a_gap() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.register()
    assert w.nodes("a", "b") == "LICENSED LICENSED"
    w.reset()
    assert w.nodes("a", "b") == "PENDING PENDING"
    w.register()
    assert w.nodes("a", "b") == "LICENSED LICENSED"


def test_R13_a_license_for_fewer_over_draining_seats_grants_nothing_until_they_have_ended() -> None:
    w = licensed(max_nodes=3).register("a", "b", "c")
    w.evict("a", "b", "c")
    w.upload(license_id=OTHER_ID, max_nodes=1)
    w.register("d")
    for name in ("a", "b"):
        w.drained(name)
        assert w.node("d") == "WAITING"
    w.drained("c")
    assert w.node("d") == "LICENSED"


def test_R13_expiry_drains_every_seat() -> None:
    w = licensed(max_nodes=1).register("a")
    w.until(T0_S + YEAR_S)
    assert w.session("a").seat is Seat.DRAINING
    w.join("b")
    w.upload(max_nodes=1, issued_at=T0_S + 1, expires_at=T0_S + 2 * YEAR_S)
    assert w.nodes("a", "b") == "LICENSED WAITING"


def test_R14_an_epoch_that_was_used_twice_is_told_by_its_id() -> None:
    w = licensed().register("a")
    seen = w.state.epoch + 1
    w.do(c.StartEpoch(seen, LEASE, 0, "a" * 32))
    for later in range(2):
        with refused("SESSION_EXPIRED") as refusal:
            w.do(c.Resume("a", "a", seen, "b" * 32))
        assert "older copy" in refusal[0].message
        for epoch, epoch_id in ((seen, "a" * 32), (seen, ""), (seen - 1, "b" * 32), (0, "")):
            w.do(c.Resume("a", "a", epoch, epoch_id))
        w.do(c.StartEpoch(seen + 1 + later, LEASE, 0, f"{later:032x}"))


def test_R14_a_copy_restored_beside_its_lock_file_goes_on_above_all_epochs_seen() -> None:
    w = licensed().register("a")
    w.do(c.StartEpoch(9, LEASE, 0, "a" * 32))
    w.do(c.Resume("a", "a", 8, "b" * 32))


def test_R14_the_ids_of_past_epochs_are_bounded() -> None:
    w = licensed().register("a")
    for epoch in range(2, 200):
        w.do(c.StartEpoch(epoch, LEASE, 0, f"{epoch:032x}"))
    assert len(w.state.epoch_ids) == REMEMBERED_EPOCHS
    assert w.state.epoch_id == f"{199:032x}"


def test_R14_leaving_frees_the_seat_at_once_and_repeating_it_succeeds() -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b")
    w.leave("a")
    assert w.node("b") == "LICENSED"
    w.leave("a")
    assert w.kinds() == []
    with refused("NO_SUCH_SESSION"):
        w.leave("unknown")


def test_R14_silence_frees_the_seat_when_the_lease_ends() -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b")
    w.heard("a")
    w.silent("a")
    assert w.session("a").status is SessionStatus.LOST
    assert w.session("a").seat is Seat.NONE
    assert w.node("b") == "LICENSED"


def test_R14_an_epoch_rises_with_each_start_and_a_session_that_has_seen_a_higher_one_is_refused() -> None:
    w = licensed().register("a")
    w.restart()
    assert w.state.epoch == 2
    with refused("SESSION_EXPIRED") as caught:
        w.resume("a", seen=3)
    assert "restored from an older copy" in caught[0].message
    w.resume("a", seen=2)
    assert w.node("a") == "LICENSED"


def test_R16_a_secret_proves_a_session() -> None:
    w = licensed().register("a")
    with refused("WRONG_SECRET"):
        w.join("a", secret="x")
    with refused("WRONG_SECRET"):
        w.resume("a", secret="x")
    with refused("SESSION_EXPIRED"):
        w.resume("unknown")
    assert w.node("a") == "LICENSED"


def test_repeating_a_join_is_the_same_join() -> None:
    w = licensed().register("a")
    w.join("a")
    assert w.kinds() == []
    w.join("fresh", instance="a", secret="a")
    assert list(w.state.sessions) == ["a"]


def test_R16_a_resumed_live_session_keeps_its_seat() -> None:
    w = licensed().register("a")
    w.resume("a")
    assert w.kinds() == []
    assert w.node("a") == "LICENSED"


@pytest.mark.parametrize("reason", ["LEFT", "EVICTED", "COPIED"])
def test_R16_an_ended_session_is_told_why_for_a_day_and_then_forgotten(reason: str) -> None:
    w = licensed().register("a", "b")
    if reason == "LEFT":
        w.leave("a")
    else:
        w.do(c.EndSession("a", EndReason(reason)))
    w.drained("a")
    with refused("SESSION_EXPIRED") as caught:
        w.join("a")
    assert caught[0].metadata == {"ended": reason}
    with refused("SESSION_EXPIRED") as caught:
        w.resume("a")
    assert caught[0].metadata == {"ended": reason}
    w.later(RESUMABLE_MS - 1)
    w.forget("a")
    assert w.session("a").ended is EndReason(reason)
    w.later(1)
    w.forget("a")
    assert "a" not in w.state.sessions
    w.join("a")
    assert w.node("a") == "LICENSED"


def test_R16_a_session_that_drains_is_not_forgotten() -> None:
    w = licensed().register("a", "b")
    w.evict("a")
    w.later(2 * RESUMABLE_MS)
    w.forget("a")
    assert w.session("a").seat is Seat.DRAINING


def test_R16_a_lost_session_may_resume_for_24_hours_of_served_time() -> None:
    w = licensed().register("a", "b")
    w.silent("a")
    w.later(30 * RESUMABLE_MS, served=False)
    w.later(RESUMABLE_MS - 1)
    w.forget("a")
    assert w.session("a").status is SessionStatus.LOST
    w.later(1)
    w.forget("a")
    with refused("SESSION_EXPIRED") as caught:
        w.resume("a")
    assert caught[0].metadata == {"ended": "EXPIRED"}


def test_R16_a_lost_session_is_over_with_its_registration() -> None:
    w = licensed().register("a", "b")
    w.silent("a")
    w.reset()
    with refused("SESSION_EXPIRED"):
        w.resume("a")


ENDS: dict[str, Callable[[World], None]] = {"left": lambda w: w.leave("a"), "lost": lambda w: w.silent("a")}


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("state", ["PENDING", "WAITING", "REJECTED", "AWAITED"])
def test_R36_a_session_that_never_had_a_seat_leaves_nothing_behind(how: str, state: str) -> None:
    w = licensed(max_nodes=1)
    if state != "PENDING":
        w.register("holder")
    before = w.state
    w.join("a", version="9" if state == "REJECTED" else "10.0.19")
    if state == "AWAITED":
        w.restart()
    else:
        assert w.node("a") == state
    ENDS[how](w)
    assert w.kinds() == ["SessionEnded", "SessionForgotten"]
    assert set(w.state.sessions) == set(before.sessions)
    assert dict(w.state.instances) == dict(before.instances)
    assert not w.state.line
    assert not w.state.newcomers
    with refused("SESSION_EXPIRED"):
        w.resume("a")


@pytest.mark.parametrize("how", ENDS)
def test_R16_a_session_that_had_a_seat_is_remembered(how: str) -> None:
    w = licensed(max_nodes=2).register("a", "b")
    ENDS[how](w)
    assert w.session("a").status == {"left": "ENDED", "lost": "LOST"}[how]


@pytest.mark.parametrize(("end", "reason"), [(World.evict, "EVICTED"), (World.copied, "COPIED")])
def test_R16_who_was_evicted_or_copied_while_waiting_still_finds_out(
    end: Callable[[World, str], None], reason: str
) -> None:
    w = licensed(max_nodes=1).register("holder")
    w.join("a")
    end(w, "a")
    with refused("SESSION_EXPIRED") as caught:
        w.resume("a")
    assert caught[0].metadata == {"ended": reason}


def test_R16_evicting_an_unknown_session_is_told_and_repeating_an_eviction_changes_nothing() -> None:
    w = licensed().register("a", "b")
    with refused("NO_SUCH_SESSION"):
        w.evict("unknown")
    w.evict("a")
    w.evict("a")
    assert w.kinds() == []


def test_late_words_about_sessions_change_nothing() -> None:
    """Deadlines and heartbeats race with commands: what comes too late must find nothing to do."""
    w = licensed().register("a")
    w.drained("a", "unknown")
    w.silent("unknown")
    w.forget("a")
    w.forget("unknown")
    w.heal("unknown")
    w.leave("a")
    before = w.state
    w.silent("a")
    w.drift("a")
    assert w.state == before
    assert w.state.license == license_of()
