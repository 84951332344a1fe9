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

from licd_daemon.core import commands as c
from licd_daemon.core.decide import decide
from licd_daemon.core.events import AnyEvent, HoldersHeard, TimeMarked
from licd_daemon.core.evolve import evolve
from licd_daemon.core.leases import Deadline, Leases, seatless_first
from licd_daemon.core.model import EndedRegistration, Now, Policy, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.engine.presence import Presences
from licd_daemon.engine.publication import Publication

RETRY_MS = 1000
"""How soon a journal that could not be written is tried again."""

_OVER: dict[Deadline, Callable[[str], c.Command]] = {
    Deadline.LEASE: c.LeaseOver,
    Deadline.DRAIN: lambda session_id: c.DrainOver(session_id, silent=True),
    Deadline.MEMORY: c.MemoryOver,
}


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


class Engine:
    """See the module. `writable`: whether the latest append was durable."""

    def __init__(self, policy: Policy, lease_ttl_ms: int, state: State | None = None) -> None:
        self.state = state or State()
        self.leases = Leases(lease_ttl_ms)
        self.presences = Presences()
        self.writable = False
        self._policy = policy
        self._publication = Publication(self.leases, self.presences)
        self._handover_ms = 0
        self._heard = 0
        self._acknowledged: set[str] = set()

    def start(self, command: c.StartEpoch, now: Now) -> Batch:
        """Decides on the epoch that this daemon leads in: `started` comes after its append (R14, R18)."""
        decision = decide(self.state, command, now, self._policy)
        self._handover_ms = command.handover_ms
        return Batch((command,), now, decision.events, decision.state, (decision.refusal,))

    def started(self, batch: Batch) -> None:
        """The epoch is durable: every recorded holder has a fresh lease, and batches may begin (R18)."""
        self.state, self.writable = batch.state, True
        self._promote(batch.now.served)

    def begin(self, commands: Sequence[c.Command], now: Now, *, leads: bool = True) -> Batch:
        """Decides on commands, and on what time brings; `leads`: leadership is proven at this instant (R31).

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
        acknowledged, self._acknowledged = self._acknowledged, set()
        if not serving:
            return [c.Tick(self._heard)]
        first, rest = seatless_first(self.leases.due(now.served), self.state)
        drained = [c.DrainOver(session_id) for session_id in acknowledged]
        return [*_over(first), c.Tick(self._heard), *_over(rest), *drained]

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
        if not leads:
            self.presences.reset()
        return self._publication.publish(before, batch.state, batch.events, served) if batch.events else None

    def failed(self, batch: Batch, now: Now) -> list[Refused | None]:
        """A batch has left nothing in the journal: leases that were taken out as over start afresh (R18).

        Returns:
            The verdict on each of its commands. What changes nothing is answered all the same: a node whose stream
            broke keeps its seat (R33). That it was heard is nothing that it waits for; its next heartbeat says so
            again (R17).
        """
        self.writable = False
        self._promote(now.served)
        return [self._unwritten(command, now) for command in batch.commands]

    def _unwritten(self, command: c.Command, now: Now) -> Refused | None:
        decision = decide(self.state, command, now, self._policy)
        changes = any(type(event) is not HoldersHeard for event in decision.events)
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

    def heard(self, session_id: str) -> None:
        """A session gave a sign of life: if the registration lives in it, it vouches for all who have joined (R17).

        The next batch takes that along, so no heartbeat costs an append. For whom it vouches is settled here: a session
        that joins between here and that batch has not overlapped with it, whose process may be dead by then.
        """
        self._heard = max(self._heard, self.state.vouched_by(session_id))

    def loss_acknowledged(self, session_id: str) -> None:
        """A node has echoed the loss of its seat: the draining seat is free with the next batch (R13).

        No command among others: those before it might give the seat back and take it away again, which this echo says
        nothing of. One that comes while the journal can't be written is forgotten; the lease's end frees that seat.
        """
        self._acknowledged.add(session_id)


def _over(due: Sequence[tuple[Deadline, str]]) -> list[c.Command]:
    return [_OVER[kind](session_id) for kind, session_id in due]


def journal_unavailable() -> Refused:
    """The refusal of what can't be made durable now (R33)."""
    return Refused(
        Reason.JOURNAL_UNAVAILABLE,
        "The journal can't be written: nothing was changed. Fix the disk; it works again automatically.",
        retry_after_ms=RETRY_MS,
    )
