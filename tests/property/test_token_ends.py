"""R35: whatever happens in whatever order, nothing that an ended token opened is left, and no seat is held twice."""

import contextlib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from unit.core.world import HOUR, World, licensed

from licd_daemon.core.model import Role, SessionStatus
from licd_daemon.core.refusal import Refused

NODES, TOKENS, MAX_NODES = "abcde", ("one", "two", "three"), 2
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["join", "resume", "leave", "silent", "drained", "revoke", "rotate", "later", "restart", "code"]
        ),
        st.sampled_from(NODES),
        st.sampled_from(TOKENS),
    ),
    max_size=60,
)


def world() -> World:
    """Two seats and three tokens, of which one ends within the hour."""
    w = licensed(max_nodes=MAX_NODES)
    w.token("admin", Role.ADMIN)
    for token in TOKENS:
        w.token(token, ends_in=HOUR if token == "three" else None)
    return w


def act(w: World, step: str, node: str, token: str) -> None:
    """One step, whether it is refused or not."""
    steps: dict[str, Any] = {
        "join": lambda: w.join(node, token=token),
        "resume": lambda: w.resume(node, token=token),
        "leave": lambda: w.leave(node),
        "silent": lambda: w.silent(node),
        "drained": lambda: w.drained(node),
        "revoke": lambda: w.revoke(token),
        "rotate": lambda: w.rotate(token, f"{token}-{w.now.served}", overlap=HOUR),
        "later": lambda: w.later(HOUR // 4),
        "restart": w.restart,
        "code": w.register,
    }
    with contextlib.suppress(Refused):
        steps[step]()


@settings(max_examples=300, deadline=None)
@given(STEPS)
def test_R35_no_session_outlives_its_token_and_R13_no_seat_is_granted_twice(steps: list[tuple[str, str, str]]) -> None:
    w = world()
    for step in steps:
        act(w, *step)
        ended = {key for key, token in w.state.tokens.items() if token.revoked}
        living = [each for each in w.state.sessions.values() if each.status is not SessionStatus.ENDED]
        assert ended.isdisjoint(each.token_id for each in living)
        assert w.state.tally.taken <= MAX_NODES
        assert "admin" not in ended
