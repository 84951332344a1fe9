"""R32: what the journal in etcd does under faults that only etcd has; over a real server, with the fault added."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from support.etcd import EtcdCluster

from licd_daemon.core.events import AnyEvent, CodeRejected, SessionLost, TimeMarked
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.etcd.backend import EtcdJournal
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.keys import Keys
from licd_daemon.journal.etcd.snapshots import TIDY_EVERY
from licd_daemon.journal.etcd.store import (
    Committed,
    Condition,
    Delete,
    OutcomeUnknown,
    Put,
    Store,
    StoreUnavailable,
    Write,
)
from licd_daemon.journal.etcd.url import parse
from licd_daemon.journal.port import (
    Head,
    JournalCorrupt,
    JournalUnavailable,
    PositionConflict,
    Query,
    Snapshot,
    UnknownOutcome,
)
from licd_daemon.leadership.etcd import EtcdLeadership
from licd_daemon.leadership.port import LeadershipUnavailable

pytestmark = pytest.mark.asyncio
NOW = Now(1000, 0, 0)


class FaultyStore(EtcdClient):
    """The real client; its next commits fail as told: `lost` before etcd has them, `unheard` after, `late` if told."""

    def __init__(self, url: str) -> None:
        super().__init__(parse(url))
        self.faults: list[str] = []
        self.late: list[tuple[Sequence[Condition], Sequence[Write]]] = []

    async def commit(self, conditions: Sequence[Condition], writes: Sequence[Write]) -> Committed:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "down":
            raise StoreUnavailable("etcd can't be reached")
        if fault == "late":
            self.late.append((conditions, writes))
        elif fault != "lost":
            committed = await super().commit(conditions, writes)
            if not fault:
                return committed
        raise OutcomeUnknown("etcd's answer is not known")

    async def arrive(self) -> Committed:
        """What was late is carried out now."""
        return await super().commit(*self.late.pop(0))


@pytest.fixture
def prefix() -> str:
    return secrets.token_hex(4)


@pytest_asyncio.fixture
async def store(etcd: EtcdCluster, prefix: str) -> AsyncIterator[FaultyStore]:
    made = FaultyStore(etcd.url(prefix))
    yield made
    await made.close()


@pytest.fixture
def journal(store: FaultyStore, prefix: str) -> EtcdJournal:
    return EtcdJournal(store, prefix)


async def append(journal: EtcdJournal, head: Head, *events: AnyEvent) -> Head:
    records, after = chain.extend(head, events, NOW)
    await journal.append(records, head)
    return after


@pytest.mark.parametrize("fault", ["lost", "unheard"])
async def test_an_unknown_outcome_is_read_back_before_anything_else(
    journal: EtcdJournal, store: FaultyStore, fault: str
) -> None:
    head = await append(journal, Head(), TimeMarked())
    store.faults = [fault]
    with pytest.raises(UnknownOutcome):
        await append(journal, head, SessionLost("a"))
    with pytest.raises(UnknownOutcome):
        await append(journal, head, SessionLost("b"))
    _, records = await journal.load()
    assert len(records) == (2 if fault == "unheard" else 1)
    end = await append(journal, Head(records[-1].position, records[-1].digest), SessionLost("c"))
    assert await journal.verify() == end


async def test_an_append_that_arrives_after_it_was_given_up_is_nothing(
    journal: EtcdJournal, store: FaultyStore
) -> None:
    head = await append(journal, Head(), TimeMarked())
    store.faults = ["late"]
    with pytest.raises(UnknownOutcome):
        await append(journal, head, SessionLost("late"))
    await journal.load()
    assert not (await store.arrive()).done
    end = await append(journal, head, SessionLost("after"))
    assert await journal.verify() == end


async def test_an_append_that_was_cancelled_is_read_back_before_anything_else(
    journal: EtcdJournal, store: FaultyStore
) -> None:
    head = await append(journal, Head(), TimeMarked())
    appending = asyncio.create_task(append(journal, head, SessionLost("a")))
    await asyncio.sleep(0)  # it has begun, and no answer has come
    appending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await appending
    with pytest.raises(UnknownOutcome):
        await append(journal, head, SessionLost("b"))
    _, records = await journal.load()
    end = await append(journal, Head(records[-1].position, records[-1].digest), SessionLost("c"))
    assert await journal.verify() == end


async def test_while_etcd_is_away_nothing_is_settled_and_nothing_is_appended(
    journal: EtcdJournal, store: FaultyStore
) -> None:
    store.faults = ["unheard", "down"]
    with pytest.raises(UnknownOutcome):
        await append(journal, Head(), TimeMarked())
    with pytest.raises(JournalUnavailable):
        await journal.load()
    with pytest.raises(UnknownOutcome):
        await append(journal, Head(), TimeMarked())
    _, records = await journal.load()
    assert len(records) == 1


def many() -> list[AnyEvent]:
    """More than one segment, and more than etcd takes at once."""
    return [SessionLost(secrets.token_hex(5_000)) for _ in range(250)]


async def test_an_append_larger_than_etcd_takes_is_still_one_step(journal: EtcdJournal, store: FaultyStore) -> None:
    head = await append(journal, Head(), TimeMarked())
    end = await append(journal, head, *many())
    assert (await journal.verify()) == end == Head(251, end.digest)
    assert [record.position for record in await journal.read(Query(newest_first=True, limit=2))] == [251, 250]


@pytest.mark.parametrize("fault", ["down", "lost", "unheard"])
@pytest.mark.parametrize("part", [1, 2])
async def test_a_large_append_that_breaks_off_leaves_all_or_nothing(
    journal: EtcdJournal, store: FaultyStore, fault: str, part: int
) -> None:
    head = await append(journal, Head(), TimeMarked())
    store.faults = [""] * part + [fault]
    with pytest.raises(UnknownOutcome):
        await append(journal, head, *many())
    done = 251 if (fault, part) == ("unheard", 2) else 1
    assert len(await journal.read(Query(limit=1000))) == done
    _, records = await journal.load()
    head = Head(records[-1].position, records[-1].digest)
    end = await append(journal, head, *[SessionLost("small")] * 3)
    assert await journal.verify() == end == Head(done + 3, end.digest)


async def leading(store: Store, prefix: str) -> tuple[EtcdLeadership, EtcdJournal]:
    leadership = EtcdLeadership(store, prefix, 2000, "127.0.0.1:7443")
    await leadership.acquire(1)
    return leadership, EtcdJournal(store, prefix, leadership.term)


async def test_r32_a_deposed_leader_writes_nothing(store: FaultyStore, prefix: str) -> None:
    leadership, journal = await leading(store, prefix)
    await journal.load()
    head = await append(journal, Head(), TimeMarked())
    await journal.save_snapshot(Snapshot(head, b"state"))
    await leadership.release()
    for second in (False, True):
        next_leadership, next_journal = await leading(store, prefix)
        with pytest.raises(PositionConflict):
            await append(journal, head, SessionLost("stale"))
        with pytest.raises(PositionConflict):
            await journal.save_snapshot(Snapshot(head, b"stale"))
        snapshot, _ = await next_journal.load()
        assert snapshot == Snapshot(head, b"state")
        if second:
            await append(next_journal, head, SessionLost("fresh"))
        await next_leadership.release()


async def test_r32_a_write_of_the_leader_before_that_arrives_late_is_nothing(store: FaultyStore, prefix: str) -> None:
    leadership, journal = await leading(store, prefix)
    await journal.load()
    store.faults = ["late"]
    with pytest.raises(UnknownOutcome):
        await append(journal, Head(), SessionLost("late"))
    await leadership.release()
    next_leadership, next_journal = await leading(store, prefix)
    assert (await next_journal.load())[1] == ()
    assert not (await store.arrive()).done
    end = await append(next_journal, Head(), SessionLost("first"))
    assert await next_journal.verify() == end
    await next_leadership.release()


async def test_r32_a_new_leader_clears_what_the_one_before_left_half_written(store: FaultyStore, prefix: str) -> None:
    leadership, journal = await leading(store, prefix)
    await journal.load()
    store.faults = ["", "lost"]
    with pytest.raises(UnknownOutcome):
        await append(journal, Head(), *many())
    await leadership.release()
    next_leadership, next_journal = await leading(store, prefix)
    await next_journal.load()
    end = await append(next_journal, Head(), *[SessionLost("small")] * 300)
    assert await next_journal.verify() == end
    await next_leadership.release()


async def test_an_election_of_unknown_outcome_is_given_up(store: FaultyStore, prefix: str) -> None:
    for fault in ("late", "unheard"):
        store.faults = [fault]
        leadership = EtcdLeadership(store, prefix, 2000, "127.0.0.1:7443")
        with pytest.raises(LeadershipUnavailable):
            await leadership.acquire(1)
        assert not leadership.valid()
        assert await leadership.leader() is None
        for _ in store.late:
            with pytest.raises(StoreUnavailable, match="lease not found"):
                await store.arrive()


async def test_the_keyspace_stays_small_and_every_entry_is_kept(
    journal: EtcdJournal, store: FaultyStore, prefix: str
) -> None:
    keys, head = Keys(prefix), Head()
    for number in range(60):
        events = [CodeRejected() if number % 10 == 0 else SessionLost(str(number))] * (TIDY_EVERY // 50)
        head = await append(journal, head, *events)
        if number in (20, 40):
            await journal.save_snapshot(Snapshot(head, b"state"))
    assert len((await store.scan(keys.journal, keys.journal_end, limit=1000)).items) == 60
    await journal.save_snapshot(Snapshot(head, b"state"))
    kept = (await store.scan(keys.journal, keys.journal_end, limit=1000)).items
    assert len(kept) <= 3
    assert sum(len(item.value) for item in kept) < head.position * 20
    assert await journal.verify() == head
    assert await journal.load() == (Snapshot(head, b"state"), ())
    rejected = await journal.read(Query(kinds=("code_rejected",), newest_first=True, limit=10_000))
    assert len(rejected) == 6 * (TIDY_EVERY // 50)
    after = await journal.read(Query(after=4321, limit=3))
    assert [record.position for record in after] == [4322, 4323, 4324]
    end = await append(journal, head, TimeMarked())
    assert [record.position for record in await journal.read(Query(after=head.position))] == [end.position]
    with pytest.raises(StoreUnavailable, match="compacted"):
        await store.scan(keys.journal, keys.journal_end, limit=1, revision=5)


async def test_a_snapshot_of_many_parts(journal: EtcdJournal) -> None:
    head = await append(journal, Head(), TimeMarked())
    state = secrets.token_bytes(3_000_000)
    await journal.save_snapshot(Snapshot(head, state))
    assert (await journal.load())[0] == Snapshot(head, state)


async def test_a_damaged_snapshot_is_left_out_and_told_by_verify(
    journal: EtcdJournal, store: FaultyStore, prefix: str
) -> None:
    head = await append(journal, Head(), TimeMarked())
    await journal.save_snapshot(Snapshot(head, b"state"))
    await store.commit([], [Put(Keys(prefix).part(1, 0), b"nonsense")])
    snapshot, records = await journal.load()
    assert (snapshot, len(records)) == (None, 1)
    with pytest.raises(JournalCorrupt, match="snapshot after entry 1"):
        await journal.verify()


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
async def test_a_damaged_entry_is_named_and_never_skipped(
    journal: EtcdJournal, store: FaultyStore, prefix: str, damage: str
) -> None:
    head = await append(journal, Head(), TimeMarked())
    await append(journal, head, SessionLost("a"), SessionLost("b"))
    keys = Keys(prefix)
    sound = await store.get(keys.segment(2))
    assert sound is not None
    if damage == "gone":
        await store.commit([], [Delete(keys.segment(2))])
    else:
        value = sound.value[:-3] if damage == "cut" else sound.value[:20] + b"\0" + sound.value[21:]
        await store.commit([], [Put(keys.segment(2), value)])
    for act in (journal.load, journal.verify):
        with pytest.raises(JournalCorrupt, match="restore"):
            await act()
