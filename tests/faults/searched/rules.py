"""What must hold in every state of the searched model, and on every step (R13, R14, R17)."""

from faults.searched.system import LEASE, UNIT, WINDOW, System, name_of, status_of

from licd_daemon.core.leases import with_margin
from licd_daemon.core.model import EndReason, Seat, SessionStatus


def violation(before: System, after: System, max_nodes: int) -> str:
    """What is wrong with a state, or with the way there; empty: nothing."""
    now = after.now / 1000
    believing = [n for n, node in enumerate(after.nodes) if node.alive and node.belief.status_at(now).licensed]
    if len(believing) > max_nodes:
        return f"R13: nodes {believing} believe, {max_nodes} may"
    for number in believing:
        session = after.state.sessions.get(after.nodes[number].session_id)
        if session is None or session.seat is Seat.NONE:
            return f"R13: node {number} believes in a seat that is free"
    return _seats(after) or _given(before, after) or _life(before, after)


def _seats(after: System) -> str:
    for number, node in enumerate(after.nodes):
        session = after.state.sessions.get(node.session_id)
        if node.left and session is not None and session.seat is not Seat.NONE:
            return f"R14: node {number} has left, and its seat is not free"
    return ""


def _given(before: System, after: System) -> str:
    """R17: what time brings is silence. A seat that it frees goes to nobody who never met the living."""
    if after.now == before.now or before.served < before.state.granting_from:
        return ""
    for number, node in enumerate(after.nodes):
        name = name_of(number, node)
        if name not in before.state.sessions or before.state.sessions[name].seat is Seat.HELD or node.met:
            continue
        session = after.state.sessions.get(name)
        if session is not None and session.seat is Seat.HELD:
            return f"R17: silence has given a seat to node {number}, who met nobody"
    return ""


def _life(before: System, after: System) -> str:
    carriers = [number for number, node in enumerate(after.nodes) if node.carries]
    live = [number for number in carriers if status_of(after, number) is SessionStatus.LIVE]
    registration = after.state.registration
    waited = after.served - before.recovering_from
    if registration is None:
        if before.state.registration is None or after.ended_by_people:
            return ""
        over = before.state.recovering and waited >= WINDOW
        could = [number for number in range(len(after.nodes)) if _holds_on(before, after, number)]
        return "R17: a registration is lost while a node that held a seat lives" if could and not over else ""
    if before.state.recovering and not after.state.recovering and not live and not after.ended_by_people:
        return "R17: it recovered, and nobody who held a seat has proven itself"
    if not after.state.recovering and not live:
        return "R17: nobody who holds or held a seat is in sight, and it does not recover"
    if after.state.recovering and after.served - after.recovering_from > WINDOW + with_margin(LEASE) + UNIT:
        return "R17: the window is over, and it still recovers"
    return ""


def _holds_on(before: System, after: System, number: int) -> bool:
    """Whether the registration lived in a living process, and neither it nor an administrator has ended its session."""
    node = before.nodes[number]
    session = after.state.sessions.get(node.session_id)
    ended = session is not None and session.ended in (EndReason.EVICTED, EndReason.LEFT)
    gone = ended or not after.nodes[number].alive or status_of(before, number) is SessionStatus.ENDED
    return node.carries and not gone
