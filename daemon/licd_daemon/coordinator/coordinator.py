"""The single writer: takes commands, batches them, lets the engine decide, appends durably, then publishes and answers.

- Commands that arrive while an append is under way are decided together next and appended in one step.
- Nothing is answered or published before it is durable, nor while leadership is not proven (R31, R33).
- An append that fails leaves the state as the journal says, and every command of the batch that it would have changed
  something for is refused.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog

from licd_daemon.coordinator.join_budget import JoinBudget
from licd_daemon.coordinator.latency import Latency
from licd_daemon.coordinator.news import News
from licd_daemon.coordinator.service_clock import ServiceClock
from licd_daemon.coordinator.write_queue import Waiting, WriteQueue, refuse, refuse_all
from licd_daemon.core import commands as c
from licd_daemon.core.build import BUILD_MS
from licd_daemon.core.effective import DOUBTFUL_START_MS, LIMIT_MS
from licd_daemon.core.events import AnyEvent
from licd_daemon.core.evolve import fold
from licd_daemon.core.model import Now, Policy, State, Token
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.engine.engine import RETRY_MS, Batch, Engine, journal_unavailable
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
from licd_kit.clock import boot_id, boottime_ms, stopwatch_s

log = structlog.get_logger(__name__)

TICK_S = 0.25
SNAPSHOT_EVERY = 10_000
SNAPSHOT_EVERY_SESSIONS = 4


@dataclass(frozen=True)
class CoordinatorConfig:
    """Everything that a coordinator depends on. `lease_ttl_ms`: what nodes are granted.

    `max_clock_drift_ms`: by how much clocks may differ.
    """

    journal: Journal
    leadership: Leadership
    policy: Policy
    lease_ttl_ms: int
    max_clock_drift_ms: int = LIMIT_MS


class Coordinator:
    """See the module. `start` before anything else."""

    clock: ServiceClock

    def __init__(self, config: CoordinatorConfig) -> None:
        self._config = config
        self.engine = Engine(config.policy, config.lease_ttl_ms)
        self.leases, self.presences = self.engine.leases, self.engine.presences
        self.news = News()
        self.since = 0
        self.failed: BaseException | None = None
        self.append_latency = Latency()
        self.queue = WriteQueue()
        self.joins = JoinBudget()
        self._tasks: list[asyncio.Task[None]] = []
        self._journal_head = Head()
        self._snapshot_position = 0
        self._unsettled = False

    async def start(self) -> None:
        """Load the journal, begin a new epoch, and take commands from then on (R14, R18).

        Raises:
            JournalCorrupt, JournalUnavailable, AlreadyLed.
        """
        self.engine.state = await self._load()
        epoch = await self._config.leadership.acquire(self.state.epoch + 1)
        self.engine.state = await self._load()
        boot = boot_id()
        self.clock = self._begin_time(boot)
        now = self.clock.now()
        handover_ms = self._config.leadership.handover_ms
        proof_interval_ms = self._config.leadership.proof_interval_ms
        command = c.StartEpoch(
            epoch,
            self._config.lease_ttl_ms,
            handover_ms,
            secrets.token_hex(16),
            proof_interval_ms,
            boot,
            self.clock.started_ms,
        )
        batch = self.engine.start(command, now)
        records, head = chain.extend(self._journal_head, batch.events, now)
        await self._config.journal.append(records, self._journal_head)
        self._journal_head = head
        self.engine.started(batch)
        self.since = now.wall
        self._tasks = [asyncio.create_task(self._guard(work)) for work in (self._write, self._tick)]

    def _begin_time(self, boot: str) -> ServiceClock:
        """R23: where effective time continues; only within one boot of the machine it is known what has passed."""
        state = self.state
        same_boot = state.boot_id == boot != ""
        clock = ServiceClock(
            state.effective,
            state.served,
            unconfirmed_ms=state.unconfirmed,
            elapsed_ms=boottime_ms() - state.boot_ms - state.run if same_boot else 0,
            floor_ms=BUILD_MS,
            limit_ms=self._config.max_clock_drift_ms,
        )
        if state.effective and state.clock_untrusted is not None:
            clock.hold(state.effective, DOUBTFUL_START_MS)
        return clock

    async def _load(self) -> State:
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
        state = fold(state, ((entry.event, entry.now) for entry in entries))
        self._journal_head = Head(records[-1].position, records[-1].digest) if records else head
        return state

    async def _guard(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """A writer that fails must not leave a daemon behind that looks well, nor anybody waiting for its answer."""
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.exception("coordinator_failed")
            self.failed, self.engine.writable = error, False
            self.queue.refuse(_stopping())
            self.news.notify()

    async def stop(self) -> None:
        """Take no more commands, and keep a snapshot for the next start. Idempotent."""
        self.failed = self.failed or asyncio.CancelledError("stopping")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.queue.refuse(_stopping())
        if self.writable and self._journal_head.position > self._snapshot_position:
            await self._save_snapshot()

    @property
    def state(self) -> State:
        """The durable state."""
        return self.engine.state

    @property
    def writable(self) -> bool:
        """Whether the latest append was durable."""
        return self.engine.writable

    @property
    def serving(self) -> bool:
        """Whether the daemon leads and its journal can be written: what health and probes report."""
        return self.writable and self.failed is None and self._config.leadership.valid()

    def leads(self) -> bool:
        """Whether anything may be acknowledged at this instant (R31)."""
        return self.failed is None and self._config.leadership.valid()

    def standing(self) -> State:
        """The durable state, for those who may be answered now.

        Raises:
            Refused: NOT_LEADER: this daemon can't prove that it leads, and what it knows may be stale (R31).
        """
        if not self.leads():
            raise _not_leader()
        return self.state

    def token_shown(self, token_hash: str) -> Token | None:
        """The token in force whose secret was shown, which counts as its use; None: there is none (R35)."""
        now = self.now()
        token = self.state.token_in_force(token_hash, now)
        if token is not None:
            self.engine.uses.used(token, now.wall)
        return token

    def now(self) -> Now:
        """This instant; time in which the daemon could not answer and write is not served time (R17)."""
        return self.clock.now(self.serving)

    def served_if_leading(self) -> int | None:
        """Served time in ms; None: nothing may be acknowledged at this instant (R31)."""
        leads = self.leads()
        served = self.clock.served(leads and self.engine.writable)
        return served if leads else None

    async def submit(self, command: c.Command) -> State:
        """Carry out a command and give the durable state after it.

        Raises:
            Refused: by a rule, or with JOURNAL_UNAVAILABLE, NOT_LEADER, STOPPING, RATE_LIMITED: nothing was done.
        """
        if self.failed is not None:
            raise _stopping()
        return await self.queue.add(command)

    def submit_soon(self, command: c.Command) -> None:
        """Carry out a command that nobody waits for; if it is refused or can't be written, its cause comes again."""
        if self.failed is None:
            with suppress(Refused):
                self.queue.add(command).add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def leadership(self) -> Leadership:
        """What proves that this daemon leads."""
        return self._config.leadership

    @property
    def position(self) -> int:
        """The position of the last durable entry."""
        return self._journal_head.position

    def wake(self) -> None:
        """A batch is due that no command asks for."""
        self.queue.wake.set()

    async def _tick(self) -> None:
        """Wake the writer for what time brings; what watchers must see, yet no event: a challenge's end, the
        proof of leadership.
        """
        shown, lost_at = None, None
        while True:
            lost_at = self._report_lead(lost_at)
            challenge = self.state.challenge
            showing = challenge and challenge.state(self.now()), self.serving
            if showing != shown:
                shown = showing
                self.news.notify()
            self.queue.wake.set()
            await asyncio.sleep(TICK_S if self.writable else RETRY_MS / 1000)

    def _report_lead(self, lost_at: int | None) -> int | None:
        """Log when the lead can't be proven any more and when it can be again (R31).

        Args:
            lost_at: Boottime in ms at which it was found lost; None: it was not.

        Returns:
            The same, as of now.
        """
        leadership = self._config.leadership
        if lost_at is None and not leadership.valid():
            age_ms = leadership.proof_age_ms()
            log.error("leadership_not_proven", cause=leadership.trouble(), proof_age_ms=age_ms)
            return boottime_ms()
        if lost_at is not None and leadership.valid():
            log.warning("leadership_proven_again", after_ms=boottime_ms() - lost_at)
            return None
        return lost_at

    async def _write(self) -> None:
        while True:
            await self.queue.wake.wait()
            self.queue.wake.clear()
            await self.queue.gather()
            while await self._write_batch():
                await self.queue.gather()
            if self._journal_head.position - self._snapshot_position >= self._snapshot_after():
                await self._save_snapshot()

    def _snapshot_after(self) -> int:
        """How many entries are worth a snapshot: it costs by the sessions, and no append goes on meanwhile."""
        return max(SNAPSHOT_EVERY, SNAPSHOT_EVERY_SESSIONS * len(self.state.sessions))

    async def _write_batch(self) -> bool:
        """Decide and append one batch; True: commands are left."""
        batch = self.queue.take()
        try:
            written = await self._carry_out(batch)
        except BaseException:
            refuse_all(batch, _stopping())
            raise
        self.queue.written(batch)
        return written and bool(self.queue)

    async def _carry_out(self, batch: Sequence[Waiting]) -> bool:
        if not self._config.leadership.valid():
            refuse_all(batch, _not_leader())
            return True
        if self._unsettled and not await self._read_back():
            refuse_all(batch, journal_unavailable())
            return False
        decided = self.engine.begin([command for command, _ in batch], self.now(), leads=self.leads())
        try:
            await self._append(decided.events, decided.now)
        except JournalUnavailable as error:
            await self._take_back(batch, decided, error)
            return False
        # DANGER: from the end of the append to the last answer nothing may wait. The batch is durable and nobody knows:
        # anyone who ran in between would act on a state that the journal has left behind, or overtake what streams are
        # told. A caller who gives up, or `stop`, ends the wait for the append, never what follows it.
        leads = self.leads()
        ended = self.engine.committed(decided, self.clock.now(leads).served, leads=leads)
        if decided.events:
            self.news.durable(decided.events, ended)
        self._answer(batch, decided.refusals)
        return True

    async def _append(self, events: Sequence[AnyEvent], now: Now) -> None:
        if not events:
            return
        records, head = chain.extend(self._journal_head, events, now)
        began = stopwatch_s()
        try:
            await self._config.journal.append(records, self._journal_head)
        except PositionConflict:
            log.critical("journal_taken_over", position=self._journal_head.position)
            raise
        finally:
            self.append_latency.observe(stopwatch_s() - began)
        self._journal_head = head
        if not self.writable:
            log.info("journal_writable_again")
            self.news.notify()

    async def _take_back(self, batch: Sequence[Waiting], decided: Batch, error: JournalUnavailable) -> None:
        """The state is what the journal says, after an unknown outcome as soon as that was read back."""
        if self.writable:
            log.error("journal_unavailable", error=str(error))
            self.engine.writable = False
            self.news.notify()
        if isinstance(error, UnknownOutcome):
            self._unsettled = True
            if not await self._read_back():
                refuse_all(batch, journal_unavailable())
                return
        refusals = self.engine.failed(decided, self.now())
        # Who changed something is answered so, also by a daemon that can't prove any more that it leads.
        for (_, answer), refusal in zip(batch, refusals, strict=True):
            if refusal is not None and refusal.reason is Reason.JOURNAL_UNAVAILABLE:
                refuse(answer, refusal)
        self._answer(batch, refusals)

    async def _read_back(self) -> bool:
        """Settle an unknown outcome; False: the journal can't be read either."""
        try:
            state = await self._load()
        except JournalUnavailable as error:
            log.error("journal_not_read_back", error=str(error))
            return False
        self._unsettled = False
        self.engine.restored(state, self.clock.now(False).served)
        return True

    def _answer(self, batch: Sequence[Waiting], refusals: Sequence[Refused | None]) -> None:
        leads = self.leads()
        for (_, answer), refusal in zip(batch, refusals, strict=True):
            if not leads:
                refuse(answer, _not_leader())
            elif refusal is not None:
                refuse(answer, refusal)
            elif not answer.done():
                answer.set_result(self.state)

    async def _save_snapshot(self) -> None:
        """A failure costs the next start some time and nothing else."""
        try:
            await self._config.journal.save_snapshot(Snapshot(self._journal_head, encode_state(self.state)))
            self._snapshot_position = self._journal_head.position
        except (JournalUnavailable, PositionConflict) as error:
            log.warning("snapshot_not_saved", error=str(error))


def _not_leader() -> Refused:
    return Refused(Reason.NOT_LEADER, "This daemon can't prove that it leads: ask again, or ask another.")


def _stopping() -> Refused:
    return Refused(Reason.STOPPING, "This daemon is stopping: try again shortly, or another one.")
