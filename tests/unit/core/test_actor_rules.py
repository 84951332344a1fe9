"""R35: what somebody has caused names who; what time brings, and what somebody else gains by it, names nobody."""

from collections.abc import Callable

import msgspec
import pytest
from unit.core.world import APPLICATION, DAY, MINUTE, YEAR_S, World, drift_of, license_of, licensed

from licd_daemon.core import commands as c
from licd_daemon.core import events as e
from licd_daemon.core.decide import decide
from licd_daemon.core.effective import Confirmed
from licd_daemon.core.model import Actor, EndReason, Role
from licd_daemon.journal.chain import Entry

ANNA = Actor(Role.ADMIN, "console", "ab" * 8, "anna", "10.0.0.7")


def registered() -> World:
    """Two seats held, a third node waits."""
    w = licensed().register("a", "b")
    w.join("c")
    return w


def challenged(*names: str, attempt: bool = False, wrong: int = 0) -> World:
    """Unregistered, with nodes of these names."""
    w = licensed()
    for name in names:
        w.join(name)
    w.wrong(wrong) if wrong else w.challenge()
    if attempt:
        w.attempt(f"{w.challenges:016x}")
    return w


def attempted() -> World:
    return challenged("a", "b", attempt=True)


def last_wrong() -> World:
    return challenged("a", attempt=True, wrong=5)


def lost() -> World:
    w = registered()
    w.silent("a")
    return w


def evicted() -> World:
    w = registered()
    w.evict("a")
    return w


def with_token() -> World:
    w = licensed()
    w.do(c.CreateToken("t", Role.NODE, "nodes", "00"))
    return w


def with_join_token() -> World:
    w = licensed()
    w.do(c.CreateToken(ANNA.id, Role.JOIN, "rack", "00", uses=1))
    return w


def settle(w: World, *, right: bool) -> c.Command:
    return c.SettleCode(f"{w.challenges:016x}", right)


def upload(w: World, **changes: object) -> c.Command:
    return c.UploadLicense(license_of(**changes), "LOCAL_CONTAINER", "ab" * 16, replace=True)


Case = tuple[Callable[[], World], Callable[[World], c.Command], set[type[e.Event]]]
DOORS: dict[str, Case] = {
    "upload": (World, upload, {e.ProjectKeyDrawn, e.LicenseInstalled}),
    "upload, refused": (
        World,
        lambda w: c.UploadLicense(drift_of("x"), "LOCAL_CONTAINER", "ab" * 16),
        {e.UploadRefused},
    ),
    "upload with more seats": (
        registered,
        lambda w: upload(w, max_nodes=3, issued_at=license_of().issued_at + 1),
        {e.LicenseInstalled},
    ),
    "upload for another content": (
        registered,
        lambda w: upload(w, content="hr", issued_at=license_of().issued_at + 1),
        {e.LicenseInstalled},
    ),
    "challenge": (licensed, lambda w: c.CreateChallenge("1", license_of().license_id, "url"), {e.ChallengeCreated}),
    "attempt": (
        lambda: challenged("a"),
        lambda w: c.AttemptCode(f"{w.challenges:016x}"),
        {e.CodeAttempted},
    ),
    "wrong code": (attempted, lambda w: settle(w, right=False), {e.CodeRejected}),
    "wrong code that locks": (last_wrong, lambda w: settle(w, right=False), {e.CodeRejected, e.LockedOut}),
    "right code": (attempted, lambda w: settle(w, right=True), {e.CodeMatched, e.Registered}),
    "right code, refused": (
        lambda: challenged(attempt=True),
        lambda w: settle(w, right=True),
        {e.CodeMatched, e.RegistrationRefused},
    ),
    "reset": (registered, lambda w: c.ResetRegistration(), {e.RegistrationReset}),
    "release": (registered, lambda w: c.ReleaseLicense(license_of().license_id, "url"), {e.LicenseReleased}),
    "evict": (registered, lambda w: c.EndSession("a", EndReason.EVICTED), {e.SessionEnded}),
    "a copy": (registered, lambda w: c.EndSession("a", EndReason.COPIED), {e.SessionEnded}),
    "join": (registered, lambda w: c.Join("d", "d", "d", "d", APPLICATION), {e.SessionJoined}),
    "resume": (lost, lambda w: c.Resume("a", "a"), {e.SessionReturned}),
    "join again": (lost, lambda w: c.Join("a2", "a", "a", "a", APPLICATION), {e.SessionReturned}),
    "leave": (registered, lambda w: c.Leave("a", "a"), {e.SessionEnded}),
    "leave, evicted": (evicted, lambda w: c.Leave("a", "a"), {e.SeatFreed}),
    "clock confirmed": (licensed, lambda w: c.ConfirmTime(Confirmed.ADMIN), {e.TimeConfirmed}),
    "token made": (licensed, lambda w: c.CreateToken("t", Role.NODE, "nodes", "00"), {e.TokenCreated}),
    "token rotated": (with_token, lambda w: c.RotateToken("t", "11", DAY), {e.TokenRotated}),
    "enrolled": (with_join_token, lambda w: c.Enroll("n", "node-1", "22"), {e.TokenCreated}),
    "token revoked": (with_token, lambda w: c.RevokeToken("t"), {e.TokenRevoked}),
}


@pytest.mark.parametrize("case", DOORS.values(), ids=DOORS)
def test_R35_the_events_of_a_command_name_its_actor_and_their_consequences_nobody(case: Case) -> None:
    begin, command, caused = case
    w = begin()
    asked = msgspec.structs.replace(command(w), actor=ANNA)
    events = decide(w.state, asked, w.now, w.policy).events
    assert {type(event) for event in events if event.actor == ANNA} == caused
    assert {event.actor for event in events} <= {ANNA, None}


def test_R35_every_command_that_a_door_submits_is_in_the_table() -> None:
    own = {
        c.StartEpoch,
        c.Tick,
        c.LeaseOver,
        c.DrainOver,
        c.MemoryOver,
        c.JudgeClock,
        c.JudgeLeaderClock,
        c.NoteRefusedCredentials,
    }
    changes_nothing = {c.Prove}
    submitted = {type(command(begin())) for begin, command, _ in DOORS.values()}
    assert submitted == set(c.Command.__args__) - own - changes_nothing


def test_R35_whoever_gets_the_seat_that_another_left_has_not_taken_it() -> None:
    w = registered()
    events = w.do(c.Leave("a", "a", actor=ANNA))
    assert {type(event): event.actor for event in events} == {
        e.HoldersHeard: None,
        e.SessionEnded: ANNA,
        e.SeatGranted: None,
    }


def test_R35_what_time_brings_names_nobody() -> None:
    w = registered()
    events = [*w.later(MINUTE), *w.until(license_of().issued_at + YEAR_S + DAY // 1000)]
    assert e.LicenseExpired in {type(event) for event in events}
    assert {event.actor for event in events} == {None}


def test_R35_who_acted_changes_nothing_but_what_is_told() -> None:
    plain, named = registered(), registered()
    plain.do(c.EndSession("a", EndReason.EVICTED))
    named.do(c.EndSession("a", EndReason.EVICTED, actor=ANNA))
    assert plain.state == named.state


def test_R35_an_event_without_an_actor_is_written_as_0_1_0_wrote_it() -> None:
    entry = Entry(1, World().now, e.SeatGranted("a"))
    assert msgspec.json.decode(msgspec.json.encode(entry))["event"] == {"kind": "seat_granted", "session_id": "a"}
    named = msgspec.structs.replace(entry, event=e.SeatGranted("a", actor=ANNA))
    assert msgspec.json.decode(msgspec.json.encode(named), type=Entry) == named
