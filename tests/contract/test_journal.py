"""What every journal MUST do (`licd_daemon.journal.port`), run over every backend."""

import secrets
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import get_args

import pytest
import pytest_asyncio

from licd_daemon.core.events import AnyEvent, CodeRejected, SessionLost, TimeMarked
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_daemon.journal.opening import opened
from licd_daemon.journal.port import Head, Journal, PositionConflict, Query, Record, Snapshot
from licd_daemon.journal.target import JournalTarget, MemoryTarget, SqliteTarget, parse

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=get_args(JournalTarget))
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    """An empty journal of each kind that `--journal` can name; a new kind has no journal here until it is given one."""
    etcd = request.getfixturevalue("etcd") if request.param is EtcdTarget else None
    urls = {SqliteTarget: "", MemoryTarget: "memory:", EtcdTarget: etcd.url(secrets.token_hex(4)) if etcd else ""}
    target = parse(urls[request.param], tmp_path)
    assert isinstance(target, request.param)
    async with opened(target) as backend:
        yield backend


async def append(journal: Journal, head: Head, events: Sequence[AnyEvent], wall: int = 1000) -> Head:
    records, after = chain.extend(head, events, Now(wall, 0, 0))
    await journal.append(records, head)
    return after


async def everything(journal: Journal) -> Sequence[Record]:
    _, records = await journal.load(replay=True)
    return records


async def test_an_empty_journal_ends_at_genesis(journal: Journal) -> None:
    assert await journal.load() == (None, ())
    assert await journal.verify() == Head()


async def test_what_was_appended_is_loaded_in_order(journal: Journal) -> None:
    head = await append(journal, Head(), [SessionLost("a"), SessionLost("b")])
    head = await append(journal, head, [SessionLost("c")])
    _, records = await journal.load()
    assert [record.position for record in records] == [1, 2, 3]
    assert [chain.decode(record).event for record in records] == [SessionLost("a"), SessionLost("b"), SessionLost("c")]
    assert await journal.verify() == head == Head(3, records[-1].digest)


async def test_each_entry_carries_the_digest_of_the_one_before(journal: Journal) -> None:
    await append(journal, Head(), [SessionLost(str(number)) for number in range(5)])
    head = Head()
    for record in await everything(journal):
        head = chain.check(head, record)
    assert head.position == 5


async def test_an_append_of_nothing_is_no_entry_but_still_checks_the_position(journal: Journal) -> None:
    await journal.append((), Head())
    assert await journal.verify() == Head()
    with pytest.raises(PositionConflict):
        await journal.append((), Head(1, bytes(32)))


@pytest.mark.parametrize(
    "expected",
    [Head(), Head(1, bytes(32)), Head(3, b"\1" * 32)],
    ids=["journal has moved on", "other digest", "journal is behind"],
)
async def test_a_conflict_writes_nothing(journal: Journal, expected: Head) -> None:
    head = await append(journal, Head(), [TimeMarked()])
    records, _ = chain.extend(expected, [CodeRejected(), CodeRejected()], Now(0, 0, 0))
    with pytest.raises(PositionConflict):
        await journal.append(records, expected)
    assert await journal.verify() == head
    assert len(await everything(journal)) == 1


async def test_a_snapshot_spares_the_entries_before_it_and_removes_none(journal: Journal) -> None:
    head = await append(journal, Head(), [TimeMarked(), TimeMarked()])
    await journal.save_snapshot(Snapshot(head, b"state at 2"))
    end = await append(journal, head, [CodeRejected()])
    snapshot, tail = await journal.load()
    assert snapshot == Snapshot(head, b"state at 2")
    assert [record.position for record in tail] == [3]
    assert len(await everything(journal)) == 3
    assert await journal.verify() == end


async def test_the_newest_of_many_snapshots_counts(journal: Journal) -> None:
    head = Head()
    for number in range(5):
        head = await append(journal, head, [TimeMarked()])
        await journal.save_snapshot(Snapshot(head, str(number).encode()))
    assert await journal.load() == (Snapshot(head, b"4"), ())


async def test_a_snapshot_of_another_history_is_refused(journal: Journal) -> None:
    head = await append(journal, Head(), [TimeMarked()])
    for foreign in (Head(1, bytes(32)), Head(2, head.digest)):
        with pytest.raises(PositionConflict):
            await journal.save_snapshot(Snapshot(foreign, b"state"))
    assert (await journal.load())[0] is None


async def test_replay_leaves_the_snapshot_out(journal: Journal) -> None:
    head = await append(journal, Head(), [TimeMarked()])
    await journal.save_snapshot(Snapshot(head, b"state"))
    snapshot, records = await journal.load(replay=True)
    assert snapshot is None
    assert len(records) == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (Query(), [1, 2, 3, 4, 5, 6]),
        (Query(limit=2), [1, 2]),
        (Query(newest_first=True, limit=2), [6, 5]),
        (Query(kinds=("code_rejected",)), [2, 4, 6]),
        (Query(kinds=("code_rejected", "time_marked"), newest_first=True), [6, 5, 4, 3, 2, 1]),
        (Query(kinds=("no_such_kind",)), []),
        (Query(after=2), [3, 4, 5, 6]),
        (Query(before=3), [1, 2]),
        (Query(after=1, before=4), [2, 3]),
        (Query(since=3000), [3, 4, 5, 6]),
        (Query(until=3000), [1, 2]),
        (Query(since=2000, until=4000, newest_first=True), [3, 2]),
        (Query(kinds=("code_rejected",), since=3000, before=6, limit=1), [4]),
        (Query(limit=0), []),
    ],
)
async def test_a_query_finds(journal: Journal, query: Query, found: list[int]) -> None:
    head = Head()
    for number in range(1, 7):
        event = TimeMarked() if number % 2 else CodeRejected()
        head = await append(journal, head, [event], wall=number * 1000)
    assert [record.position for record in await journal.read(query)] == found


async def test_close_may_be_repeated(journal: Journal) -> None:
    await journal.close()
    await journal.close()


async def test_a_batch_of_any_size_is_one_append(journal: Journal) -> None:
    events = [SessionLost(f"{number:032x}") for number in range(200)]
    head = await append(journal, Head(), events)
    assert head.position == 200
    _, records = await journal.load()
    assert [chain.decode(record).event for record in records] == events
