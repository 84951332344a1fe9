"""What the daemon remembers of a session in this epoch only: its stream, its sequence, its clock, what it was sent.

- A `state` carries a serial that rises within the session, over epochs too (R13): the epoch is its upper half.
- Only a heartbeat that echoes the serial of a `state` without the seat acknowledges the seat's loss (R13).
- Every answer to Join and Resume gives a stream number that rises within the session, over epochs too: the epoch is its
  upper half. Only the newest one given opens a stream, once; the stream before it ends as `superseded` (R16).
- A Resume that names a number lower than one opened is stale. A late one has nobody who waits for its answer; a copied
  process has, and brings the nonce of its refusal back. Which numbers were opened before a restart is not known: the
  first Resume after it says so (R16).
- Sequences rise strictly within a stream (R16).
"""

import hmac
from collections.abc import Callable
from typing import NamedTuple, Protocol

from licd_daemon.core.drift import SAMPLES, ClockFilter, Estimate, Level, Sample, Verdict, measure
from licd_daemon.core.model import MINUTE_MS, EndReason, Failure, Seat, Session, SessionStatus, State
from licd_daemon.core.view import NodeState, RegistrationState, node_state, outage_grace_s, registration_state

NodeReport = tuple[NodeState, tuple[Failure, ...], RegistrationState, int, str]
"""Node, reasons, registration, the seconds of the outage's grace (R41), and the license as it was signed (R37)."""

REMEMBERED_EXCHANGES = 8
SAMPLED_EVERY_MS = 500
SWINGS = 8
SWING_MS = 5 * MINUTE_MS


class Exchange(NamedTuple):
    """A heartbeat and its acknowledgement (R21).

    `sent` by the node's wall clock; `received` and `acknowledged` by the daemon's, in ms; `stamp`: the latter as it was
    sent, in ns; `served`: when.
    """

    sent: float
    received: float
    acknowledged: float
    stamp: int
    served: int


class Stream(Protocol):
    """The session's stream, as `rpc/` keeps it. Nothing here waits: messages go out in the order of the calls."""

    def state(self, serial: int, report: NodeReport) -> None:
        """Send what the daemon grants the node from now on."""

    def ended(self, reason: str) -> None:
        """Send that the session, or this stream, has ended, and end the stream."""

    def reconnect(self, after_ms: int, address: str, mtls_address: str = "") -> None:
        """Ask to come back later, and end the stream.

        `mtls_address`: in place of `address`, for a node that came with a certificate.
        """


class Presence:
    """One session in this epoch. `joining`: it joined in this epoch and its clock was not judged yet (R12).

    `given` and `opened`: the highest stream number given and opened; `nonce`: of the last stale Resume, empty before.
    `sample_due`: served time in ms from which a sample of its clock is wanted; once there are enough, two a second are.
    """

    __slots__ = (
        "_exchanges",
        "_loss_serial",
        "_reported",
        "_verdict_at",
        "_verdicts",
        "address",
        "clock",
        "estimate",
        "given",
        "heard_at",
        "joining",
        "nonce",
        "opened",
        "sample_due",
        "sequence",
        "serial",
        "stream",
        "verdict",
    )  # fmt: skip

    def __init__(self, epoch: int, *, joining: bool) -> None:
        self.serial = self.given = epoch << 32
        self.opened = 0
        self.nonce = ""
        self.sequence = -1
        self.address = ""
        self.heard_at: int | None = None
        self.clock = ClockFilter()
        self.estimate: Estimate | None = None
        self.verdict = Verdict()
        self.sample_due = 0
        self.joining = joining
        self.stream: Stream | None = None
        self._reported: NodeReport | None = None
        self._loss_serial: int | None = None
        self._exchanges: list[Exchange] = []
        self._verdicts = 0.0
        self._verdict_at = 0

    def give(self) -> int:
        """The stream number of an answer to Join or Resume."""
        self.given += 1
        return self.given

    def opens(self, number: int) -> bool:
        """Whether an `open` with this number is the newest one's, and its first; a node before 0.2 names it by 0."""
        return self.opened < self.given == (number or self.given)

    def stale(self, last_stream: int) -> bool:
        """Whether a Resume that names this number comes from before a stream that was opened; 0 names none."""
        return 0 < last_stream < self.opened

    def brings_back(self, nonce: str) -> bool:
        """Whether this stale Resume comes from a process that waited for its refusal: then it is a copy's."""
        return self.nonce != "" and hmac.compare_digest(self.nonce.encode(), nonce.encode())

    def copied(self, nonce: str, fresh: str) -> bool:
        """Whether a stale Resume ends the session as a copied one (R16); if not, it is refused with a `fresh` nonce."""
        if self.brings_back(nonce):
            return True
        self.nonce = fresh
        return False

    def resumed(self, last_stream: int) -> None:
        """A Resume that is not stale was carried out: the stream that the session has ends."""
        if self.opened == 0:
            # Never above what is given here: a number made up would make every later Resume stale.
            self.opened = min(last_stream, self.given)
        self.supersede()

    def attach(self, stream: Stream, address: str) -> None:
        """`stream` is the session's from now on, by the newest number given."""
        self.supersede()
        self.stream, self.address = stream, address
        self.opened, self.sequence = self.given, -1
        self._reported = None
        # What was sent before may have been taken back by a Resume's answer meanwhile: only this stream counts.
        self._loss_serial = None

    def supersede(self) -> None:
        """The session was taken up elsewhere: the stream it has, if any, ends."""
        if self.stream is not None:
            self.stream.ended("SUPERSEDED")
            self.stream = None

    def refuse(self) -> None:
        """The client breaks the stream's rules: this stream ends, and nothing else."""
        if self.stream is not None:
            self.stream.ended("REFUSED")
            self.stream = None

    def detach(self, stream: Stream) -> None:
        """`stream` has ended, which says nothing of its node."""
        if self.stream is stream:
            self.stream = None

    def report(self, state: State, session: Session) -> None:
        """Send the node its state, if its stream has not had it yet."""
        report = (*node_state(state, session), registration_state(state), outage_grace_s(state), state.container_lic)
        if self.stream is None or report == self._reported:
            return
        self.serial += 1
        self._reported = report
        if session.seat is Seat.HELD:
            self._loss_serial = None
        elif self._loss_serial is None:
            self._loss_serial = self.serial
        self.stream.state(self.serial, report)

    def acknowledges_loss(self, echoed_serial: int) -> bool:
        """Whether a heartbeat that echoes `echoed_serial` says that its node believes in no seat (R13)."""
        return self._loss_serial is not None and self._loss_serial <= echoed_serial <= self.serial

    def loss_acknowledged(self) -> None:
        """The acknowledgement was taken; the next heartbeats need not say it again."""
        self._loss_serial = None

    def exchanged(self, exchange: Exchange) -> None:
        """A heartbeat is acknowledged; the next one reports when its node had the acknowledgement."""
        if len(self._exchanges) == REMEMBERED_EXCHANGES:
            del self._exchanges[0]
        self._exchanges.append(exchange)

    def judge_clock(self, stamp: int, had_at: float, served: int, limit_ms: int) -> Level | None:
        """The verdict on the node's clock after one more sample (R21); None: no new sample, or no verdict yet.

        Args:
            stamp: When the acknowledgement was sent, by its own timestamp, in ns: each is good for one sample.
            had_at: When the node had it, by the node's wall clock, in ms.
            served: Served time in ms.
            limit_ms: By how much clocks may differ.
        """
        for place in range(len(self._exchanges) - 1, -1, -1):
            if self._exchanges[place].stamp == stamp:
                break
        else:
            return None
        exchange = self._exchanges.pop(place)
        sample = measure(exchange.acknowledged, had_at, exchange.sent, exchange.received, exchange.served)
        return None if sample is None else self._hear(sample, served, limit_ms)

    def clock_judged(self, served: int) -> None:
        """A verdict goes into the journal. A clock that swings gets `SWINGS` at once, then one in `SWING_MS` (R36)."""
        self._verdicts = max(0.0, self._verdicts - (served - self._verdict_at) / SWING_MS) + 1
        self._verdict_at = served
        if self._verdicts > SWINGS:
            self.sample_due = served + SWING_MS

    def _hear(self, sample: Sample, served: int, limit_ms: int) -> Level | None:
        self.clock.add(sample)
        if len(self.clock) == SAMPLES:
            self.sample_due = max(self.sample_due, served + SAMPLED_EVERY_MS)
        self.estimate = self.clock.estimate(served)
        return None if self.estimate is None else self.verdict.hear(self.estimate, limit_ms)


class Presences:
    """The presences of all sessions that were live in this epoch, by session id. `heartbeats`: acknowledged ones."""

    def __init__(self) -> None:
        self.heartbeats = 0
        self._by_session: dict[str, Presence] = {}

    def get(self, session_id: str) -> Presence | None:
        """The session's presence, if it was live in this epoch."""
        return self._by_session.get(session_id)

    def follow(self, state: State, session: Session, *, joining: bool) -> None:
        """Make or end the session's presence as its status wants, and send it the changes."""
        presence = self._by_session.get(session.session_id)
        if session.status is SessionStatus.LIVE:
            if presence is None:
                presence = self._by_session[session.session_id] = Presence(state.epoch, joining=joining)
            presence.report(state, session)
        elif presence is not None:
            self._end(session, presence)

    def _end(self, session: Session, presence: Presence) -> None:
        """A lost session keeps its presence: its serial and stream numbers go on when it returns."""
        if session.status is SessionStatus.ENDED:
            del self._by_session[session.session_id]
        if presence.stream is None:
            return
        if session.ended is not None:
            presence.stream.ended(str(session.ended))
        else:
            presence.stream.reconnect(0, "")
        presence.stream = None

    def forget(self, session_id: str, reason: EndReason | None) -> None:
        """End the presence of a session that is not remembered any more (R36); its stream ends with the reason."""
        presence = self._by_session.pop(session_id, None)
        if presence is not None and presence.stream is not None:
            presence.stream.ended(str(reason or EndReason.EXPIRED))
            presence.stream = None

    def report_all(self, state: State) -> None:
        """Send every stream its changes."""
        for session_id, presence in self._by_session.items():
            session = state.sessions.get(session_id)
            if presence.stream is not None and session is not None:
                presence.report(state, session)

    def clocks_if_most_are_over(self) -> list[Estimate]:
        """The clocks of the nodes that are connected, or none of them where fewer than half are over the limit."""
        judged = [
            each for each in self._by_session.values() if each.stream is not None and each.verdict.level is not None
        ]
        over = sum(1 for presence in judged if presence.verdict.level is Level.OVER)
        if 2 * over < len(judged):
            return []
        return [presence.estimate for presence in judged if presence.estimate is not None]

    def each_stream(self, act: Callable[[Stream], None]) -> None:
        """Acts on every open stream."""
        for presence in list(self._by_session.values()):
            if presence.stream is not None:
                act(presence.stream)

    def adopt(self, before: State, after: State) -> None:
        """The journal was read back and says `after`: streams end, and every live session has its presence."""
        self.reset()
        self._by_session = {key: each for key, each in self._by_session.items() if key in after.sessions}
        for session in after.sessions.values():
            self.follow(after, session, joining=session.session_id not in before.sessions)

    def reset(self) -> None:
        """Streams end, so that every node resumes and gets its state again."""
        self.each_stream(lambda stream: stream.reconnect(0, ""))
        for presence in self._by_session.values():
            presence.stream = None
