"""R17-R20: the registration's life, in sessions and over restarts."""

import pytest
from unit.core.world import DAY, GRACE, LEASE, MINUTE, SECOND, World, licensed, refused

from licd_daemon.core import commands as c
from licd_daemon.core.model import Seat, SessionStatus

WINDOW = 5 * MINUTE


def test_R17_when_all_left_or_were_evicted_it_resets_at_once() -> None:
    w = licensed().register("a", "b")
    w.leave("a")
    assert w.registration == "REGISTERED"
    w.evict("b")
    assert w.registration == "UNREGISTERED"
    assert w.kinds()[-1] == "RegistrationReset"


def test_R17_when_the_last_is_lost_it_recovers_and_the_window_ends_it() -> None:
    w = licensed().register("a", "b")
    w.leave("a")
    w.silent("b")
    assert w.registration == "RECOVERING"
    w.later(WINDOW - 1)
    assert w.registration == "RECOVERING"
    w.later(1)
    assert w.registration == "UNREGISTERED"
    with refused("SESSION_EXPIRED"):
        w.resume("b")


def test_R17_the_window_counts_only_time_in_which_the_daemon_could_answer_and_write() -> None:
    w = licensed().register("a")
    w.silent("a")
    w.later(DAY, served=False)
    assert w.registration == "RECOVERING"
    w.later(WINDOW)
    assert w.registration == "UNREGISTERED"


def test_R17_a_holder_that_proves_its_secret_brings_it_back() -> None:
    w = licensed().register("a", "b")
    w.silent("a", "b")
    assert w.registration == "RECOVERING"
    w.resume("b")
    assert w.registration == "REGISTERED"
    assert w.node("b") == "LICENSED"
    w.later(2 * WINDOW)
    assert w.registration == "REGISTERED"


def test_R17_while_recovering_a_new_join_is_pending_and_proves_nothing() -> None:
    w = licensed().register("a")
    w.silent("a")
    w.join("new")
    assert w.node("new") == "PENDING"
    w.resume("new")
    assert w.registration == "RECOVERING"
    w.resume("a")
    assert w.nodes("a", "new") == "LICENSED LICENSED"


def test_R17_a_rejected_holder_brings_it_back_all_the_same() -> None:
    w = licensed(max_nodes=1).register("a")
    w.drift("a")
    w.silent("a")
    w.join("b")
    w.resume("a")
    assert w.registration == "REGISTERED"
    assert w.nodes("a", "b") == "REJECTED LICENSED"


def test_R17_a_node_that_never_held_a_seat_keeps_nothing_alive() -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b", version="9.0")
    w.leave("a")
    assert w.registration == "UNREGISTERED"
    w = licensed(max_nodes=1).register("a")
    w.join("waits")
    w.evict("a")
    assert w.registration == "UNREGISTERED"


def test_R17_freed_seats_go_to_the_line_before_its_life_is_judged() -> None:
    for end in ("leave", "silent"):
        w = licensed(max_nodes=1).register("a")
        w.join("b")
        w.heard("a")
        getattr(w, end)("a")
        assert w.registration == "REGISTERED"
        assert w.node("b") == "LICENSED"


def test_R17_a_former_holder_without_a_seat_keeps_it_alive() -> None:
    w = licensed(max_nodes=1).register("a")
    w.drift("a", joining=True)
    w.drained("a")
    assert w.node("a") == "REJECTED"
    assert w.registration == "REGISTERED"


def test_R16_a_registration_that_ends_with_a_copied_process_waits_for_the_window() -> None:
    w = licensed().register("a")
    w.copied("a")
    assert w.registration == "RECOVERING"
    w.join("new")
    assert w.node("new") == "PENDING"
    w.later(WINDOW - 1)
    assert w.registration == "RECOVERING"
    w.later(1)
    assert w.registration == "UNREGISTERED"


def test_R17_a_lost_holder_that_is_evicted_or_leaves_ends_it_at_once() -> None:
    for end in ("evict", "leave"):
        w = licensed().register("a")
        w.silent("a")
        getattr(w, end)("a")
        assert w.registration == "UNREGISTERED"


@pytest.mark.parametrize("epochs", [1, 2])
def test_R17_with_a_window_of_0_it_resets_at_the_last_leases_end(epochs: int) -> None:
    w = licensed(window=0).register("a", "b")
    for _ in range(epochs - 1):
        w.restart()
    w.silent("a")
    w.later(SECOND)
    assert w.registration != "UNREGISTERED"
    w.silent("b")
    w.later(0)
    assert w.registration == "UNREGISTERED"


def test_R17_when_all_nodes_restarted_the_cluster_must_be_certified_again_with_the_license_there() -> None:
    w = licensed().register("a", "b")
    w.silent("a", "b")
    w.join("a2")
    w.join("b2")
    w.later(WINDOW)
    assert w.nodes("a2", "b2") == "PENDING PENDING"
    w.register()
    assert w.nodes("a2", "b2") == "LICENSED LICENSED"


def test_R18_the_daemons_restart_is_not_the_nodes_restart() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.restart()
    assert w.registration == "RECOVERING"
    assert w.session("a").status is SessionStatus.AWAITED
    assert w.session("a").seat is Seat.HELD
    w.resume("a")
    assert w.registration == "REGISTERED"
    assert w.node("a") == "LICENSED"


def test_R18_the_window_counts_from_the_restart_on_each_time() -> None:
    w = licensed().register("a")
    w.silent("a")
    w.later(WINDOW - SECOND)
    w.restart()
    w.later(WINDOW - SECOND)
    assert w.registration == "RECOVERING"
    w.later(SECOND)
    assert w.registration == "UNREGISTERED"


def test_R18_recorded_seats_are_nobody_elses_until_their_leases_end() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.join("waits")
    w.restart()
    w.resume("a")
    w.resume("waits")
    w.join("new")
    assert w.nodes("a", "waits", "new") == "LICENSED WAITING WAITING"
    w.later(GRACE)
    assert w.nodes("waits", "new") == "WAITING WAITING"
    w.silent("b")
    assert w.nodes("waits", "new") == "LICENSED WAITING"


def test_R18_for_the_longest_lease_ever_granted_a_free_seat_goes_to_nobody_new() -> None:
    """A process may believe in a seat that the journal says is free: what a deposed leader wrote last is not here."""
    w = licensed(max_nodes=2).register("a")
    w.restart()
    w.resume("a")
    w.join("new")
    assert w.nodes("a", "new") == "LICENSED WAITING"
    w.later(GRACE - 1)
    assert w.node("new") == "WAITING"
    w.later(1)
    assert w.node("new") == "LICENSED"


def test_R18_the_grace_counts_served_time_only_and_lasts_for_the_longest_lease_and_the_handover() -> None:
    w = licensed(max_nodes=2).register("a")
    w.restart(lease=60_000)
    w.epoch += 1
    w.do(c.StartEpoch(w.epoch, LEASE, 5000))
    w.resume("a")
    w.join("new")
    w.later(DAY, served=False)
    w.later(61_201 + 5000 - 1)
    assert w.nodes("a", "new") == "LICENSED WAITING"
    w.later(1)
    assert w.node("new") == "LICENSED"


def test_R18_draining_seats_are_recorded_too() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.evict("a")
    w.restart()
    w.resume("b")
    w.join("c")
    assert w.node("c") == "WAITING"
    w.later(GRACE)
    assert w.node("c") == "WAITING"
    w.drained("a")
    assert w.node("c") == "LICENSED"


def test_R18_the_longest_lease_ever_granted_is_kept() -> None:
    w = World()
    for lease in (60_000, 15_000, 30_000):
        w.restart(lease=lease)
    assert w.state.longest_lease_ms == 60_000


def test_R18_an_awaited_session_may_leave() -> None:
    w = licensed().register("a")
    w.restart()
    w.leave("a")
    assert w.registration == "UNREGISTERED"


def test_R18_a_window_that_ends_while_leases_may_still_run_waits_for_them() -> None:
    w = licensed(window=SECOND).register("a")
    w.restart()
    w.later(MINUTE)
    assert w.registration == "RECOVERING"
    w.resume("a")
    assert w.registration == "REGISTERED"


def test_R20_registering_anew_while_recovering_counts_leases_that_may_still_run() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.restart()
    w.register("c", "d")
    assert w.registration == "REGISTERED"
    assert w.nodes("c", "d") == "WAITING WAITING"
    w.later(GRACE)
    w.silent("a")
    assert w.nodes("c", "d") == "LICENSED WAITING"
    w.resume("b")
    assert w.node("b") == "LICENSED"
    assert w.node("d") == "WAITING"


def test_R20_registering_anew_while_recovering_needs_no_lease_of_the_lost() -> None:
    w = licensed(max_nodes=1).register("a")
    w.silent("a")
    w.register("b")
    assert w.node("b") == "LICENSED"
    with refused("SESSION_EXPIRED"):
        w.resume("a")


def test_an_admin_may_reset_while_recovering_and_repeat_it() -> None:
    w = licensed().register("a")
    w.silent("a")
    w.reset()
    assert w.registration == "UNREGISTERED"
    w.reset()
    assert w.kinds() == []
    assert w.state.license is not None


def test_R23_time_is_kept_each_minute() -> None:
    w = World()
    assert w.later(MINUTE - 1) == ()
    w.later(1)
    assert w.kinds() == ["TimeMarked"]
    assert w.state.served == MINUTE
    assert w.state.effective == w.now.wall
