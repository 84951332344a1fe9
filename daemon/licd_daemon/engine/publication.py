"""What becomes visible once a batch is durable: leases and presences follow the state. Nothing before it is.

Works on the difference of two states, so it needs no knowledge of single events beyond which sessions they name.
"""

from collections.abc import Sequence

from licd_daemon.core.events import (
    AnyEvent,
    LicenseExpired,
    LicenseInstalled,
    LicenseReleased,
    Registered,
    RegistrationReset,
    SessionEnded,
)
from licd_daemon.core.leases import Deadline, Leases
from licd_daemon.core.model import EndedRegistration, Seat, Session, SessionStatus, State
from licd_daemon.engine.presence import Presences

_GONE = (SessionStatus.LOST, SessionStatus.ENDED)
_MASS_EVENTS = {LicenseInstalled, LicenseExpired, LicenseReleased, Registered, RegistrationReset}


class Publication:
    """Carries a durable change to the leases and presences that follow the state."""

    def __init__(self, leases: Leases, presences: Presences) -> None:
        self._leases = leases
        self._presences = presences

    def publish(self, before: State, after: State, events: Sequence[AnyEvent], served: int) -> EndedRegistration | None:
        """`after` is durable; `events` led to it from `before`; gives the registration that ended with them, if any.

        DANGER, the order: a session's stream gets the withdrawal of its seat BEFORE its drain begins. What the holder
        may believe then ends with the lease that it has at that instant; a heartbeat acknowledged later finds the
        loss written ahead of it. The other way round, a seat could be free while its holder still believes in it (R13).
        """
        ended = {event.session_id: event.reason for event in events if type(event) is SessionEnded}
        for session_id in _touched(before, after, events):
            old, new = before.sessions.get(session_id), after.sessions.get(session_id)
            if new is not None:
                self._presences.follow(after, new, joining=old is None)
            else:
                self._presences.forget(session_id, ended.get(session_id))
            self._follow_leases(session_id, old, new, served)
        if _concerns_all(before, after):
            self._presences.report_all(after)
        return after.last_registration if before.registration is not None else None

    def _follow_leases(self, session_id: str, old: Session | None, new: Session | None, served: int) -> None:
        if new is not None and new.seat is Seat.DRAINING:
            self._leases.drain(session_id, served)
        else:
            self._leases.drop(Deadline.DRAIN, session_id)
        if new is None:
            self._leases.drop(Deadline.LEASE, session_id)
            self._leases.drop(Deadline.MEMORY, session_id)
        elif new.status is SessionStatus.LIVE and (
            old is None or old.status is not SessionStatus.LIVE or not self._leases.runs(session_id)
        ):  # lost and back within one batch: its former lease was taken out
            self._leases.grant(session_id, served)
            self._leases.drop(Deadline.MEMORY, session_id)
        elif new.status in _GONE and (old is None or old.status is not new.status):
            self._leases.drop(Deadline.LEASE, session_id)
            self._leases.remember(session_id, new.since or served)


def _touched(before: State, after: State, events: Sequence[AnyEvent]) -> set[str]:
    """The sessions that may differ: those that single events name, and all that do where an event concerned all."""
    touched = {session_id for event in events if (session_id := getattr(event, "session_id", None))}
    if any(type(event) in _MASS_EVENTS for event in events):
        touched |= {key for key, session in after.sessions.items() if before.sessions.get(key) is not session}
    return touched


def _concerns_all(before: State, after: State) -> bool:
    """Whether every node must be notified: what it gets depends on more than its own session."""
    return (
        before.license is not after.license
        or before.license_expired != after.license_expired
        or before.registration is not after.registration
    )
