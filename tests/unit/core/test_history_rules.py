"""R17, R4: a registration that ended is remembered, says so to its nodes, and refusals are kept with time and node."""

from collections.abc import Callable

import msgspec
import pytest
from unit.core.world import (
    APPLICATION,
    DAY,
    HOUR,
    LEASE,
    MINUTE,
    OTHER_ID,
    SECOND,
    T0_S,
    World,
    license_of,
    licensed,
    refused,
)

from licd_daemon.core import checks
from licd_daemon.core import commands as c
from licd_daemon.core.events import AnyEvent, Registered, RegistrationReset
from licd_daemon.core.evolve import fold
from licd_daemon.core.model import EndedRegistration, Failure, Now, State
from licd_daemon.core.view import node_state


def ended(w: World) -> EndedRegistration:
    assert w.state.last_registration is not None
    return w.state.last_registration


def told(w: World, name: str) -> Failure:
    (failure,) = node_state(w.state, w.session(name))[1]
    return failure


def all_left(w: World) -> None:
    w.leave("a", "b")


def window_over(w: World) -> None:
    w.silent("a", "b")
    w.later(5 * MINUTE)


def too_old(w: World) -> None:
    w.later(30 * DAY)


def by_hand(w: World) -> None:
    w.reset()


def replaced(w: World) -> None:
    w.upload(license_of(license_id=OTHER_ID), replace=True)


def released(w: World) -> None:
    w.release()


ENDS = {
    "ALL_GONE": all_left,
    "WINDOW_OVER": window_over,
    "RECERTIFY": too_old,
    "ADMIN": by_hand,
    "REPLACED": replaced,
    "RELEASED": released,
}


@pytest.mark.parametrize(("cause", "end"), ENDS.items(), ids=ENDS)
def test_R17_a_registration_that_ended_says_when_why_and_who_held_a_seat(
    cause: str, end: Callable[[World], None]
) -> None:
    w = licensed(recertify_days=30)
    w.later(HOUR)
    w.register("a", "b")
    w.later(HOUR)
    assert w.state.last_registration is None
    end(w)
    assert w.state.registration is None
    assert ended(w) == EndedRegistration(w.now.wall, ended(w).cause, T0_S * 1000 + HOUR, ("a", "b"))
    assert str(ended(w).cause) == cause


def test_R17_the_nodes_are_those_that_ever_held_a_seat_in_the_order_of_their_joining() -> None:
    w = licensed(max_nodes=2)
    w.join("zoe")
    w.join("amy")
    w.register()
    w.join("never")  # waits, and never holds a seat
    w.join("late")
    w.leave("never", "zoe", "amy")
    assert w.nodes("late") == "LICENSED"
    w.forget("zoe")
    w.leave("late")
    assert ended(w).nodes == ("zoe", "amy", "late")


def test_R17_a_node_that_was_restarted_stands_there_once() -> None:
    w = licensed()
    w.register("a", "b")
    w.leave("a")
    w.do(c.Join("a2", "a", "a2", "a2", APPLICATION))
    w.reset()
    assert ended(w).nodes == ("a", "b")


def test_R17_the_first_hundred_by_their_joining_are_kept() -> None:
    w = licensed(max_nodes=200)
    names = [f"n{number}" for number in range(150)]
    w.register(*names[:60])
    for name in names[60:]:
        w.join(name)
    w.reset()
    assert ended(w).nodes == tuple(names[:100])


def test_R17_a_node_that_got_its_seat_late_counts_from_its_joining() -> None:
    w = licensed(max_nodes=1)
    w.register("a")
    w.join("b")
    w.drift("b")
    w.join("c")
    w.leave("a")
    assert w.nodes("b", "c") == "REJECTED LICENSED"
    w.heal("b")
    w.leave("c", "b")
    assert ended(w).nodes == ("a", "b", "c")


def test_R17_a_new_registration_clears_what_ended_and_counts_its_own_nodes() -> None:
    w = licensed()
    w.register("a", "b")
    w.reset()
    w.drained("a", "b")
    w.leave("a")
    w.register()
    assert w.state.last_registration is None
    w.reset()
    assert ended(w).nodes == ("b",)


def test_R20_registering_anew_while_recovering_ends_nothing() -> None:
    w = licensed()
    w.register("a")
    w.silent("a")
    w.register("b")
    assert w.registration == "REGISTERED"
    assert w.state.last_registration is None


def test_R17_what_ended_outlives_a_restart_and_a_license_that_comes_later() -> None:
    w = licensed()
    w.register("a")
    w.leave("a")
    was = ended(w)
    w.restart()
    w.upload(license_of(license_id=OTHER_ID), replace=True)
    assert ended(w) == was


def test_R17_a_journal_of_0_1_0_gives_it_too() -> None:
    """Events as the first version wrote them."""
    written = [b'{"kind":"registered","challenge_id":"c","seated":[],"queued":[]}',
               b'{"kind":"registration_reset","reason":"WINDOW_OVER"}']  # fmt: skip
    events = [msgspec.json.decode(each, type=Registered | RegistrationReset) for each in written]
    state = fold(State(), [(event, Now(1000 * number, 0, 0)) for number, event in enumerate(events)])
    assert state.last_registration is not None
    assert (str(state.last_registration.cause), state.last_registration.ended_at) == ("WINDOW_OVER", 1000)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (all_left, "after every node that held a seat had left"),
        (window_over, "after no node that held a seat had come back within the recovery window"),
        (too_old, "because it was older than the license allows"),
        (by_hand, "because an administrator reset it"),
        (replaced, "because another license was uploaded"),
        (released, "because the license was released"),
    ],
)
def test_R4_a_pending_node_learns_when_why_and_what_to_do(end: Callable[[World], None], words: str) -> None:
    w = licensed(recertify_days=30)
    w.register("a", "b")
    end(w)
    w.join("new")
    failure = told(w, "new")
    assert w.node("new") == "PENDING"
    assert (str(failure.reason), failure.title) == ("REGISTRATION_ENDED", "The registration has ended")
    assert failure.detail.startswith("Ended 2023-1")
    assert words in failure.detail
    assert "create a QR code, scan it and submit the code" in failure.remedy
    assert ("upload a Container.lic" in failure.remedy) == (end is released)
    assert failure.at == ended(w).ended_at


def test_R4_the_detail_names_the_minute_in_utc() -> None:
    w = licensed()
    w.register("a")
    w.leave("a")
    w.join("new")
    expected = "Ended 2023-11-14 22:13 UTC after every node that held a seat had left or been evicted"
    assert told(w, "new").detail == expected


def test_R17_a_cluster_that_was_never_registered_has_nothing_to_say() -> None:
    w = licensed()
    w.join("a")
    assert (w.node("a"), w.reasons("a")) == ("PENDING", [])


def test_R17_a_node_that_is_pending_while_recovering_is_not_told_of_an_end() -> None:
    w = licensed()
    w.register("a")
    w.silent("a")
    w.join("new")
    assert (w.registration, w.node("new"), w.reasons("new")) == ("RECOVERING", "PENDING", [])


def test_R17_a_rejected_node_keeps_its_own_reasons() -> None:
    w = licensed()
    w.register("a")
    w.join("old", version="9.0")
    w.reset()
    assert (w.node("old"), w.reasons("old")) == ("REJECTED", ["VERSION_MISMATCH"])


def test_R17_an_end_blocks_no_registration() -> None:
    w = licensed()
    w.register("a")
    w.reset()
    assert checks.blocking(w.state, w.now) == ()


def kept(w: World) -> list[tuple[str, str, object]]:
    return [(str(failure.reason), failure.node_name, failure.at) for failure in w.state.last_failures]


def test_R4_refusals_are_kept_with_time_and_node_newest_first() -> None:
    w = licensed()
    first = w.now.wall
    with refused("LICENSE_REFUSED"):
        w.upload(checks.certificate_content_incorrect())
    w.later(SECOND)
    w.join("old", version="9.0", content="hr")
    with refused("REGISTRATION_REFUSED"):
        w.code(w.challenge())
    second = w.now.wall
    assert kept(w) == [
        ("VERSION_MISMATCH", "old", second),
        ("PROJECT_CONTENT_MISMATCH", "old", second),
        ("CERTIFICATE_CONTENT_INCORRECT", "", first),
    ]
    w.restart()
    assert len(kept(w)) == 3
    w.leave("old")
    w.register("a")
    assert kept(w) == []


def test_R4_the_last_twenty_are_kept() -> None:
    w = licensed()
    for _ in range(25):
        w.later(SECOND)
        with refused("LICENSE_REFUSED"):
            w.upload(checks.certificate_content_incorrect())
    assert [at for _, _, at in kept(w)] == [w.now.wall - SECOND * number for number in range(20)]


def test_R4_an_upload_that_succeeds_leaves_what_was_refused_before() -> None:
    w = World()
    with refused("LICENSE_REFUSED"):
        w.upload(checks.certificate_content_incorrect())
    w.upload()
    assert len(kept(w)) == 1


def test_R4_the_journal_writes_failures_as_before() -> None:
    """`at` is the state's; an event has its time of its own."""
    events: list[AnyEvent] = []
    w = licensed()
    with refused("LICENSE_REFUSED"):
        w.upload(checks.certificate_content_incorrect())
    events += w.events
    assert b'"at"' not in msgspec.json.encode(events)


def test_R17_the_loss_of_a_seat_and_its_reason_come_at_once() -> None:
    w = licensed()
    w.register("a")
    w.reset()
    assert w.session("a").seat == "DRAINING"
    assert w.reasons("a") == ["REGISTRATION_ENDED"]
    w.later(LEASE)
    w.drained("a")
    assert w.reasons("a") == ["REGISTRATION_ENDED"]


def test_R21_the_nodes_that_drift_are_counted_while_they_are_connected() -> None:
    w = licensed()
    w.register("a", "b")
    w.drift("a")
    w.drift("b")
    assert w.state.tally.drifted == 2
    w.heal("a")
    w.silent("b")
    assert w.state.tally.drifted == 0
    w.resume("b")
    assert w.state.tally.drifted == 1
    w.leave("b")
    assert w.state.tally.drifted == 0
