"""What must hold in every state of the searched model, and on every step (R13, R14, R17)."""

from faults.searched.system import LEASE, UNIT, WINDOW, Node, System, status_of

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
    return _seats(after) or _life(before, after)


def _seats(after: System) -> str:
    for number, node in enumerate(after.nodes):
        session = after.state.sessions.get(node.session_id)
        if node.left and session is not None and session.seat is not Seat.NONE:
            return f"R14: node {number} has left, and its seat is not free"
    return ""


def _life(before: System, after: System) -> str:
    holders = [node for node in after.nodes if node.held]
    live = [node for node in holders if status_of(after, node) is SessionStatus.LIVE]
    registration = after.state.registration
    waited = after.served - before.recovering_from
    if registration is None:
        if before.state.registration is None or after.ended_by_people:
            return ""
        over = before.state.recovering and waited >= WINDOW
        could = [
            node for node, then in zip(before.nodes, after.nodes, strict=True) if _holds_on(before, after, node, then)
        ]
        return "R17: a registration is lost while a node that held a seat lives" if could and not over else ""
    if before.state.recovering and not after.state.recovering and not live and not after.ended_by_people:
        return "R17: it recovered, and nobody who held a seat has proven itself"
    if not after.state.recovering and not live:
        return "R17: nobody who holds or held a seat is in sight, and it does not recover"
    if after.state.recovering and after.served - after.recovering_from > WINDOW + with_margin(LEASE) + UNIT:
        return "R17: the window is over, and it still recovers"
    return ""


def _holds_on(before: System, after: System, node: Node, then: Node) -> bool:
    """Whether a living process held a seat, and neither it nor an administrator has ended its session."""
    session = after.state.sessions.get(node.session_id)
    ended = session is not None and session.ended in (EndReason.EVICTED, EndReason.LEFT)
    return node.held and then.alive and not ended and status_of(before, node) is not SessionStatus.ENDED
