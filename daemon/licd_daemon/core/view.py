"""What a state looks like from outside: the states of section 3, derived and never stored."""

from enum import StrEnum

from licd_daemon.core.checks import certificate_expired, maximum_reached, qualifying, registration_ended
from licd_daemon.core.model import Failure, Seat, Session, SessionStatus, State


class NodeState(StrEnum):
    """What the daemon says of a node."""

    PENDING = "PENDING"
    LICENSED = "LICENSED"
    WAITING = "WAITING"
    REJECTED = "REJECTED"


class RegistrationState(StrEnum):
    """The registration's state."""

    UNLICENSED = "UNLICENSED"
    UNREGISTERED = "UNREGISTERED"
    REGISTERED = "REGISTERED"
    RECOVERING = "RECOVERING"
    EXPIRED = "EXPIRED"


def registration_state(state: State) -> RegistrationState:
    """Exactly one holds; the first of the table that does."""
    if state.license is None:
        return RegistrationState.UNLICENSED
    if state.license_expired:
        return RegistrationState.EXPIRED
    if state.registration is None:
        return RegistrationState.UNREGISTERED
    return RegistrationState.RECOVERING if state.recovering else RegistrationState.REGISTERED


def node_state(state: State, session: Session) -> tuple[NodeState, tuple[Failure, ...]]:
    """The state of a session's node, and why."""
    if session.seat is Seat.HELD and session.status is not SessionStatus.ENDED:
        return NodeState.LICENSED, ()
    failures = qualifying(state, session)
    if state.license is not None and state.license_expired:
        failures = (certificate_expired(state.license), *failures)
    if failures:
        return NodeState.REJECTED, failures
    if state.license is not None and state.open and session.line is not None:
        return NodeState.WAITING, (maximum_reached(state.license.max_nodes),)
    if state.last_registration is not None:
        return NodeState.PENDING, (registration_ended(state.last_registration, licensed=state.license is not None),)
    return NodeState.PENDING, ()


def outage_grace_s(state: State) -> int:
    """Seconds that programs may go on without the daemon (R41); 0 without a license."""
    return 0 if state.license is None else state.license.outage_grace_seconds


def connected(state: State) -> list[Session]:
    """The sessions that operators see: live ones, and those awaited after a restart, in the order of their joining."""
    seen = (s for s in state.sessions.values() if s.status in (SessionStatus.LIVE, SessionStatus.AWAITED))
    return sorted(seen, key=lambda session: session.number)
