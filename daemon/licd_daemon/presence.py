"""What the daemon remembers of a session in this epoch only: its stream, its sequence, its clock, what it was told.

- A `state` carries a serial that rises within the session, over epochs too (R13): the epoch is its upper half.
- Only a heartbeat that echoes the serial of a `state` without the seat acknowledges the seat's loss (R13).
- Sequences rise strictly over the session's whole life; one seen twice on the current stream is a copied process (R16).
- The newest stream is the session's; an older one is told `superseded` and ignored from then on (R16).
"""

from collections.abc import Callable
from typing import Protocol

from licd_daemon.core.drift import ClockFilter
from licd_daemon.core.model import Failure, Seat, Session, SessionStatus, State
from licd_daemon.core.view import NodeState, RegistrationState, node_state, registration_state

Told = tuple[NodeState, tuple[Failure, ...], RegistrationState]

JUDGED_FROM_SAMPLES = 3


class Stream(Protocol):
    """The session's stream, as `rpc/` keeps it. Nothing here waits: messages go out in the order of the calls."""

    def state(self, serial: int, told: Told) -> None:
        """Tells what the daemon says of the node from now on."""

    def ended(self, reason: str) -> None:
        """Tells that the session, or this stream, is over, and ends the stream."""

    def reconnect(self, after_ms: int, address: str) -> None:
        """Tells to come back later, and ends the stream."""


class Presence:
    """One session in this epoch. `joining`: it joined in this epoch and its clock was not judged yet (R12)."""

    __slots__ = (
        "_loss_serial", "_told", "address", "clock", "heard_at", "joining", "sequence", "serial", "stream",
    )  # fmt: skip

    def __init__(self, epoch: int, *, joining: bool) -> None:
        self.serial = epoch << 32
        self.sequence = -1
        self.address = ""
        self.heard_at: int | None = None
        self.clock = ClockFilter()
        self.joining = joining
        self.stream: Stream | None = None
        self._told: Told | None = None
        self._loss_serial: int | None = None

    def attach(self, stream: Stream, address: str) -> None:
        """`stream` is the session's from now on."""
        self.supersede()
        self.stream, self.address = stream, address
        self._told = None

    def supersede(self) -> None:
        """The session was taken up elsewhere: the stream it has, if any, is over."""
        if self.stream is not None:
            self.stream.ended("SUPERSEDED")
            self.stream = None

    def detach(self, stream: Stream) -> None:
        """`stream` has ended, which says nothing of its node."""
        if self.stream is stream:
            self.stream = None

    def tell(self, state: State, session: Session) -> None:
        """Tells the node what the daemon says of it, if that is news to its stream."""
        told = (*node_state(state, session), registration_state(state))
        if self.stream is None or told == self._told:
            return
        self.serial += 1
        self._told = told
        if session.seat is Seat.HELD:
            self._loss_serial = None
        elif self._loss_serial is None:
            self._loss_serial = self.serial
        self.stream.state(self.serial, told)

    def acknowledges_loss(self, echoed_serial: int) -> bool:
        """Whether a heartbeat that echoes `echoed_serial` says that its node believes in no seat (R13)."""
        return self._loss_serial is not None and self._loss_serial <= echoed_serial <= self.serial

    def loss_acknowledged(self) -> None:
        """The acknowledgement was taken; the next heartbeats need not say it again."""
        self._loss_serial = None

    def clock_over(self, served: int, limit_ms: int) -> bool | None:
        """Whether the node's clock is over the limit (R21); None: not enough samples to say."""
        estimate = self.clock.estimate(served)
        if estimate is None or len(self.clock) < JUDGED_FROM_SAMPLES:
            return None
        return estimate.over(limit_ms)


class Presences:
    """The presences of all sessions that were live in this epoch, by session id."""

    def __init__(self) -> None:
        self._by_session: dict[str, Presence] = {}

    def get(self, session_id: str) -> Presence | None:
        """The session's presence, if it was live in this epoch."""
        return self._by_session.get(session_id)

    def follow(self, state: State, session: Session, *, joining: bool) -> None:
        """Makes or ends the session's presence as its status wants, and tells it the news."""
        presence = self._by_session.get(session.session_id)
        if session.status is SessionStatus.LIVE:
            if presence is None:
                presence = self._by_session[session.session_id] = Presence(state.epoch, joining=joining)
            presence.tell(state, session)
        elif presence is not None:
            self._end(session, presence)

    def _end(self, session: Session, presence: Presence) -> None:
        """A lost session keeps its presence: its sequence and serial go on when it returns."""
        if session.status is SessionStatus.ENDED:
            del self._by_session[session.session_id]
        if presence.stream is None:
            return
        if session.ended is not None:
            presence.stream.ended(str(session.ended))
        else:
            presence.stream.reconnect(0, "")
        presence.stream = None

    def tell_all(self, state: State) -> None:
        """Tells every stream the news."""
        for session_id, presence in self._by_session.items():
            session = state.sessions.get(session_id)
            if presence.stream is not None and session is not None:
                presence.tell(state, session)

    def each_stream(self, act: Callable[[Stream], None]) -> None:
        """Acts on every open stream."""
        for presence in list(self._by_session.values()):
            if presence.stream is not None:
                act(presence.stream)

    def reset(self) -> None:
        """The journal was read again: streams end, so that every node resumes and is told anew."""
        self.each_stream(lambda stream: stream.reconnect(0, ""))
        for presence in self._by_session.values():
            presence.stream = None
