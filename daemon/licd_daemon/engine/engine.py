"""The engine: which events a batch of commands comes to, and what follows once they are durable, or are not.

After raft's RawNode: `begin` gives a batch, the caller appends its events, then calls `committed` or `failed`. One
batch at a time. Nothing here waits, reads a clock or writes: the caller brings instants, and streams post what they are
given.

- A lease is over from the instant of its decision: no heartbeat renews it while the append runs. If that append fails,
  every session gets a fresh lease, which errs on the safe side (R18).
- `state` is the durable one; nobody sees what a batch decided before it is (R33).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from licd_daemon.core import commands as c
from licd_daemon.core.budget import places
from licd_daemon.core.decide import decide
from licd_daemon.core.events import AnyEvent, HoldersHeard, SessionRebound, TimeMarked
from licd_daemon.core.evolve import evolve
from licd_daemon.core.leases import Deadline, Leases, seatless_first
from licd_daemon.core.model import EndedRegistration, Failure, Now, Policy, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.view import NodeState, node_state
from licd_daemon.engine.presence import Presence, Presences, Stream
from licd_daemon.engine.publication import Publication
from licd_daemon.engine.token_uses import TokenUses

RETRY_MS = 1000
"""How soon a journal that could not be written is tried again."""

_OVER: dict[Deadline, Callable[[str], c.Command]] = {
    Deadline.LEASE: c.LeaseOver,
    Deadline.DRAIN: lambda session_id: c.DrainOver(session_id, silent=True),
    Deadline.MEMORY: c.MemoryOver,
}


_NEXT_TIME = frozenset({HoldersHeard, SessionRebound})


@dataclass(frozen=True, slots=True)
class Batch:
    """What was decided together at `now`: `events` are to be appended, and give `state`.

    `refusals`: the verdict on each of `commands`, in their order; None: it is carried out.
    """

    commands: Sequence[c.Command]
    now: Now
    events: Sequence[AnyEvent]
    state: State
    refusals: Sequence[Refused | None]


class Beat(Protocol):
    """A heartbeat: its number on its stream, and the serial of the latest `state` that its node has applied."""

    @property
    def sequence(self) -> int:
        """Rises strictly within a stream."""

    @property
    def state_serial(self) -> int:
        """0: none yet."""


class Granted(NamedTuple):
    """What Join and Resume are answered: the node's state and why, and the number of the stream to open."""

    node_state: NodeState
    failures: tuple[Failure, ...]
    stream: int


class Engine:
    """See the module. `writable`: whether the latest append was durable.

    `acknowledged`: the sessions whose nodes have acknowledged a loss since the latest batch. A batch is due soon then.
    """

    def __init__(self, policy: Policy, lease_ttl_ms: int, state: State | None = None) -> None:
        self.state = state or State()
        self.leases = Leases(lease_ttl_ms)
        self.presences = Presences()
        self.writable = False
        self._policy = policy
        self._publication = Publication(self.leases, self.presences)
        self._handover_ms = 0
        self._heard = 0
        self.acknowledged: set[str] = set()
        self.uses = TokenUses()

    def start(self, command: c.StartEpoch, now: Now) -> Batch:
        """Decide on the epoch that this daemon leads in: `started` comes after its append (R14, R18)."""
        decision = decide(self.state, command, now, self._policy)
        self._handover_ms = command.handover_ms
        return Batch((command,), now, decision.events, decision.state, (decision.refusal,))

    def started(self, batch: Batch) -> None:
        """The epoch is durable: every recorded holder has a fresh lease, and batches may begin (R18)."""
        self.state, self.writable = batch.state, True
        self._promote(batch.now.served)

    def begin(self, commands: Sequence[c.Command], now: Now, *, leads: bool = True) -> Batch:
        """Decide on commands, and on what time brings; `leads`: leadership is proven at this instant (R31).

        Time's own commands come first, so that a lease is judged before anyone builds on it. DANGER: they are taken out
        here, whatever becomes of the append. So each batch must come to `committed`, `failed` or `restored` before the
        next one begins: those see to it that no session is left without a lease that nobody judges.
        """
        state, events, refusals = self.state, list[AnyEvent](), list[Refused | None]()
        for command in self._due(now, leads and self.writable):
            decision = decide(state, command, now, self._policy)
            state = decision.state
            events += decision.events
        if not self.writable and not events:
            # Something to append, or nobody would ever find out that the journal can be written again.
            events.append(TimeMarked())
            state = evolve(state, events[0], now)
        for command in commands:
            decision = decide(state, command, now, self._policy)
            state = decision.state
            events += decision.events
            refusals.append(decision.refusal)
        return Batch(commands, now, events, state, refusals)

    def _due(self, now: Now, serving: bool) -> list[c.Command]:
        acknowledged, self.acknowledged = self.acknowledged, set()
        if not serving:
            return [self._tick()]
        first, rest = seatless_first(self.leases.due(now.served), self.state)
        drained = [c.DrainOver(session_id) for session_id in acknowledged]
        return [*_over(first), self._tick(), *_over(rest), *drained, *self._forgotten()]

    def _tick(self) -> c.Tick:
        return c.Tick(self._heard, self.uses.due())

    def _forgotten(self) -> list[c.Command]:
        """R36: those above what is remembered, the oldest first."""
        surplus = max(0, self.state.tally.gone - places(self.state))
        return [c.MemoryOver(session_id) for session_id in self.leases.remembered_longest(surplus)]

    def committed(self, batch: Batch, served: int, *, leads: bool = True) -> EndedRegistration | None:
        """R33: a batch is durable, at `served`; streams get what it changes, before anybody is answered.

        Args:
            batch: The one begun last.
            served: Served time in ms after the append.
            leads: Whether leadership is proven then: without it nothing may be sent, and streams end (R31).

        Returns:
            The registration that ended with the batch, if one did (R17).
        """
        before, self.state, self.writable = self.state, batch.state, True
        for event in batch.events:
            if isinstance(event, TimeMarked):
                self.uses.recorded(event.used)
        if not leads:
            self.presences.reset()
        return self._publication.publish(before, batch.state, batch.events, served) if batch.events else None

    def failed(self, batch: Batch, now: Now) -> list[Refused | None]:
        """A batch has left nothing in the journal: leases that were taken out as over start afresh (R18).

        Returns:
            The verdict on each of its commands. What changes nothing is answered all the same: a node whose stream
            broke keeps its seat (R33). That it was heard, and by which token, is nothing that it waits for: its next
            heartbeat, and its next Resume, says so again (R17, R35).
        """
        self.writable = False
        self._promote(now.served)
        return [self._unwritten(command, now) for command in batch.commands]

    def _unwritten(self, command: c.Command, now: Now) -> Refused | None:
        decision = decide(self.state, command, now, self._policy)
        changes = any(type(event) not in _NEXT_TIME for event in decision.events)
        return journal_unavailable() if changes else decision.refusal

    def restored(self, state: State, served: int) -> None:
        """The journal was read back after an append of unknown outcome, and says `state`.

        Until then leases that were taken out stay out: their seats may be others' by now.
        """
        before, self.state = self.state, state
        if before != state:
            self.presences.adopt(before, state)
        self._promote(served)

    def _promote(self, served: int) -> None:
        self.leases.promote(self.state, served, self._handover_ms)

    def beat(self, session_id: str, presence: Presence, beat: Beat, received: float, served: int | None) -> bool:
        """Take a heartbeat on the session's current stream; False: it gets no acknowledgement (R13, R16).

        Args:
            session_id: The session.
            presence: Its presence.
            beat: The heartbeat.
            received: When it came, in ms of the wall clock.
            served: Served time in ms; None: nothing may be acknowledged at this instant (R31).
        """
        if beat.sequence <= presence.sequence:
            presence.refuse()
            return False
        presence.sequence = beat.sequence
        if served is None or not self.leases.renew(session_id, served):
            return False
        self._hear(session_id)
        presence.heard_at = int(received)
        self.presences.heartbeats += 1
        if presence.acknowledges_loss(beat.state_serial):
            presence.loss_acknowledged()
            # No command among others: those before it might give the seat back and take it away again, which this echo
            # says nothing of. One that comes while nothing can be written is forgotten; the lease's end frees the seat.
            self.acknowledged.add(session_id)
        return True

    def _hear(self, session_id: str) -> None:
        """A session gave a sign of life: if the registration lives in it, it vouches for all who have joined (R17).

        The next batch takes that along, so no heartbeat costs an append. For whom it vouches is settled here: a session
        that joins between here and that batch has not overlapped with it, whose process may be dead by then.
        """
        self._heard = max(self._heard, self.state.vouched_by(session_id))

    def grant(self, session_id: str, served: int) -> Granted | None:
        """What Join and Resume are answered, and renews the lease that the node counts from when it asked (R13).

        By the state of this instant: a seat that was withdrawn since the command was carried out must not be promised.
        None: the session has just ended.
        """
        session, presence = self.state.sessions.get(session_id), self.presences.get(session_id)
        if session is None or presence is None or not self.leases.renew(session_id, served):
            return None
        return Granted(*node_state(self.state, session), presence.give())

    def opening(self, session_id: str, number: int) -> Presence | None:
        """The presence that a stream of this number opens; None: it is an older one, or was opened already (R16)."""
        presence = self.presences.get(session_id)
        return presence if presence is not None and presence.opens(number) else None

    def open(self, session_id: str, number: int, stream: Stream, address: str) -> Presence | None:
        """Binds a stream to its session and tells it how things stand; None: see `opening`."""
        presence, session = self.opening(session_id, number), self.state.sessions.get(session_id)
        if presence is None or session is None:
            return None
        presence.attach(stream, address)
        presence.report(self.state, session)
        return presence


def _over(due: Sequence[tuple[Deadline, str]]) -> list[c.Command]:
    return [_OVER[kind](session_id) for kind, session_id in due]


def journal_unavailable() -> Refused:
    """The refusal of what can't be made durable now (R33)."""
    return Refused(
        Reason.JOURNAL_UNAVAILABLE,
        "The journal can't be written: nothing was changed. Fix the disk; it works again automatically.",
        retry_after_ms=RETRY_MS,
    )
