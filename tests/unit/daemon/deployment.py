"""A real coordinator on a real journal and a real lock file, with faults to order and a clock to be told."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from support.waiting import until
from unit.core.world import APPLICATION, LEASE, MINUTE, license_of

from licd_daemon.coordinator.coordinator import Coordinator, CoordinatorConfig
from licd_daemon.coordinator.service_clock import ServiceClock
from licd_daemon.core import commands as c
from licd_daemon.core.model import Actor, Policy, Role, State
from licd_daemon.journal.port import Head, Journal, JournalUnavailable, Query, Record, Snapshot, UnknownOutcome
from licd_daemon.leadership.sole import SoleLeadership

ADMIN = Actor(Role.ADMIN, "token", "0" * 16, "admin.token", "127.0.0.1")


class FaultyJournal:
    """A real journal whose next appends do what a test orders: `fail`, `lost` or `written` (outcome unknown).

    `hold` is waited for before each append; `loads_fail` counts loads that are still to fail.
    """

    def __init__(self, real: Journal) -> None:
        self.real = real
        self.orders: list[str] = []
        self.loads_fail = 0
        self.appends: list[int] = []
        self.asked = 0
        self.hold: asyncio.Event | None = None
        self.before_return: Callable[[], object] = lambda: None

    async def load(self, replay: bool = False) -> tuple[Snapshot | None, Sequence[Record]]:
        if self.loads_fail:
            self.loads_fail -= 1
            raise JournalUnavailable("the disk does not answer")
        return await self.real.load(replay)

    async def append(self, records: Sequence[Record], expected: Head) -> None:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        order = self.orders.pop(0) if self.orders else ""
        if order == "fail":
            raise JournalUnavailable("the disk is full")
        if order == "lost":
            raise UnknownOutcome("the sync failed")
        await self.real.append(records, expected)
        if order == "written":
            raise UnknownOutcome("the sync failed")
        self.appends.append(len(records))
        self.before_return()

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        await self.real.save_snapshot(snapshot)

    async def read(self, query: Query) -> Sequence[Record]:
        return await self.real.read(query)

    async def verify(self) -> Head:
        return await self.real.verify()

    def misplaced(self) -> str:
        return self.real.misplaced()

    async def close(self) -> None:
        await self.real.close()


class ToldClock:
    """Boottime and wall time in ms, as a test tells them."""

    def __init__(self) -> None:
        self.boot = 1_000_000
        self.wall = 1_700_000_000_000

    def later(self, ms: int) -> None:
        self.boot += ms
        self.wall += ms


class Deployment:
    """One data directory: its journal outlives the coordinators on it."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self.folder = folder
        self.journal = FaultyJournal(journal)
        self.time = ToldClock()

    @asynccontextmanager
    async def started(self, *, told_time: bool = False, interval_ms: int = 60_000) -> AsyncIterator[Coordinator]:
        """A coordinator that takes commands; with `told_time` its clock stands still until the test moves it on."""
        leadership = SoleLeadership(self.folder / "lock", interval_ms)
        coordinator = Coordinator(CoordinatorConfig(self.journal, leadership, Policy(5 * MINUTE), LEASE))
        try:
            await coordinator.start()
            await asyncio.sleep(0)  # its tasks begin
            if told_time:
                state = coordinator.state
                coordinator.clock = ServiceClock(
                    state.effective, state.served, boot=lambda: self.time.boot, wall=lambda: self.time.wall
                )
            yield coordinator
        finally:
            await coordinator.stop()
            await leadership.release()

    async def lead_is_taken(self, coordinator: Coordinator) -> None:
        """The volume was moved: another daemon's line stands in the lock file."""
        (self.folder / "lock").write_bytes(b"licd lock 1 epoch 99 holder 0123456789abcdef\n".ljust(4096))
        await until(lambda: not coordinator.leads())


def join_of(name: str) -> c.Join:
    return c.Join(name, name, name, hashlib.sha256(name.encode()).hexdigest(), APPLICATION)


def resume_of(name: str) -> c.Resume:
    return c.Resume(name, hashlib.sha256(name.encode()).hexdigest(), 0)


def leave_of(name: str) -> c.Leave:
    return c.Leave(name, hashlib.sha256(name.encode()).hexdigest())


async def register(coordinator: Coordinator, *names: str, max_nodes: int = 2) -> State:
    """A registered cluster of nodes of these names."""
    license = license_of(max_nodes=max_nodes, issued_at=1_600_000_000, expires_at=4_000_000_000)
    await coordinator.submit(c.UploadLicense(license, "LOCAL_CONTAINER", "0" * 32))
    for name in names:
        await coordinator.submit(join_of(name))
    challenge_id = f"{coordinator.position:016x}"
    await coordinator.submit(c.CreateChallenge(challenge_id, license.license_id, "https://portal/Q/X"))
    await coordinator.submit(c.AttemptCode(challenge_id))
    return await coordinator.submit(c.SettleCode(challenge_id, True))
