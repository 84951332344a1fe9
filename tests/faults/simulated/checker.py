"""What must hold in the simulated world, judged at the very instant, by its own true time.

- R13: never more than `max_nodes` processes believe; a seat that becomes free is believed in by nobody; what a node
  believes ends before what the daemon grants; whoever was acknowledged is not given up within a lease.
- R16-R18: nobody who was never disturbed loses its session, whatever the daemon went through. Nobody here is a copy,
  and so nobody is taken for one.
- R17: a registration ends only when every node that held a seat in it left or was evicted, or none of them proved
  itself for the whole window, and it lives on in nobody else: those who joined it later count once they have met one
  of them alive; transitions are those of the table.
- R9: the count of wrong codes falls by a right code only. R14: epochs rise.
- R41: whoever was licensed once may run, for as long as nothing has withdrawn its seat: outages here are shorter than
  the license's grace.
- What a new process reads is what was appended.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from faults.simulated.daemon import LEASE_MS, SimulatedDaemon
from faults.simulated.node import SimulatedNode
from faults.simulated.timeline import Timeline
from faults.transitions import ALLOWED

from licd_daemon.core import events as e
from licd_daemon.core.evolve import evolve
from licd_daemon.core.model import EndReason, Seat, SessionStatus, State
from licd_daemon.core.view import registration_state
from licd_daemon.journal import chain
from licd_daemon.journal.port import Record
from node_client.belief import Belief

SLACK_MS = 2


@dataclass
class Checker:
    """Collects violations; `log` is the history to read when there is one."""

    timeline: Timeline
    daemon: SimulatedDaemon
    max_nodes: int
    window_ms: int
    nodes: list[SimulatedNode] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    state: State = field(default_factory=State)
    held: set[str] = field(default_factory=set)
    met: set[str] = field(default_factory=set)
    licensed: set[str] = field(default_factory=set)
    withdrawn: set[str] = field(default_factory=set)
    recovering_at: float | None = None
    acknowledged_at: dict[str, float] = field(default_factory=dict)
    joined_at: dict[str, float] = field(default_factory=dict)
    silenced: bool = False

    def note(self, text: str) -> None:
        """Into the history."""
        self.log.append(f"{self.timeline.now:9.3f} {text}")

    def violated(self, rule: str, text: str) -> None:
        """A promise is broken."""
        self.violations.append(f"{rule} at {self.timeline.now:.3f} s: {text}")
        self.note(f"VIOLATION {rule}: {text}")

    # What nodes believe

    def believed(self, node: SimulatedNode, before: Belief, after: Belief) -> None:
        """A node's belief has changed."""
        now = node.machine.boottime()
        if before.state_at(now) != after.state_at(now):
            self.note(f"{node.name} {before.state_at(now)} -> {after.state_at(now)}")
        if before.reported is not None and after.reported is None and after.end is None:
            self._forgot(node)
        self._goes_on(node, after, now)
        if not after.status_at(now).licensed:
            return
        # The answer to Join is believed before the driver keeps its session's id; the next acknowledgement adds it.
        self.licensed |= {node.driver.session_id} - {""}
        session = self.state.sessions.get(node.driver.session_id)
        if session is not None and session.seat is Seat.NONE:
            self.violated("R33", f"{node.name} believes in a seat that the journal does not give it")
        believing = [other.name for other in self.nodes if other.believes()]
        if len(believing) > self.max_nodes:
            self.violated("R13", f"{believing} believe, {self.max_nodes} may")
        if after.lease_until > before.lease_until:
            self._lease_within(node, after.lease_until - now)

    def _goes_on(self, node: SimulatedNode, after: Belief, now: float) -> None:
        holds = node.driver.session_id in self.licensed - self.withdrawn
        if holds and after.end is None and not after.status_at(now).may_run:
            self.violated("R41", f"{node.name} may not run, and nothing has withdrawn its seat")

    def _forgot(self, node: SimulatedNode) -> None:
        """It gave its session up, which only a session that is over allows (R16)."""
        session = self.state.sessions.get(node.driver.session_id)
        if session is not None and session.status is not SessionStatus.ENDED:
            self.violated("R16", f"{node.name} was made to forget its session, which is {session.status}")

    def _lease_within(self, node: SimulatedNode, left: float) -> None:
        """The node's lease ends before the daemon's, which runs at least as long in true time."""
        session_id = node.driver.session_id
        if not self.daemon.serving or self.daemon.stalled:
            return
        until = self.daemon.coordinator.leases._leases.get(session_id)
        if until is None:
            return
        granted = until - self.daemon.coordinator.clock._served
        stale = self.daemon.boottime_ms() - self.daemon.coordinator.clock._read
        if left / node.machine.rate * 1000 > granted - min(stale, 0) + SLACK_MS:
            self.violated("R13", f"{node.name} believes for {left:.3f} s, the daemon grants {granted / 1000:.3f} s")

    def acknowledged(self, session_id: str) -> None:
        """The daemon acknowledges a heartbeat."""
        self.acknowledged_at[session_id] = self.timeline.now

    def refused(self, session_id: str) -> None:
        """The daemon says that a client breaks the rules of its stream."""
        self.violated("R16", f"a stream of {session_id} was refused, and the client keeps the rules")

    # What the journal says

    def appended(self, records: Sequence[Record]) -> None:
        """Entries are durable."""
        self._granted_late(records)
        self.silenced = False
        for record in records:
            entry = chain.decode(record)
            before, self.state = self.state, evolve(self.state, entry.event, entry.now)
            self.note(f"    {type(entry.event).__name__} {_short(entry.event)}")
            self._transition(before, self.state, entry.event)
            self._count(before, self.state, entry.event)
            self._seats(before, self.state, entry.event)
            self._life(before, entry.event)
        living = self.state.registration
        if living is not None and living.recovering_since is None and not self._held_in(SessionStatus.LIVE):
            self.violated("R17", "nobody who holds or held a seat is in sight, and it does not recover")

    def _held_in(self, status: SessionStatus) -> bool:
        return any(
            s.status is status for key in self.held & self.met if (s := self.state.sessions.get(key)) is not None
        )

    def _granted_late(self, records: Sequence[Record]) -> None:
        """A seat must not go to a lease that is over at that same instant."""
        granted: dict[str, int] = {}
        for entry in map(chain.decode, records):
            if isinstance(entry.event, e.SeatGranted):
                granted[entry.event.session_id] = entry.now.served
            elif isinstance(entry.event, e.SessionLost) and granted.get(entry.event.session_id) == entry.now.served:
                self.violated("R13", "a seat was granted on a lease that is over")

    def _transition(self, before: State, after: State, event: Any) -> None:
        pair = registration_state(before), registration_state(after)
        if pair[0] != pair[1] and type(event).__name__ not in ALLOWED.get(pair, ()):
            self.violated("R17", f"{pair[0]} -> {pair[1]} by {type(event).__name__}")
        if after.epoch < before.epoch or (isinstance(event, e.EpochStarted) and after.epoch == before.epoch):
            self.violated("R14", f"epoch {before.epoch} -> {after.epoch}")

    def _count(self, before: State, after: State, event: Any) -> None:
        fell = after.lockout.wrong_codes < before.lockout.wrong_codes
        if fell and not isinstance(event, e.CodeMatched):
            self.violated("R9", f"the count fell by {type(event).__name__}")
        if isinstance(event, e.CodeMatched | e.CodeRejected) and not before.lockout.attempt_open:
            self.violated("R9", "a code was compared that was not counted")

    def _seats(self, before: State, after: State, event: Any) -> None:
        if after.license is not None and after.tally.taken > after.license.max_nodes:
            self.violated("R13", f"{after.tally.taken} seats are taken")
        session_id: str = getattr(event, "session_id", "")
        if isinstance(event, e.SeatGranted):
            self.held.add(event.session_id)
        for key in (session_id,) if session_id else tuple(before.sessions):
            self._freed(before, after, key, event)
        old, new = before.sessions.get(session_id), after.sessions.get(session_id)
        if old is None or new is None:
            return
        node = self._node(session_id)
        if isinstance(event, e.SessionEnded) and event.reason is EndReason.LEFT and new.seat is not Seat.NONE:
            self.violated("R14", "a node has left, and its seat is not free")
        full = before.license is not None and before.tally.taken >= before.license.max_nodes
        self.silenced |= isinstance(event, e.SessionLost) and full and old.seat is not Seat.NONE
        self._given_up(event, session_id)
        expired = isinstance(event, e.SessionEnded) and event.reason in (EndReason.EXPIRED, EndReason.COPIED)
        lost = (isinstance(event, e.SessionLost) or expired) and old.status is not SessionStatus.LOST
        if lost and node is not None and not node.faulted and not node.gone:
            self.violated("R18", f"{node.name} was never disturbed, and has lost its session")

    def _given_up(self, event: Any, session_id: str) -> None:
        waited = (self.timeline.now - self.acknowledged_at.get(session_id, -math.inf)) * 1000
        if isinstance(event, e.SessionLost) and waited < LEASE_MS:
            self.violated("R13", f"{session_id} is given up {waited:.0f} ms after it was acknowledged")
        if isinstance(event, e.SessionEnded) and event.reason is EndReason.COPIED:
            self.violated("R16", f"{session_id} was taken for a copied process")

    def _freed(self, before: State, after: State, session_id: str, event: Any) -> None:
        old, new, node = before.sessions.get(session_id), after.sessions.get(session_id), self._node(session_id)
        if old is not None and old.seat is Seat.HELD and (new is None or new.seat is not Seat.HELD):
            self.withdrawn.add(session_id)
        had = old is not None and old.seat is not Seat.NONE
        if had and (new is None or new.seat is Seat.NONE) and node is not None and node.believes():
            self.violated("R13", f"{node.name}'s seat is free by {type(event).__name__}, and it believes in it")

    def _life(self, before: State, event: Any) -> None:
        if isinstance(event, e.Registered):
            self.held, self.met = {*event.seated, *event.queued}, set(self.state.sessions)
            self.recovering_at = None
        elif isinstance(event, e.SessionJoined):
            self.joined_at[event.session_id] = self.timeline.now
        elif isinstance(event, e.SeatGranted) and event.session_id not in self.met and self.silenced:
            self.violated("R17", f"silence freed a seat for {event.session_id}, who met nobody")
        elif isinstance(event, e.HoldersHeard):
            self._heard(event.up_to)
        elif isinstance(event, e.RecoveryStarted | e.EpochStarted):
            self.recovering_at = self.timeline.now
        elif isinstance(event, e.RegistrationRecovered):
            if not self._held_in(SessionStatus.LIVE):
                self.violated("R17", "it recovered, and nobody who held a seat has proven itself")
            self.recovering_at = None
        elif isinstance(event, e.RegistrationReset):
            self._reset(before, event.reason)
            self.held, self.met, self.recovering_at = set(), set(), None

    def _heard(self, up_to: int) -> None:
        """R17: one in whom the registration lives was heard after those joined who are said to have met it."""
        new = {key for key, s in self.state.sessions.items() if s.number <= up_to} - self.met
        joined = max((self.joined_at.get(key, 0.0) for key in new), default=0.0)
        if not any(self._lived(key, joined) for key in self.held & self.met):
            self.violated("R17", f"{sorted(new)} have met nobody who was registered, and are said to")
        self.met |= new

    def _lived(self, session_id: str, then: float) -> bool:
        """Whether a session's process lived at an instant, as far as it was heard or still lives; or was told to go."""
        ever = next((node for node in self.nodes if session_id in node.sessions), None)
        heard = self.acknowledged_at.get(session_id, -math.inf) >= then
        return heard or (ever is not None and (ever.alive or ever.gone))

    def _reset(self, before: State, reason: str) -> None:
        if reason == "ALL_GONE":
            living = [
                node.name
                for node in self.nodes
                if node.sessions & self.held & self.met and self._holds_on(node, before)
            ]
            if living:
                self.violated("R17", f"reset as ALL_GONE, but {living} held seats and never left")
        elif reason == "WINDOW_OVER":
            waited = (self.timeline.now - (self.recovering_at or 0.0)) * 1000
            if waited < self.window_ms:
                self.violated("R17", f"reset after {waited:.0f} ms of a window of {self.window_ms}")
        elif reason != "ADMIN":
            self.violated("R17", f"reset by {reason}")

    def _holds_on(self, node: SimulatedNode, before: State) -> bool:
        """Whether a process lives that holds the secret of a session that held a seat, and never left it."""
        if not node.alive or node.gone:
            return False
        session = before.sessions.get(node.driver.session_id)
        over = session is None or session.status is SessionStatus.ENDED
        return not over and node.driver.session_id in self.held & self.met

    def _node(self, session_id: str) -> SimulatedNode | None:
        return next((node for node in self.nodes if node.alive and node.driver.session_id == session_id), None)

    # A process's start and end

    def started(self, coordinator_state: State) -> None:
        """A new process has read the journal."""
        if coordinator_state != self.state:
            self.violated("journal", "what a new process reads is not what was appended")

    def at_rest(self, eligible: Sequence[SimulatedNode], healed: float) -> None:
        """Every fault is over for longer than any lease: whoever may have a seat has one."""
        believing = [node.name for node in eligible if node.believes()]
        wanted = min(self.max_nodes, len(eligible)) if self.state.open else 0
        forgotten = [node.name for node in eligible if self._holds_on(node, self.state)]
        if self.state.recovering and forgotten:
            self.violated("R17", f"the registration still recovers, and {forgotten} could prove themselves")
        patience = self.window_ms / 1000 + 2 * LEASE_MS / 1000
        if self.state.recovering and self.timeline.now - max(healed, self.recovering_at or 0.0) > patience:
            self.violated("R17", "the window is over, and it still recovers")
        if len(believing) != wanted:
            states = {
                node.name: str(node.belief.state_at(node.machine.boottime())) for node in self.nodes if node.alive
            }
            self.violated("liveness", f"{len(believing)} of {wanted} are licensed at rest: {states}")


def _short(event: Any) -> str:
    wanted = ("session_id", "reason", "epoch", "seated", "queued", "node_name")
    return " ".join(f"{key}={getattr(event, key)}" for key in wanted if hasattr(event, key))
