"""R21: what a sample of a node's clock comes to."""

from licd_daemon.core import commands as c
from licd_daemon.core.checks import clock_drift, clock_near
from licd_daemon.core.drift import Level
from licd_daemon.core.model import Session, State
from licd_daemon.engine.presence import Presence


def clock_verdict(
    state: State, session_id: str, presence: Presence, level: Level | None, limit_ms: int, *, astray: bool
) -> c.JudgeClock | None:
    """The command that tells a verdict on a node's clock, if it is news.

    Args:
        state: The durable state.
        session_id: The node's session.
        presence: Its presence, which says how its clock stands.
        level: The verdict after the latest sample; None: there is none.
        limit_ms: By how much clocks may differ.
        astray: Whether the leader's own clock is: a leader that is not sure of its clock blames nobody.
    """
    session = state.sessions.get(session_id)
    if level is None or session is None or presence.estimate is None:
        return None
    if astray or state.clock_untrusted is not None:
        blamed = session.clock is not None or session.clock_warning is not None
        return c.JudgeClock(session_id, None, joining=False) if blamed else None
    joining, presence.joining = presence.joining, False
    if level is _shown(session):
        return None
    words = (session.node_name, *presence.estimate, limit_ms)
    failure = clock_drift(*words) if level is Level.OVER else None
    warning = clock_near(*words) if level is Level.NEAR else None
    return c.JudgeClock(session_id, failure, joining, warning)


def _shown(session: Session) -> Level:
    """What the journal says of the session's clock."""
    if session.clock is not None:
        return Level.OVER
    return Level.FINE if session.clock_warning is None else Level.NEAR
