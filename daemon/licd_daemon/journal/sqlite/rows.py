"""The journal's rows: SQL to values and back. Every function takes the connection; none begins a transaction."""

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from licd_daemon.journal.port import GENESIS, Head, JournalCorrupt, Query, Record, Snapshot

SNAPSHOTS_KEPT = 2
_BATCH = 1000
# Many rows in one statement: each step of a statement gives the interpreter's lock up, and waits to have it back.
_INSERTED = 64
_INSERT = "INSERT INTO entries (position, at, kind, body, digest) VALUES "
_RECORD = "SELECT position, at, kind, body, digest FROM entries"


def head(connection: sqlite3.Connection) -> Head:
    """The journal's end, as the last append noted it.

    Raises:
        JournalCorrupt: its note is gone or damaged.
    """
    row = connection.execute("SELECT position, digest FROM head").fetchone() or ()
    _check_types(row, (int, bytes), "the note of the journal's end")
    return Head(*row)


def append(connection: sqlite3.Connection, records: Sequence[Record], expected: Head) -> bool:
    """Append records and note the journal's new end; False: it does not end with `expected`, nothing was done."""
    last = records[-1] if records else expected
    moved = connection.execute(
        "UPDATE head SET position = ?, digest = ? WHERE position = ? AND digest = ?",
        (last.position, last.digest, expected.position, expected.digest),
    )
    if not moved.rowcount:
        return False
    for first in range(0, len(records), _INSERTED):
        some = records[first : first + _INSERTED]
        values = [value for record in some for value in _values(record)]
        connection.execute(_INSERT + ", ".join(["(?, ?, ?, ?, ?)"] * len(some)), values)
    return True


def settle(connection: sqlite3.Connection) -> None:
    """Write a page that differs, over whatever a failed COMMIT left behind."""
    connection.execute("UPDATE head SET settled = settled + 1")


def records_after(connection: sqlite3.Connection, position: int) -> Iterator[Record]:
    """All records after a position, in batches, so that no read transaction holds up the write-ahead log."""
    while batch := connection.execute(
        f"{_RECORD} WHERE position > ? ORDER BY position LIMIT ?", (position, _BATCH)
    ).fetchall():
        yield from map(_record, batch)
        position = batch[-1][0]


def last_position(connection: sqlite3.Connection) -> tuple[int, int]:
    """The position of the last entry and the one noted as the journal's end, at one instant."""
    row = connection.execute("SELECT coalesce(max(position), 0), (SELECT position FROM head) FROM entries").fetchone()
    return row[0], row[1]


def fault(connection: sqlite3.Connection) -> str | None:
    """What SQLite finds wrong in tables and indexes; None: nothing."""
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if found == "ok" else str(found)


def select(connection: sqlite3.Connection, query: Query) -> Sequence[Record]:
    """The records that a query wants."""
    conditions: list[tuple[str, tuple[object, ...]]] = [("position > ?", (query.after,))]
    if query.kinds:
        conditions.append((f"kind IN ({', '.join('?' * len(query.kinds))})", query.kinds))
    if query.before is not None:
        conditions.append(("position < ?", (query.before,)))
    if query.since is not None:
        conditions.append(("at >= ?", (query.since,)))
    if query.until is not None:
        conditions.append(("at < ?", (query.until,)))
    where = " AND ".join(condition for condition, _ in conditions)
    order = "DESC" if query.newest_first else "ASC"
    values = chain.from_iterable(value for _, value in conditions)
    rows = connection.execute(f"{_RECORD} WHERE {where} ORDER BY position {order} LIMIT ?", (*values, query.limit))
    return tuple(map(_record, rows))


def digest_at(connection: sqlite3.Connection, position: int) -> bytes | None:
    """The digest of the entry at a position; None: there is none."""
    if position == 0:
        return GENESIS
    row = connection.execute("SELECT digest FROM entries WHERE position = ?", (position,)).fetchone()
    return row[0] if row and isinstance(row[0], bytes) else None


def put_snapshot(connection: sqlite3.Connection, snapshot: Snapshot) -> None:
    """Keep a snapshot and the one before it."""
    row = (snapshot.head.position, snapshot.head.digest, snapshot.state, _seal(snapshot))
    connection.execute("INSERT OR REPLACE INTO snapshots (position, digest, state, seal) VALUES (?, ?, ?, ?)", row)
    connection.execute(
        "DELETE FROM snapshots WHERE position NOT IN (SELECT position FROM snapshots ORDER BY position DESC LIMIT ?)",
        (SNAPSHOTS_KEPT,),
    )


def snapshot_positions(connection: sqlite3.Connection) -> Sequence[int]:
    """After which entries there are snapshots, newest first."""
    return [position for (position,) in connection.execute("SELECT position FROM snapshots ORDER BY position DESC")]


def sound_snapshot(connection: sqlite3.Connection, position: int) -> Snapshot | None:
    """The snapshot after an entry; None: it does not match its own seal or that entry."""
    row = connection.execute("SELECT digest, state, seal FROM snapshots WHERE position = ?", (position,)).fetchone()
    if row is None or tuple(map(type, row)) != (bytes, bytes, bytes):
        return None
    digest, state, seal = row
    snapshot = Snapshot(Head(position, digest), state)
    return snapshot if seal == _seal(snapshot) and digest == digest_at(connection, position) else None


def _values(record: Record) -> tuple[int, int, str, bytes, bytes]:
    return record.position, record.at, record.kind, record.body, record.digest


def _record(row: tuple[Any, ...]) -> Record:
    _check_types(row, (int, int, str, bytes, bytes), f"entry {row[0]}")
    return Record(*row)


def _check_types(row: Sequence[object], types: Sequence[type], what: str) -> None:
    # A damaged page may give a value of another type, whatever the column was declared.
    if tuple(map(type, row)) != types:
        raise JournalCorrupt(f"{what} is damaged: restore the journal from a backup")


def _seal(snapshot: Snapshot) -> bytes:
    place = f"{snapshot.head.position}:".encode()
    return hashlib.sha256(place + snapshot.head.digest + snapshot.state).digest()
