"""journal.db: what survives, who may read it, and every kind of damage that is found."""

import contextlib
import random
import sqlite3
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest

from licd_daemon.core.events import SessionLost
from licd_daemon.core.model import Now
from licd_daemon.journal import chain
from licd_daemon.journal.port import Head, JournalCorrupt, JournalError, JournalUnavailable, Query, Record, Snapshot
from licd_daemon.journal.sqlite.backend import SqliteJournal

pytestmark = pytest.mark.asyncio


async def filled(path: Path, entries: int = 10, snapshots: Sequence[int] = ()) -> Head:
    """Writes a journal with entries, and snapshots after some of them, and closes it."""
    journal = await SqliteJournal.open(path)
    head = Head()
    for number in range(1, entries + 1):
        records, after = chain.extend(head, [SessionLost(f"session-{number}")], Now(number, number, number))
        await journal.append(records, head)
        head = after
        if number in snapshots:
            await journal.save_snapshot(Snapshot(head, f"state at {number}".encode()))
    await journal.close()
    return head


def edit(path: Path, *statements: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


async def loaded(path: Path, replay: bool = False) -> tuple[Snapshot | None, Sequence[Record]]:
    journal = await SqliteJournal.open(path)
    try:
        return await journal.load(replay)
    finally:
        await journal.close()


async def verified(path: Path) -> Head:
    journal = await SqliteJournal.open(path)
    try:
        return await journal.verify()
    finally:
        await journal.close()


async def test_entries_and_snapshot_are_there_after_a_restart(tmp_path: Path) -> None:
    head = await filled(tmp_path / "journal.db", 10, [7])
    snapshot, records = await loaded(tmp_path / "journal.db")
    assert snapshot is not None
    assert snapshot.state == b"state at 7"
    assert [record.position for record in records] == [8, 9, 10]
    assert records[-1].digest == head.digest
    assert await verified(tmp_path / "journal.db") == head


async def test_all_files_are_private_while_it_runs(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    records, _ = chain.extend(Head(), [SessionLost("a")], Now(0, 0, 0))
    await journal.append(records, Head())
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    await journal.close()
    assert modes == {"journal.db": 0o600, "journal.db-wal": 0o600, "journal.db-shm": 0o600}
    assert [file.name for file in tmp_path.iterdir()] == ["journal.db"]


async def test_a_folder_with_odd_characters_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "a b?mode=memory#%41ü"
    folder.mkdir()
    head = await filled(folder / "journal.db")
    assert (folder / "journal.db").exists()
    assert await verified(folder / "journal.db") == head


async def test_a_newer_format_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    await filled(tmp_path / "journal.db")
    edit(tmp_path / "journal.db", "PRAGMA user_version = 2")
    before = (tmp_path / "journal.db").read_bytes()
    with pytest.raises(JournalError, match=r"newer licd \(format 2, this one knows 1\): run that version"):
        await SqliteJournal.open(tmp_path / "journal.db")
    assert (tmp_path / "journal.db").read_bytes() == before


async def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    edit(tmp_path / "journal.db", "CREATE TABLE notes (text TEXT)")
    with pytest.raises(JournalError, match="another program"):
        await SqliteJournal.open(tmp_path / "journal.db")


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is no database at all, whatever its name says" * 100)
    with pytest.raises(JournalCorrupt, match="restore it from a backup"):
        await SqliteJournal.open(tmp_path / "journal.db")


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="No such file or directory"):
        await SqliteJournal.open(tmp_path / "missing" / "journal.db")


async def test_a_closed_journal_says_so(tmp_path: Path) -> None:
    journal = await SqliteJournal.open(tmp_path / "journal.db")
    await journal.close()
    with pytest.raises(JournalUnavailable, match="closed"):
        await journal.read(Query())


DAMAGE = {
    "body changed": ("UPDATE entries SET body = CAST(replace(body, '-4', '-5') AS BLOB) WHERE position = 4", 4),
    "digest changed": ("UPDATE entries SET digest = zeroblob(32) WHERE position = 4", 4),
    "time changed": ("UPDATE entries SET at = 1 WHERE position = 4", 4),
    "kind changed": ("UPDATE entries SET kind = 'time_marked' WHERE position = 4", 4),
    "entry removed": ("DELETE FROM entries WHERE position = 4", 4),
    "first entry removed": ("DELETE FROM entries WHERE position = 1", 1),
    "tail cut off": ("DELETE FROM entries WHERE position > 8", 8),
    "all entries removed": ("DELETE FROM entries", 10),
    "entry behind the end": ("INSERT INTO entries SELECT 11, at, kind, body, digest FROM entries LIMIT 1", 11),
    "end not noted": ("DELETE FROM head", ""),
    "text in place of bytes": ("UPDATE entries SET body = CAST(body AS TEXT) WHERE position = 4", 4),
}  # fmt: skip


@pytest.mark.parametrize(("statement", "entry"), DAMAGE.values(), ids=DAMAGE.keys())
async def test_damage_is_found_by_load_and_by_verify(tmp_path: Path, statement: str, entry: object) -> None:
    await filled(tmp_path / "journal.db")
    edit(tmp_path / "journal.db", statement)
    for look in (loaded, verified):
        with pytest.raises(JournalCorrupt, match=f"{entry}.*from a backup"):
            await look(tmp_path / "journal.db")


async def test_damage_in_the_schema_is_named_though_sqlite_quotes_bytes_that_are_no_text(tmp_path: Path) -> None:
    await filled(tmp_path / "journal.db")
    content = (tmp_path / "journal.db").read_bytes()
    (tmp_path / "journal.db").write_bytes(content.replace(b"CREATE TABLE head", b"CR\xff\xfeE TABLE head", 1))
    with pytest.raises(JournalCorrupt, match="from a backup"):
        await loaded(tmp_path / "journal.db")


async def test_damage_before_the_snapshot_is_found_by_verify(tmp_path: Path) -> None:
    await filled(tmp_path / "journal.db", 10, [7])
    edit(tmp_path / "journal.db", "DELETE FROM entries WHERE position = 4")
    assert (await loaded(tmp_path / "journal.db"))[0] is not None
    with pytest.raises(JournalCorrupt, match="entry 4"):
        await verified(tmp_path / "journal.db")


UNSOUND = {
    "state": "UPDATE snapshots SET state = CAST('state at 9' AS BLOB) WHERE position = 7",
    "digest": "UPDATE snapshots SET digest = zeroblob(32) WHERE position = 7",
    "position": "UPDATE snapshots SET position = 8 WHERE position = 7",
    "seal": "UPDATE snapshots SET seal = zeroblob(32) WHERE position = 7",
    "type": "UPDATE snapshots SET state = 5 WHERE position = 7",
}


@pytest.mark.parametrize("statement", UNSOUND.values(), ids=UNSOUND.keys())
async def test_an_unsound_snapshot_is_passed_over_for_the_one_before(tmp_path: Path, statement: str) -> None:
    await filled(tmp_path / "journal.db", 10, [3, 7])
    edit(tmp_path / "journal.db", statement)
    snapshot, records = await loaded(tmp_path / "journal.db")
    assert snapshot is not None
    assert snapshot.state == b"state at 3"
    assert len(records) == 7
    with pytest.raises(JournalCorrupt, match="snapshot"):
        await verified(tmp_path / "journal.db")


async def test_a_snapshot_of_another_journal_is_passed_over(tmp_path: Path) -> None:
    await filled(tmp_path / "journal.db")
    other = await SqliteJournal.open(tmp_path / "other.db")
    records, head = chain.extend(Head(), [SessionLost("of another cluster")], Now(1, 1, 1))
    await other.append(records, Head())
    await other.save_snapshot(Snapshot(head, b"another cluster's state"))
    await other.close()
    edit(
        tmp_path / "journal.db",
        f"ATTACH '{tmp_path / 'other.db'}' AS other",
        "INSERT INTO snapshots SELECT * FROM other.snapshots",
    )
    snapshot, records = await loaded(tmp_path / "journal.db")
    assert snapshot is None
    assert len(records) == 10
    with pytest.raises(JournalCorrupt, match="snapshot after entry 1"):
        await verified(tmp_path / "journal.db")


async def test_without_a_sound_snapshot_everything_is_replayed(tmp_path: Path) -> None:
    await filled(tmp_path / "journal.db", 10, [3, 7])
    edit(tmp_path / "journal.db", "UPDATE snapshots SET seal = zeroblob(32)")
    snapshot, records = await loaded(tmp_path / "journal.db")
    assert snapshot is None
    assert len(records) == 10


async def test_any_damaged_byte_of_the_file_is_found_or_harmless(tmp_path: Path) -> None:
    head = await filled(tmp_path / "journal.db", 40, [20, 30])
    sound = (tmp_path / "journal.db").read_bytes()
    _, records = await loaded(tmp_path / "journal.db", replay=True)
    damaged = tmp_path / "damaged.db"
    found = 0
    chosen = random.Random(1)
    for at in chosen.sample(range(len(sound)), 500):
        damaged.write_bytes(sound[:at] + bytes([sound[at] ^ (1 << chosen.randrange(8))]) + sound[at + 1 :])
        try:
            assert await verified(damaged) == head, f"byte {at}"
            assert (await loaded(damaged, replay=True))[1] == records, f"byte {at}"
        except JournalError:
            found += 1
    assert found > 100
