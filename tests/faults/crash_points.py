"""The journal killed at its write and fsync boundaries: a start finds what was acknowledged, or one append more.

A crash is a copy of the files as a disk would have them: SQLite's write-ahead log cut at any byte within what the last
append wrote (before, in the middle of a frame, after its commit), or cut and followed by garbage. A disk keeps all that
was synced before the cut, and of the rest any part. Damage of what was acknowledged is another matter: it is told, with
the entry and what to do, and never skipped. `python -m faults.crash_points FIRST COUNT` plays the seeds from FIRST on.
"""

import asyncio
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from licd_daemon.core import commands as c
from licd_daemon.core.decide import decide
from licd_daemon.core.events import AnyEvent
from licd_daemon.core.evolve import fold
from licd_daemon.core.model import Application, EndReason, Now, Policy, State
from licd_daemon.journal import chain
from licd_daemon.journal.codec import decode_state, encode_state
from licd_daemon.journal.port import Head, JournalError, Record, Snapshot
from licd_daemon.journal.sqlite.backend import SqliteJournal

APPLICATION = Application("report-server", "10.0.19", "2024-05-31", "sales")
START_MS = 1_700_000_000_000


class Story:
    """Random commands through the real core; each append with the state after it."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.state, self.head = State(), Head()
        self.now = Now(START_MS, 0, 0)
        self._names: list[str] = []

    def next(self) -> tuple[Sequence[Record], Head, State]:
        """The next append: its records, the head that it follows, the state after it."""
        while True:
            step = self._chance.randrange(1, 20_000)
            self.now = Now(self.now.wall + step, self.now.run + step, self.now.served + step)
            events: list[AnyEvent] = []
            state = self.state
            for _ in range(self._chance.choice((1, 1, 2, 8, 40))):
                decision = decide(state, self._command(state), self.now, Policy(60_000))
                state, events = decision.state, [*events, *decision.events]
            if events:
                records, after = chain.extend(self.head, events, self.now)
                expected, self.head, self.state = self.head, after, state
                return records, expected, state

    def _command(self, state: State) -> c.Command:
        kind = self._chance.choice(("join", "join", "leave", "lost", "evict", "start", "tick"))
        if kind == "join" or not self._names:
            name = f"{self._chance.getrandbits(64):016x}"
            self._names.append(name)
            return c.Join(name, f"node-{name[:4]}", name, name * 4, APPLICATION)
        name = self._chance.choice(self._names)
        if kind == "leave":
            return c.Leave(name, name * 4)
        if kind == "lost":
            return c.LeaseOver(name)
        if kind == "evict":
            return c.EndSession(name, EndReason.EVICTED)
        return c.StartEpoch(state.epoch + 1, 15_000) if kind == "start" else c.Tick()


async def crash(seed: int) -> str:
    """A journal of random appends, and a crash within the last; gives what is wrong with what a start finds."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        before, states, heads = await _written(path, Story(chance), chance)
        crashed = Path(name) / "crashed"
        crashed.mkdir()
        point = _cut(path, crashed, before, chance)
        return await _wrong(crashed / "journal.db", states, heads, point)


async def _written(path: Path, story: Story, chance: random.Random) -> tuple[int, list[State], list[Head]]:
    """Appends; gives where the write-ahead log ended before the last, and state and head before and after it."""
    journal = await SqliteJournal.open(path)
    wal, states, heads, before = path.with_name("journal.db-wal"), [State()], [Head()], 0
    appends = chance.randint(1, 25)
    for number in range(appends):
        records, expected, state = story.next()
        if number == appends - 1:
            before = wal.stat().st_size if wal.exists() else 0
            shutil.copy(path, path.with_name("before.db"))
        await journal.append(records, expected)
        states, heads = [states[-1], state], [heads[-1], story.head]
        if chance.random() < 0.2 and number < appends - 1:
            await journal.save_snapshot(Snapshot(story.head, encode_state(state)))
    # The files are taken while the journal is open: a clean end would empty the log.
    shutil.copy(path, path.with_name("after.db"))
    shutil.copy(wal, path.with_name("after.db-wal"))
    await journal.close()
    return before, states, heads


def _cut(path: Path, crashed: Path, before: int, chance: random.Random) -> str:
    """The files as a crash left them."""
    log = path.with_name("after.db-wal").read_bytes()
    kind = chance.choice(("nothing", "all", "cut", "cut", "cut", "garbage", "zeros"))
    at = {"nothing": before, "all": len(log)}.get(kind, chance.randint(before, len(log)))
    torn = log[:at]
    if kind == "garbage":
        torn += chance.randbytes(len(log) - at)
    if kind == "zeros":
        torn += bytes(len(log) - at)
    shutil.copy(path.with_name("after.db"), crashed / "journal.db")
    (crashed / "journal.db-wal").write_bytes(torn)
    return f"{kind} at {at} of {before}..{len(log)}"


async def _wrong(path: Path, states: Sequence[State], heads: Sequence[Head], point: str) -> str:
    try:
        journal = await SqliteJournal.open(path)
    except JournalError as error:
        return f"{point}: {error}"
    try:
        snapshot, records = await journal.load()
        state = decode_state(snapshot.state) if snapshot else State()
        entries = (chain.decode(record) for record in records)
        state = fold(state, ((entry.event, entry.now) for entry in entries))
        head = await journal.verify()
    except JournalError as error:
        return f"{point}: {error}"
    finally:
        await journal.close()
    found = [number for number, each in enumerate(heads) if each == head]
    if not found:
        return f"{point}: the journal ends at {head.position}, neither before nor after the append"
    if state != states[found[0]]:
        return f"{point}: the state is not the model's"
    if found[0] == 0 and point.startswith("all"):
        return f"{point}: an append that was synced is lost"
    return ""


async def damaged(seed: int) -> str:
    """One flipped bit in what was acknowledged; gives what was said, or why that is not enough."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        journal = await SqliteJournal.open(path)
        story = Story(chance)
        for _ in range(12):
            records, expected, _ = story.next()
            await journal.append(records, expected)
        await journal.close()
        content = bytearray(path.read_bytes())
        position = _somewhere_in_an_entry(content, records[0].body, chance)
        content[position] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            journal = await SqliteJournal.open(path)
        except JournalError as error:
            return str(error)
        try:
            await journal.load(replay=True)
        except JournalError as error:
            return str(error)
        finally:
            await journal.close()
    return "NOT NOTICED"


def _somewhere_in_an_entry(content: bytearray, body: bytes, chance: random.Random) -> int:
    at = content.find(body[:200])
    assert at >= 0, "the entry's bytes stand in the file as they are"
    return at + chance.randrange(min(200, len(body)))


async def _all(first: int, count: int) -> int:
    for seed in range(first, first + count):
        if wrong := await crash(seed):
            print(f"seed {seed}: {wrong}")
            return 1
    print(f"crash points: {count}, each recovered to the model's state")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_all(*map(int, sys.argv[1:]))))
