"""What becomes visible once a batch is durable: leases, presences, watchers. Nothing before it is.

Works on the difference of two states, so it needs no knowledge of single events beyond which sessions they name.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from licd_daemon.coordinator.presence import Presences
from licd_daemon.core.events import (
    AnyEvent,
    LicenseExpired,
    LicenseInstalled,
    LicenseReleased,
    Registered,
    RegistrationReset,
)
from licd_daemon.core.leases import Deadline, Leases
from licd_daemon.core.model import EndedRegistration, Seat, Session, SessionStatus, State

log = structlog.get_logger(__name__)

_GONE = (SessionStatus.LOST, SessionStatus.ENDED)


NEWS_PAUSE_S = 0.05
"""How long those who look wait after a change before they look again: a storm of joins is few news to them."""


class Watchers:
    """Wakes those who wait for a change; several changes in one turn of the loop are one news."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Something has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """What is set at the next change. Ask for it before you look at the state, or a change slips through."""
        return self._changed


class Publication:
    """Carries a durable change to everything that follows the state. `counts`: the events of this run, by class."""

    def __init__(self, leases: Leases, presences: Presences) -> None:
        self._leases = leases
        self._presences = presences
        self.watchers = Watchers()
        self.counts: Counter[type] = Counter()

    def publish(self, before: State, after: State, events: Sequence[AnyEvent], served: int) -> None:
        """`after` is durable; `events` led to it from `before`."""
        self.counts.update(map(type, events))
        for session_id in _touched(before, after, events):
            old, new = before.sessions.get(session_id), after.sessions.get(session_id)
            if new is not None:
                self._presences.follow(after, new, joining=old is None)
            self._follow_leases(session_id, old, new, served)
        if _concerns_all(before, after):
            self._presences.tell_all(after)
        if after.last_registration is not None and before.registration is not None:
            _log_end(after.last_registration)
        self.watchers.notify()

    def _follow_leases(self, session_id: str, old: Session | None, new: Session | None, served: int) -> None:
        """Comes after the streams were told: only then does what a holder may believe end with its present lease."""
        if new is not None and new.seat is Seat.DRAINING:
            self._leases.drain(session_id, served)
        else:
            self._leases.drop(Deadline.DRAIN, session_id)
        if new is None:
            self._leases.drop(Deadline.MEMORY, session_id)
        elif new.status is SessionStatus.LIVE and (
            old is None or old.status is not SessionStatus.LIVE or not self._leases.runs(session_id)
        ):  # lost and back within one batch: its former lease was taken out
            self._leases.grant(session_id, served)
            self._leases.drop(Deadline.MEMORY, session_id)
        elif new.status in _GONE and (old is None or old.status is not new.status):
            self._leases.drop(Deadline.LEASE, session_id)
            self._leases.remember(session_id, new.since or served)


def _log_end(ended: EndedRegistration) -> None:
    """R17: a registration that ended says so in the log as well."""
    log.warning(
        "registration_ended",
        cause=str(ended.cause),
        registered_at=_iso(ended.registered_at),
        ended_at=_iso(ended.ended_at),
        nodes=list(ended.nodes),
        remedy="register again: licd qr",
    )


def _iso(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="seconds")


def _touched(before: State, after: State, events: Sequence[AnyEvent]) -> set[str]:
    """The sessions that differ: those that single events name, or all where an event concerned all."""
    if any(type(event) in _MASS_EVENTS for event in events):
        return {key for key, session in after.sessions.items() if before.sessions.get(key) is not session}
    return {session_id for event in events if (session_id := getattr(event, "session_id", None))}


_MASS_EVENTS = {LicenseInstalled, LicenseExpired, LicenseReleased, Registered, RegistrationReset}


def _concerns_all(before: State, after: State) -> bool:
    """Whether every node must be told: what it is told depends on more than its own session."""
    return (
        before.license is not after.license
        or before.license_expired != after.license_expired
        or before.registration is not after.registration
    )
