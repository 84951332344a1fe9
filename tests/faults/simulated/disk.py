"""The daemon's disk: the real memory journal as what survives, behind a device that is slow, full, or of two minds.

A device that hangs hangs the append and the proof of leadership alike.
"""

import asyncio
import random
from collections.abc import Callable, Sequence

from licd_daemon.journal.memory import MemoryJournal
from licd_daemon.journal.port import Head, JournalUnavailable, Query, Record, Snapshot, UnknownOutcome


class Disk:
    """What survives the daemon. `latency`: seconds of each append; `full`: appends fail; `two_minds`: the next
    append's outcome is not known.
    """

    def __init__(self, chance: random.Random) -> None:
        self.journal = MemoryJournal()
        self.chance = chance
        self.latency = 0.0
        self.full = False
        self.two_minds = False
        self.epoch = 0
        self.appended: Callable[[Sequence[Record]], None] = lambda records: None

    async def write(self, records: Sequence[Record], expected: Head) -> None:
        """The entries are durable from here on."""
        await self.journal.append(records, expected)
        self.appended(records)


class SimulatedJournal:
    """The port `Journal` of one daemon process on a disk; after `die` nothing of it reaches the disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._dead = False
        self._under_way: tuple[Sequence[Record], Head] | None = None

    async def die(self) -> None:
        """The process is killed: an append under way is on the disk, or is not."""
        self._dead = True
        if self._under_way is not None and self._disk.chance.random() < 0.5:
            await self._disk.write(*self._under_way)

    async def load(self, replay: bool = False) -> tuple[Snapshot | None, Sequence[Record]]:
        """See `port.Journal.load`."""
        return await self._disk.journal.load(replay)

    async def append(self, records: Sequence[Record], expected: Head) -> None:
        """See `port.Journal.append`."""
        self._refuse_dead()
        if self._disk.full:
            raise JournalUnavailable("the disk is full")
        if self._disk.two_minds:
            self._disk.two_minds = False
            if self._disk.chance.random() < 0.5:
                await self._disk.write(records, expected)
            raise UnknownOutcome("the sync failed")
        self._under_way = records, expected
        if self._disk.latency:
            await asyncio.sleep(self._disk.latency * self._disk.chance.random())
        self._refuse_dead()
        self._under_way = None
        await self._disk.write(records, expected)

    async def save_snapshot(self, snapshot: Snapshot) -> None:
        """See `port.Journal.save_snapshot`."""
        self._refuse_dead()
        await self._disk.journal.save_snapshot(snapshot)

    async def read(self, query: Query) -> Sequence[Record]:
        """See `port.Journal.read`."""
        return await self._disk.journal.read(query)

    async def verify(self) -> Head:
        """See `port.Journal.verify`."""
        return await self._disk.journal.verify()

    def misplaced(self) -> str:
        """See `port.Journal.misplaced`."""
        return ""

    async def close(self) -> None:
        """See `port.Journal.close`."""

    def _refuse_dead(self) -> None:
        if self._dead:
            raise JournalUnavailable("this process is dead")


class SimulatedLeadership:
    """The port `Leadership` as `sole` keeps it: a proof each half interval, on the loop of its process."""

    def __init__(self, disk: Disk, interval_ms: int, boottime_ms: Callable[[], int]) -> None:
        self._disk = disk
        self._interval_ms = interval_ms
        self._boottime_ms = boottime_ms
        self._proven_at: int | None = None
        self._prover: asyncio.Task[None] | None = None

    async def acquire(self, at_least: int) -> int:
        """See `port.Leadership.acquire`."""
        self._disk.epoch = max(self._disk.epoch + 1, at_least)
        self._proven_at = self._boottime_ms()
        self._prover = asyncio.create_task(self._prove())
        return self._disk.epoch

    async def _prove(self) -> None:
        while True:
            await asyncio.sleep(self._interval_ms / 2000)
            started = self._boottime_ms()
            if self._disk.latency:
                await asyncio.sleep(self._disk.latency * self._disk.chance.random())
            self._proven_at = started

    def valid(self) -> bool:
        """See `port.Leadership.valid`."""
        return self._proven_at is not None and self._boottime_ms() < self._proven_at + self._interval_ms

    @property
    def proof_interval_ms(self) -> int:
        """See `port.Leadership.proof_interval_ms`."""
        return self._interval_ms

    def proof_age_ms(self) -> int | None:
        """See `port.Leadership.proof_age_ms`."""
        return None if self._proven_at is None else self._boottime_ms() - self._proven_at

    @property
    def sync_ms(self) -> int:
        """See `port.Leadership.sync_ms`."""
        return 0

    def trouble(self) -> str:
        """See `port.Leadership.trouble`."""
        return ""

    @property
    def handover_ms(self) -> int:
        """See `port.Leadership.handover_ms`."""
        return self._interval_ms

    async def release(self) -> None:
        """See `port.Leadership.release`."""
        if self._prover is not None:
            self._prover.cancel()
