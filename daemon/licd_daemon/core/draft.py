"""A decision in the making: events so far, and the state that they give."""

from dataclasses import dataclass, field

import msgspec

from licd_daemon.core.checks import qualifying
from licd_daemon.core.events import AnyEvent, HoldersHeard, SeatGranted, SessionQueued, SessionUnqueued
from licd_daemon.core.evolve import evolve
from licd_daemon.core.model import Actor, Now, Policy, Seat, Session, SessionStatus, State


@dataclass
class Draft:
    """Collects the events of one decision; `state` is always what they give. `actor`: of the command."""

    state: State
    now: Now
    policy: Policy
    actor: Actor | None = None
    events: list[AnyEvent] = field(default_factory=list)

    def emit(self, event: AnyEvent) -> None:
        """Decide that `event` happens, by the command itself: it is its actor's (R35)."""
        self.follow(event if self.actor is None else msgspec.structs.replace(event, actor=self.actor))

    def follow(self, event: AnyEvent) -> None:
        """Decide that `event` happens as a consequence, which may be somebody else's gain or loss: it is nobody's."""
        self.events.append(event)
        self.state = evolve(self.state, event, self.now)

    def hear(self, session_id: str) -> None:
        """R17: a session gave a sign of life. If the registration lives in it, all who are here have overlapped."""
        if up_to := self.state.vouched_by(session_id):
            self.follow(HoldersHeard(up_to))

    def place(self, session_id: str, *, front: bool = False) -> None:
        """R11, R12: gives a session its due in a living registration: a seat, a place in the waitlist, or neither.

        Its own draining seat may go back to it: the process that may still believe in it is the same.
        """
        state = self.state
        session = state.sessions[session_id]
        if state.registration is None or session.status is not SessionStatus.LIVE or session.seat is Seat.HELD:
            return
        if state.license_expired or qualifying(state, session):
            if session.line is not None:
                self.follow(SessionUnqueued(session_id))
        elif state.open and self._has_seat_for(session):
            self.follow(SeatGranted(session_id))
        elif session.line is None:
            self.follow(SessionQueued(session_id, front))

    def _has_seat_for(self, session: Session) -> bool:
        if session.seat is Seat.DRAINING:
            return self.state.free_seats >= 0
        return self.state.can_grant(self.now, newcomer=session.newcomer) and not self.state.line
