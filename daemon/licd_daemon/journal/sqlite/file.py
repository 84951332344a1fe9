"""The file journal.db: its format, how it is opened, and what SQLite's errors mean.

Rules:

- The file is made with mode 0600 before SQLite opens it; SQLite gives `-wal` and `-shm` the mode of the file.
- WAL and synchronous=FULL: a COMMIT that returned survives a power cut.
- `user_version` is the format. A newer one is refused: this version would not know what it destroys.
- `head` is written with each append, so that entries cut off at the end are noticed.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from licd_daemon.journal.port import GENESIS, JournalCorrupt, JournalError, JournalUnavailable, UnknownOutcome

FORMAT = 1
ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What sqlite3 raises: its errors, and the second where the file's damage is in the error's own text."""
_BUSY_SECONDS = 2.0
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# The write of a page failed, and the page that commits comes last.
_NOT_WRITTEN = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR_WRITE})

_SCHEMA = (
    """CREATE TABLE entries (
        position INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL
    )""",
    "CREATE INDEX entries_by_kind ON entries (kind, position)",
    "CREATE INDEX entries_by_time ON entries (at)",
    """CREATE TABLE head (
        id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL, digest BLOB NOT NULL, settled INTEGER NOT NULL
    )""",
    """CREATE TABLE snapshots (
        position INTEGER PRIMARY KEY, digest BLOB NOT NULL, state BLOB NOT NULL, seal BLOB NOT NULL
    )""",
)


def named(error: sqlite3.Error | UnicodeDecodeError, path: Path, after: int | None = None) -> JournalError:
    """The journal's error for one of SQLite's; `after`: the last entry that was read well.

    JournalCorrupt if the file's structure is damaged or it is no SQLite file; else JournalUnavailable: a full disk, a
    device's error, a lock held by another program.
    """
    code = getattr(error, "sqlite_errorcode", None)
    # Text that is no UTF-8 is reported by Python, as the one OperationalError without a code.
    undecodable = code is None and isinstance(error, sqlite3.OperationalError | UnicodeDecodeError)
    if undecodable or (code is not None and code & 0xFF in _DAMAGE):
        place = "" if after is None else f" after entry {after}"
        return JournalCorrupt(f"{path} is damaged{place} ({error}): restore it from a backup")
    return JournalUnavailable(f"{path} can't be used: {error} ({getattr(error, 'sqlite_errorname', 'no code')})")


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the journal, and make it if there is none.

    Raises:
        JournalError: it is of a newer format, or another program's.
        JournalCorrupt, JournalUnavailable: see `named`.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise JournalUnavailable(f"{path} can't be opened: {error.strerror}") from None
    return _opened(path, "rw", _prepare)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """A second connection, which can't write.

    Raises:
        JournalCorrupt, JournalUnavailable: see `named`.
    """
    return _opened(path, "ro", lambda connection, _: connection.execute("SELECT count(*) FROM head").fetchone())


def _opened(path: Path, mode: str, prepare: Callable[[sqlite3.Connection, Path], None]) -> sqlite3.Connection:
    try:
        connection = _connect(path, mode)
        try:
            prepare(connection, path)
        except BaseException:
            connection.close()
            raise
    except ERRORS as error:
        raise named(error, path) from None
    return connection


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    # isolation_level None: every transaction is begun and ended by a statement of ours. One thread at a time uses it.
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > FORMAT:
        raise JournalError(
            f"{path} was written by a newer licd (format {found}, this one knows {FORMAT}): run that version,"
            " or restore a backup made before the upgrade"
        )
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise JournalUnavailable(f"{path} can't use write-ahead logging: put --data-dir on a local file system")
    connection.execute("PRAGMA synchronous = FULL")
    if found == 0:
        _create(connection, path)


def _create(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        raise JournalError(f"{path} is another program's database: choose another --data-dir")
    with transaction(connection):
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT INTO head VALUES (1, 0, ?, 0)", (GENESIS,))
        connection.execute(f"PRAGMA user_version = {FORMAT}")


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that has the write lock from its start. If its body or its COMMIT fails it is rolled back.

    Raises:
        UnknownOutcome: COMMIT failed in a way that may leave its pages in the write-ahead log.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        _commit(connection)
    except BaseException:
        with suppress(sqlite3.Error):  # the first error is the one to report; SQLite may have rolled back on its own
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def _commit(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if error.sqlite_errorcode in _NOT_WRITTEN:
            raise
        raise UnknownOutcome(
            f"it is not known whether the journal was written: {error} ({error.sqlite_errorname})"
        ) from None
