"""The single writer: takes commands, batches them, decides and evolves, appends durably, then answers and publishes.

- Commands that arrive while an append is under way are decided together next and appended in one step.
- Nothing is answered or published before it is durable, nor while leadership is not proven (R31, R33).
- Decisions build on each other before they are durable (`_head`); an append that fails takes the state back to what the
  journal says, and every command of the batch is refused.
- A lease is over from the instant of its decision: no heartbeat renews it while the append runs. If that append fails,
  every session gets a fresh lease, which errs on the safe side.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

import structlog

from licd_daemon.clock import ServiceClock
from licd_daemon.core import commands as c
from licd_daemon.core.decide import decide
from licd_daemon.core.events import AnyEvent, TimeMarked
from licd_daemon.core.evolve import evolve, fold
from licd_daemon.core.leases import Deadline, Leases
from licd_daemon.core.model import Now, Policy, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.journal import chain
from licd_daemon.journal.codec import decode_state, encode_state
from licd_daemon.journal.port import (
    Head,
    Journal,
    JournalCorrupt,
    JournalUnavailable,
    PositionConflict,
    Snapshot,
    UnknownOutcome,
)
from licd_daemon.leadership.port import Leadership
from licd_daemon.presence import Presences
from licd_daemon.publication import Publication

log = structlog.get_logger(__name__)

TICK_S = 0.25
RETRY_S = 1.0
MAX_BATCH = 256
SNAPSHOT_EVERY = 10_000
_OVER: dict[Deadline, Callable[[str], c.Command]] = {
    Deadline.LEASE: c.LeaseOver,
    Deadline.DRAIN: c.DrainOver,
    Deadline.MEMORY: c.MemoryOver,
}


@dataclass(frozen=True)
class CoordinatorConfig:
    """Everything that a coordinator depends on. `lease_ttl_ms`: what nodes are granted."""

    journal: Journal
    leadership: Leadership
    policy: Policy
    lease_ttl_ms: int


class Coordinator:
    """See the module. `start` before anything else; `state` is the durable state."""

    state: State
    clock: ServiceClock

    def __init__(self, config: CoordinatorConfig) -> None:
        self._config = config
        self.leases = Leases(config.lease_ttl_ms)
        self.presences = Presences()
        self.publication = Publication(self.leases, self.presences)
        self.writable = False
        self.since = 0
        self.failed: BaseException | None = None
        self._queue: deque[tuple[c.Command, asyncio.Future[State]]] = deque()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._journal_head = Head()
        self._snapshot_position = 0

    async def start(self) -> None:
        """Loads the journal, begins a new epoch, and takes commands from then on (R14, R18).

        Raises:
            JournalCorrupt, JournalUnavailable, AlreadyLed.
        """
        await self._load()
        epoch = await self._config.leadership.acquire(self.state.epoch + 1)
        await self._load()
        self.clock = ServiceClock(self.state.effective, self.state.served)
        now = self.clock.now()
        handover_ms = self._config.leadership.handover_ms
        command = c.StartEpoch(epoch, self._config.lease_ttl_ms, handover_ms)
        decision = decide(self.state, command, now, self._config.policy)
        records, head = chain.extend(self._journal_head, decision.events, now)
        await self._config.journal.append(records, self._journal_head)
        self.state, self._journal_head = decision.state, head
        self.leases.promote(self.state, now.served, handover_ms)
        self.writable, self.since = True, now.wall
        self._tasks = [asyncio.create_task(self._guard(self._write())), asyncio.create_task(self._guard(self._tick()))]

    async def _load(self) -> None:
        journal = self._config.journal
        snapshot, records = await journal.load()
        state, head = State(), Head()
        if snapshot is not None:
            try:
                state, head = decode_state(snapshot.state), snapshot.head
            except JournalCorrupt as error:
                log.warning("snapshot_left_out", error=str(error))
                _, records = await journal.load(replay=True)
        self._snapshot_position = head.position
        entries = (chain.decode(record) for record in records)
        self.state = fold(state, ((entry.event, entry.now) for entry in entries))
        self._journal_head = Head(records[-1].position, records[-1].digest) if records else head

    async def _guard(self, work: Coroutine[None, None, None]) -> None:
        """A writer that fails must not leave a daemon behind that looks well."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("coordinator_failed")
            self.failed, self.writable = error, False
            self.publication.watchers.notify()

    async def stop(self) -> None:
        """Takes no more commands, and keeps a snapshot for the next start. Idempotent."""
        self.failed = self.failed or asyncio.CancelledError("stopping")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        while self._queue:
            _, future = self._queue.popleft()
            _refuse(future, _stopping())
        if self.writable and self._journal_head.position > self._snapshot_position:
            await self._save_snapshot()

    @property
    def serving(self) -> bool:
        """Whether the daemon leads and its journal can be written: what health and probes tell."""
        return self.writable and self.failed is None and self._config.leadership.valid()

    def leads(self) -> bool:
        """Whether anything may be acknowledged at this instant (R31)."""
        return self.failed is None and self._config.leadership.valid()

    def now(self) -> Now:
        """This instant; time in which the daemon could not answer and write is not served time (R17)."""
        return self.clock.now(self.serving)

    async def submit(self, command: c.Command) -> State:
        """Carries out a command and gives the durable state after it.

        Raises:
            Refused: by a rule, or with JOURNAL_UNAVAILABLE, NOT_LEADER, STOPPING: nothing was done.
        """
        if self.failed is not None:
            raise _stopping()
        future: asyncio.Future[State] = asyncio.get_running_loop().create_future()
        self._queue.append((command, future))
        self._wake.set()
        return await future

    def submit_soon(self, command: c.Command) -> None:
        """Carries out a command that nobody waits for; if it is refused or can't be written, its cause comes again."""
        if self.failed is None:
            future: asyncio.Future[State] = asyncio.get_running_loop().create_future()
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._queue.append((command, future))
            self._wake.set()

    @property
    def position(self) -> int:
        """The position of the last durable entry."""
        return self._journal_head.position

    async def _tick(self) -> None:
        """Wakes the writer for what time brings; a challenge's end is no event, yet it is news to those who watch."""
        shown = None
        while True:
            challenge = self.state.challenge
            showing = challenge and challenge.state(self.now())
            if showing != shown:
                shown = showing
                self.publication.watchers.notify()
            self._wake.set()
            await asyncio.sleep(TICK_S if self.writable else RETRY_S)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while await self._write_batch():
                pass
            if self._journal_head.position - self._snapshot_position >= SNAPSHOT_EVERY:
                await self._save_snapshot()

    async def _write_batch(self) -> bool:
        """Decides and appends one batch; True: commands are left."""
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
        if not self._config.leadership.valid():
            _refuse_all(batch, _not_leader())
            return bool(self._queue)
        now = self.now()
        events, head_state, answered = self._decide(batch, now)
        try:
            await self._append(events, now)
        except JournalUnavailable as error:
            await self._take_back(batch, error)
            return False
        before, self.state = self.state, head_state
        if not self.leads():
            self.presences.reset()
        if events:
            self.publication.publish(before, head_state, events, self.clock.now(self.serving).served)
        self._answer(answered)
        return bool(self._queue)

    def _decide(
        self, batch: Sequence[tuple[c.Command, asyncio.Future[State]]], now: Now
    ) -> tuple[list[AnyEvent], State, list[tuple[asyncio.Future[State], Refused | None]]]:
        """Time's own commands come first, so that a lease is judged before anyone builds on it."""
        state, events = self.state, list[AnyEvent]()
        answered: list[tuple[asyncio.Future[State], Refused | None]] = []
        due: list[c.Command] = [c.Tick()]
        if self.serving:
            due += [_OVER[kind](session_id) for kind, session_id in self.leases.due(now.served)]
        for command in due:
            decision = decide(state, command, now, self._config.policy)
            state = decision.state
            events += decision.events
        if not self.writable and not events:
            events.append(TimeMarked())
            state = evolve(state, events[0], now)
        for command, future in batch:
            decision = decide(state, command, now, self._config.policy)
            state = decision.state
            events += decision.events
            answered.append((future, decision.refusal))
        return events, state, answered

    async def _append(self, events: Sequence[AnyEvent], now: Now) -> None:
        if not events:
            return
        records, head = chain.extend(self._journal_head, events, now)
        try:
            await self._config.journal.append(records, self._journal_head)
        except PositionConflict:
            log.critical("journal_taken_over", position=self._journal_head.position)
            raise
        self._journal_head = head
        if not self.writable:
            log.info("journal_writable_again")
            self.writable = True
            self.publication.watchers.notify()

    async def _take_back(
        self, batch: Sequence[tuple[c.Command, asyncio.Future[State]]], error: JournalUnavailable
    ) -> None:
        """The state is what the journal says; leases that were taken out as over start afresh.

        What changes nothing is answered all the same: a node whose stream broke keeps its seat (R33).
        """
        if self.writable:
            log.error("journal_unavailable", error=str(error))
            self.writable = False
            self.publication.watchers.notify()
        if isinstance(error, UnknownOutcome):
            before = self.state
            await self._load()
            if before != self.state:
                self.presences.reset()
        self.leases.promote(self.state, self.clock.now(False).served, self._config.leadership.handover_ms)
        now = self.now()
        for command, future in batch:
            decision = decide(self.state, command, now, self._config.policy)
            if decision.events:
                _refuse(future, _journal_unavailable())
            else:
                self._answer([(future, decision.refusal)])

    def _answer(self, answered: Sequence[tuple[asyncio.Future[State], Refused | None]]) -> None:
        leads = self.leads()
        for future, refusal in answered:
            if not leads:
                _refuse(future, _not_leader())
            elif refusal is not None:
                _refuse(future, refusal)
            elif not future.done():
                future.set_result(self.state)

    async def _save_snapshot(self) -> None:
        """A failure costs the next start some time and nothing else."""
        try:
            await self._config.journal.save_snapshot(Snapshot(self._journal_head, encode_state(self.state)))
            self._snapshot_position = self._journal_head.position
        except (JournalUnavailable, PositionConflict) as error:
            log.warning("snapshot_not_saved", error=str(error))


def _journal_unavailable() -> Refused:
    return Refused(
        Reason.JOURNAL_UNAVAILABLE,
        "The journal can't be written: nothing was changed. Mend the disk; it works again by itself.",
        retry_after_ms=int(RETRY_S * 1000),
    )


def _not_leader() -> Refused:
    return Refused(Reason.NOT_LEADER, "This daemon can't prove that it leads: ask again, or ask another.")


def _stopping() -> Refused:
    return Refused(Reason.STOPPING, "This daemon is stopping: try again in a moment, or another one.")


def _refuse(future: "asyncio.Future[State]", refusal: Refused) -> None:
    if not future.done():
        future.set_exception(refusal)


def _refuse_all(batch: Sequence[tuple[c.Command, "asyncio.Future[State]"]], refusal: Refused) -> None:
    for _, future in batch:
        _refuse(future, refusal)
