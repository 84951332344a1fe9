"""One daemon of several over one etcd (R32): it follows, is elected, leads, hands over, and follows again.

- A follower looks five times a second whether somebody leads, and campaigns when nobody does.
- Who is elected stops following before it serves, on the same ports; who is deposed serves nothing before it follows.
- A planned handover (SIGTERM, `licd leader transfer`): take no more commands, give the lead up, wait for a successor,
  then send the nodes there. Their leases go on meanwhile.
- After a transfer it stands back for a while, so that another is elected; if none is, it leads again.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.refusal import Refused
from licd_daemon.journal.etcd.backend import EtcdJournal
from licd_daemon.journal.etcd.store import Store
from licd_daemon.journal.port import Journal, JournalUnavailable, PositionConflict
from licd_daemon.leadership import followers
from licd_daemon.leadership.etcd import EtcdLeadership, Leader
from licd_daemon.leadership.port import AlreadyLed, Leadership, LeadershipUnavailable
from licd_kit.clock import boottime_ms

log = structlog.get_logger(__name__)

LOOK_S = 0.2
SUCCESSOR_WITHIN_S = 3.0
LOOK_FOR_SUCCESSOR_S = 0.03
STAND_BACK_MS = 3_000
WATCH_S = 0.1


class Following(Protocol):
    """What serves while this daemon follows. `leader`: who leads, as far as is known."""

    leader: Leader | None

    async def stop(self) -> None:
        """Give the ports free."""


class Leading(Protocol):
    """What serves while this daemon leads."""

    def withdraw(self) -> None:
        """Not ready from here on."""

    async def drain(self, successor: Leader | None) -> None:
        """Send nodes on to `successor`, None if none is known, and give the gRPC ports free."""

    async def stop(self) -> None:
        """Give the other ports free."""


class Term:
    """One term of leadership."""

    def __init__(
        self,
        leadership: EtcdLeadership,
        journal: Journal,
        coordinator: Coordinator,
        anyone: Callable[[], Awaitable[bool]],
    ) -> None:
        """`anyone`: whether a follower is ready."""
        self.leadership = leadership
        self.journal = journal
        self.coordinator = coordinator
        self.handing_over = asyncio.Event()
        self.anyone = anyone
        self._ended = False
        self._successor: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def transfer(self) -> str | None:
        """Give the lead up on purpose, unless nobody is ready (None); the successor's address, "" if not known."""
        if not await self.anyone():
            return None
        self.handing_over.set()
        return await asyncio.shield(self._successor)

    async def end(self) -> None:
        """Take no more commands, keep a snapshot, and give the lead up. Idempotent."""
        if not self._ended:
            self._ended = True
            await self.coordinator.stop()
            await self.leadership.release()

    def succeeded_by(self, address: str) -> None:
        """The term has ended."""
        if not self._successor.done():
            self._successor.set_result(address)


@dataclass(frozen=True)
class CandidateConfig:
    """Everything that a candidate depends on.

    `address`, `mtls`, `console`: where clients, those with a certificate, and browsers reach this daemon.
    `make_coordinator`: for one term. `follow`, `lead`: serve in that role from now on.
    """

    store: Store
    prefix: str
    lease_ttl_ms: int
    address: str
    mtls: str
    console: str
    make_coordinator: Callable[[Journal, Leadership], Coordinator]
    follow: Callable[[], Awaitable[Following]]
    lead: Callable[[Term], Awaitable[Leading]]


class Candidate:
    """See the module."""

    def __init__(self, config: CandidateConfig) -> None:
        self._config = config
        self._stands_back_until = 0
        self._trouble = ""

    async def run(self, stop: asyncio.Event) -> int:
        """Follow and lead in turn until it is asked to stop (0), or its coordinator fails on its own (1).

        Raises:
            JournalError: the journal can't be used, regardless of who leads.
        """
        while True:
            term = await self._follow(stop)
            if term is None:
                return 0
            failed = await self._lead(term, stop)
            if failed or stop.is_set():
                return 1 if failed else 0

    async def _follow(self, stop: asyncio.Event) -> Term | None:
        """Follow until it is elected; None: it is asked to stop."""
        following = await self._config.follow()
        standing = followers.Standing(self._config.store, self._config.prefix, self._config.lease_ttl_ms)
        try:
            while not stop.is_set():
                await standing.keep()
                term = await self._look(following)
                if term is not None:
                    return term
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), LOOK_S)
            return None
        finally:
            await asyncio.gather(following.stop(), standing.withdraw())

    async def _look(self, following: Following) -> Term | None:
        config = self._config
        leadership = EtcdLeadership(
            config.store, config.prefix, config.lease_ttl_ms, config.address, mtls=config.mtls, console=config.console
        )
        try:
            following.leader = await leadership.leader()
            if following.leader is not None:
                self._stands_back_until, self._trouble = 0, ""
                return None
            if boottime_ms() < self._stands_back_until:
                return None
            return await self._campaign(leadership)
        except AlreadyLed:
            return None
        except (LeadershipUnavailable, JournalUnavailable, PositionConflict) as error:
            following.leader = None
            self._log_once(str(error))
            return None

    async def _campaign(self, leadership: EtcdLeadership) -> Term:
        journal = EtcdJournal(self._config.store, self._config.prefix, leadership.term)
        coordinator = self._config.make_coordinator(journal, leadership)
        try:
            await coordinator.start()
        except BaseException:
            await leadership.release()
            raise
        self._trouble = ""
        log.info("elected", epoch=coordinator.state.epoch)
        store, prefix = self._config.store, self._config.prefix
        return Term(leadership, journal, coordinator, lambda: followers.anyone(store, prefix))

    def _log_once(self, trouble: str) -> None:
        """Once for as long as it lasts: it looks five times a second."""
        if trouble != self._trouble:
            self._trouble = trouble
            log.error("not_elected", error=trouble)

    async def _lead(self, term: Term, stop: asyncio.Event) -> bool:
        """Lead until the term has ended; True: the coordinator failed, and not because another leads."""
        try:
            leading = await self._config.lead(term)
            try:
                await self._until_over(term, stop)
                leading.withdraw()
                successor = await self._successor(term)
                await leading.drain(successor)
            finally:
                await leading.stop()
        except (Refused, JournalUnavailable) as error:  # etcd was lost right after the election
            log.warning("term_over_before_it_served", cause=str(error))
        finally:
            await term.end()
            term.succeeded_by("")
        return _failed_by_itself(term.coordinator)

    async def _until_over(self, term: Term, stop: asyncio.Event) -> None:
        ends = (stop, term.handing_over, term.leadership.over)
        waiting = [asyncio.create_task(end.wait()) for end in ends]
        while not any(end.is_set() for end in ends) and term.coordinator.failed is None:
            await asyncio.wait(waiting, timeout=WATCH_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        if term.handing_over.is_set():
            self._stands_back_until = boottime_ms() + STAND_BACK_MS

    async def _successor(self, term: Term) -> Leader | None:
        """End the term; who leads after it, None if nobody does in time, or etcd does not say so in time."""
        deposed = term.leadership.over.is_set() or term.coordinator.failed is not None
        log.info("deposed" if deposed else "handing_over")
        awaited, successor = False, None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUCCESSOR_WITHIN_S):
                awaited = not deposed and await term.anyone()
        await term.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SUCCESSOR_WITHIN_S):
                while (successor := await _leader(term)) is None and awaited:  # noqa: ASYNC110 (it is in etcd)
                    await asyncio.sleep(LOOK_FOR_SUCCESSOR_S)
        term.succeeded_by(successor.address if successor else "")
        return successor


async def _leader(term: Term) -> Leader | None:
    try:
        return await term.leadership.leader()
    except LeadershipUnavailable:
        return None


def _failed_by_itself(coordinator: Coordinator) -> bool:
    failed = coordinator.failed
    return failed is not None and not isinstance(failed, PositionConflict | asyncio.CancelledError)
