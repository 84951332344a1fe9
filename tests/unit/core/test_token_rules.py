"""R35: tokens that end, and what ends with them."""

import pytest
from unit.core.world import DAY, GRACE, HOUR, MINUTE, World, licensed, refused

from licd_daemon.core import commands as c
from licd_daemon.core.effective import Confirmed
from licd_daemon.core.events import SessionEnded, SessionRebound, TimeMarked, TokenEnded
from licd_daemon.core.model import EndReason, Now, Role, Seat, SessionStatus


def with_tokens(*tokens: str, max_nodes: int = 2) -> World:
    w = licensed(max_nodes=max_nodes)
    w.token("admin", Role.ADMIN)
    for token in tokens:
        w.token(token)
    return w


def test_R35_a_revoked_tokens_sessions_end_and_their_seats_drain_to_the_next() -> None:
    w = with_tokens("old", "new", max_nodes=2)
    w.join("a", token="old")
    w.join("b", token="new")
    w.register()
    w.join("c", token="new")
    w.revoke("old")
    assert SessionEnded("a", EndReason.REVOKED) in w.events
    assert (w.session("a").seat, w.node("c")) == (Seat.DRAINING, "WAITING")
    w.drained("a")
    assert w.nodes("b", "c") == "LICENSED LICENSED"


def test_R35_a_revoked_tokens_session_resumes_with_no_token() -> None:
    w = with_tokens("old", "new")
    w.join("a", token="old")
    w.register()
    w.revoke("old")
    for token in ("new", "old"):
        with refused("NO_CREDENTIALS" if token == "old" else "SESSION_EXPIRED"):
            w.resume("a", token=token)


def test_R35_a_lost_session_ends_with_its_token_as_well() -> None:
    w = with_tokens("old", "new")
    w.join("a", token="old")
    w.join("b", token="new")
    w.register()
    w.silent("a")
    w.revoke("old")
    assert w.session("a").status is SessionStatus.ENDED


def test_R35_what_was_asked_for_with_a_token_that_is_revoked_by_then_is_not_done() -> None:
    w = with_tokens("old", "new")
    w.token("other", Role.ADMIN)
    w.join("a", token="old")
    w.register()
    asked: list[c.Command] = [
        c.Join("late", "late", "late", "late", w.session("a").application, actor=w.by("old")),
        c.Leave("a", "a", actor=w.by("old")),
        c.CreateToken("mine", Role.ADMIN, "mine", "mine", actor=w.by("other")),
    ]
    w.revoke("old")
    w.revoke("other")
    for command in asked:
        before = w.state
        with refused("NO_CREDENTIALS"):
            w.do(command)
        assert w.state == before


def test_R35_a_session_belongs_to_the_token_that_its_process_showed_last() -> None:
    w = with_tokens("old", "new", max_nodes=3)
    for name in ("live", "awaited", "lost"):
        w.join(name, token="old")
    w.register()
    w.resume("live", token="new")
    assert w.events == (SessionRebound("live", actor=w.by("new")),)
    w.silent("lost")
    w.restart()
    w.resume("live", token="new")
    w.resume("awaited", token="new")
    w.later(GRACE)
    w.resume("lost", token="new")
    w.revoke("old")
    assert w.nodes("live", "awaited", "lost") == "LICENSED LICENSED LICENSED"
    w.resume("live", token="new")
    assert w.kinds() == []


def test_R35_sessions_of_0_1_0_belong_to_a_token_from_their_first_resume_on() -> None:
    w = with_tokens("node")
    w.join("a")
    w.register()
    w.restart()
    w.resume("a", token="node")
    w.revoke("node")
    assert w.session("a").ended is EndReason.REVOKED


def test_R13_a_node_that_leaves_after_its_token_was_revoked_frees_its_seat_at_once() -> None:
    w = with_tokens("old", "new", max_nodes=2)
    w.join("a", token="old")
    w.join("b", token="new")
    w.register()
    w.join("c", token="new")
    w.revoke("old")
    assert w.node("c") == "WAITING"
    w.do(c.Leave("a", "a", actor=w.by("new")))
    assert w.nodes("b", "c") == "LICENSED LICENSED"


def test_R35_a_token_ends_by_itself_and_takes_its_sessions_along() -> None:
    w = with_tokens()
    w.token("short", ends_in=HOUR)
    w.join("a", token="short")
    w.register()
    w.later(HOUR - 1)
    assert w.node("a") == "LICENSED"
    w.later(1)
    assert {TokenEnded("short"), SessionEnded("a", EndReason.REVOKED)} <= set(w.events)
    assert w.tokens == "admin"
    with refused("NO_CREDENTIALS"):
        w.join("b", token="short")


def test_R35_a_token_that_has_ended_stays_so_when_it_is_made_again() -> None:
    w = with_tokens()
    w.token("short", ends_in=HOUR)
    w.later(HOUR)
    w.do(c.CreateToken("again", Role.NODE, "again", "short"))
    assert w.tokens == "admin"


def test_R35_the_only_admin_token_does_not_end_until_there_is_another() -> None:
    w = licensed()
    w.token("a", Role.ADMIN, ends_in=HOUR)
    w.token("b", Role.ADMIN, ends_in=HOUR)
    w.token("v", Role.VIEWER, ends_in=HOUR)
    w.later(2 * HOUR)
    assert w.tokens == "b"
    w.later(DAY)
    with refused("LAST_ADMIN_TOKEN"):
        w.revoke("b")
    w.token("c", Role.ADMIN)
    w.later(0)
    assert w.tokens == "c"


def test_R35_a_token_whose_end_has_come_opens_nothing_before_that_is_written() -> None:
    w = with_tokens()
    w.token("short", ends_in=HOUR)
    w.now = Now(w.now.wall + HOUR, w.now.run, w.now.served)
    assert (w.tokens, opens(w, "short"), opens(w, "admin")) == ("admin short", False, True)


def test_R35_a_token_remembers_who_made_it() -> None:
    w = with_tokens()
    w.do(c.CreateToken("v", Role.VIEWER, "v", "v", actor=w.by("admin")))
    assert w.state.tokens["v"].made_by == w.by("admin")
    assert w.state.tokens["admin"].made_by is None


def test_R35_the_tokens_of_0_1_0_have_no_end() -> None:
    w = with_tokens("node")
    w.later(3650 * DAY)
    assert w.tokens == "admin node"


def opens(w: World, secret: str) -> bool:
    return w.state.token_in_force(secret, w.now) is not None


def test_R35_a_rotated_tokens_former_secret_is_taken_for_the_overlap_and_its_sessions_go_on() -> None:
    w = with_tokens("node")
    w.join("a", token="node")
    w.register()
    w.rotate("node", "second", overlap=HOUR)
    assert (opens(w, "node"), opens(w, "second"), w.node("a")) == (True, True, "LICENSED")
    w.later(HOUR - 1)
    assert opens(w, "node")
    w.restart()
    w.resume("a", token="node")
    w.later(1)
    assert (opens(w, "node"), opens(w, "second"), w.node("a")) == (False, True, "LICENSED")


def test_R35_no_overlap_ends_the_secret_at_once_and_only_the_last_one_overlaps() -> None:
    w = with_tokens("node", "other")
    w.rotate("node", "second", overlap=0)
    assert (opens(w, "node"), opens(w, "second")) == (False, True)
    w.rotate("other", "third", overlap=DAY)
    w.rotate("other", "fourth", overlap=DAY)
    assert [opens(w, secret) for secret in ("other", "third", "fourth")] == [False, True, True]


def test_R35_the_overlap_is_time_that_the_daemon_serves_whatever_clock_is_set() -> None:
    w = with_tokens("node")
    w.rotate("node", "second", overlap=HOUR)
    w.now = Now(w.now.wall + 365 * DAY, w.now.run, w.now.served)
    w.do(c.Tick())
    assert opens(w, "node")


def test_R35_a_former_secret_never_becomes_a_token_again() -> None:
    w = with_tokens("node")
    w.rotate("node", "second", overlap=0)
    w.rotate("node", "third", overlap=0)
    for secret in ("node", "second"):
        w.do(c.CreateToken("again", Role.NODE, "again", secret))
        assert not opens(w, secret)
    w.revoke("node")
    assert not opens(w, "third")


def test_R35_a_rotation_that_is_taken_back_voids_its_secret() -> None:
    w = with_tokens("node")
    w.rotate("node", "lost", overlap=HOUR)
    w.rotate("node", "node", overlap=0)
    assert (opens(w, "node"), opens(w, "lost")) == (True, False)
    w.later(DAY)
    assert opens(w, "node")


def test_R35_the_only_admin_token_is_not_rotated_without_an_overlap() -> None:
    w = with_tokens()
    with refused("LAST_ADMIN_TOKEN"):
        w.rotate("admin", "lost", overlap=0)
    w.rotate("admin", "lost", overlap=1)
    w.rotate("admin", "admin", overlap=0)
    assert opens(w, "admin")
    w.token("second", Role.ADMIN)
    w.rotate("admin", "new", overlap=0)
    assert not opens(w, "admin")


def test_R35_what_is_not_in_force_is_not_rotated() -> None:
    w = with_tokens("node")
    w.revoke("node")
    for token in ("node", "unknown"):
        with refused("NO_SUCH_TOKEN"):
            w.rotate(token, "secret", overlap=0)


def test_R35_a_join_token_enrolls_as_many_nodes_as_it_has_uses() -> None:
    w = with_tokens()
    w.token("rack", Role.JOIN, uses=2)
    w.enroll("rack", "a")
    w.enroll("rack", "b")
    assert w.tokens == "a-token admin b-token"
    with refused("NO_CREDENTIALS"):
        w.enroll("rack", "c")
    made = w.state.tokens["a-token"]
    assert (made.role, made.name, made.enrolled_by) == (Role.NODE, "a", "rack")


def test_R35_enrolling_again_with_the_same_secret_takes_no_other_use() -> None:
    w = with_tokens()
    w.token("rack", Role.JOIN, uses=2)
    w.enroll("rack", "a")
    before = w.state
    w.enroll("rack", "a")
    assert w.state == before


def test_R35_revoking_one_nodes_token_drains_its_seat_only_and_nothing_brings_it_back() -> None:
    w = with_tokens(max_nodes=3)
    w.token("rack", Role.JOIN, uses=9)
    for node in ("a", "b"):
        w.enroll("rack", node)
        w.join(node, token=f"{node}-token")
    w.register()
    w.revoke("a-token")
    assert (w.session("a").seat, w.node("b")) == (Seat.DRAINING, "LICENSED")
    with refused("NO_CREDENTIALS"):
        w.enroll("rack", "a")


def test_R35_what_a_join_token_has_enrolled_outlives_it() -> None:
    w = with_tokens()
    w.token("rack", Role.JOIN, ends_in=HOUR, uses=9)
    w.enroll("rack", "a")
    w.join("a", token="a-token")
    w.register()
    w.later(HOUR)
    assert w.tokens == "a-token admin"
    assert w.node("a") == "LICENSED"


@pytest.mark.parametrize("role", [Role.NODE, Role.VIEWER, Role.ADMIN])
def test_R35_only_a_join_token_enrolls(role: Role) -> None:
    w = with_tokens()
    w.token("other", role)
    with refused("WRONG_ROLE"):
        w.enroll("other", "a")


def test_R35_nobody_enrolls_a_secret_that_is_anothers() -> None:
    w = with_tokens("node")
    w.token("rack", Role.JOIN, uses=2)
    w.token("other", Role.JOIN, uses=2)
    w.enroll("rack", "a")
    for join, secret in (("rack", "node"), ("other", "a")):
        with refused("NO_CREDENTIALS"):
            w.enroll(join, secret)


def test_R35_uses_are_kept_with_the_minutes_mark_and_cost_no_entry() -> None:
    w = with_tokens("node")
    at = w.now.wall
    uses = (("node", at), ("forgotten", at))
    w.now = Now(at + MINUTE - 1, w.now.run, w.now.served)
    assert w.do(c.Tick(used=uses)) == ()
    w.now = Now(at + MINUTE, w.now.run, w.now.served)
    w.do(c.Tick(used=uses))
    assert w.events == (TimeMarked((("node", at),)),)
    assert w.state.tokens["node"].used_at == at


def boot(w: World, *, ahead: int, confirmed: bool = False) -> None:
    """The machine starts with its clock ahead, which nothing confirms yet."""
    w.epoch += 1
    w.now = Now(w.now.wall + ahead, 0, w.now.served, 0 if confirmed else w.now.unconfirmed + ahead)
    w.do(c.StartEpoch(w.epoch, GRACE))


def confirm(w: World) -> None:
    w.now = Now(w.now.wall, w.now.run, w.now.served)
    w.do(c.ConfirmTime(Confirmed.NTP))
    w.do(c.Tick())


def wait(w: World, span: int) -> None:
    w.now = Now(w.now.wall + span, w.now.run + span, w.now.served + span, w.now.unconfirmed)
    w.do(c.Tick())


def test_R23_no_token_ends_by_a_clock_that_nothing_has_confirmed() -> None:
    w = with_tokens()
    w.token("other", Role.ADMIN, ends_in=90 * DAY)
    w.token("node", ends_in=90 * DAY)
    boot(w, ahead=14 * 365 * DAY)
    wait(w, MINUTE)
    assert w.tokens == "admin node other"
    confirm(w)
    assert w.tokens == "admin"


def test_R23_a_token_made_under_an_unconfirmed_clock_ends_by_that_clock() -> None:
    w = with_tokens()
    boot(w, ahead=365 * DAY)
    w.token("node", ends_in=HOUR)
    wait(w, HOUR)
    assert w.tokens == "admin"


@pytest.mark.parametrize("settled", ["confirmed", "taken back"])
def test_R23_what_was_accepted_when_a_token_was_made_counts_once(settled: str) -> None:
    w = with_tokens()
    boot(w, ahead=365 * DAY)
    w.token("node", ends_in=90 * DAY)
    if settled == "confirmed":
        confirm(w)
    else:
        w.now = Now(w.now.wall - w.now.unconfirmed, 0, w.now.served)
        w.do(c.ConfirmTime(Confirmed.NTP))
    boot(w, ahead=800 * DAY)
    wait(w, MINUTE)
    assert w.tokens == "admin node"
