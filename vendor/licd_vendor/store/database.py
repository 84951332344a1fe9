"""Opens the database and brings its tables up to date.

Rules:

- SQLite: foreign keys on, WAL, synchronous FULL (a binding that was shown must survive a power cut), a busy timeout.
- A writing transaction takes the lock at its start (BEGIN IMMEDIATE), so that two first scans at once come one after
  the other and the second one sees the first one's binding. On PostgreSQL the license's row is locked instead.
- PostgreSQL: statements and locks time out, so that one stuck session can't hold every phone. After a restart of the
  server one transaction fails, and with it every old connection is given up.
- Migrations run at the first use, in one transaction, under a lock of the whole database: several processes that start
  at once migrate once. A database from a newer licd-vendor is refused, never touched.
- SQL parameters stay out of exceptions: they may hold a hash of a project key.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from licd_vendor import home as files
from licd_vendor.errors import RefusedError

_MIGRATIONS = Path(__file__).parent / "migrations"
_WRITES = {"licd_writes": True}
# of PostgreSQL's advisory locks: any number, the same in every version
_MIGRATION_LOCK = 0x6C696364
_POSTGRESQL: dict[str, Any] = {
    "pool_size": 8,
    "max_overflow": 8,
    "pool_timeout": 5,
    "connect_args": {
        "connect_timeout": 5,
        "application_name": "licd-vendor",
        "options": "-c lock_timeout=5s -c statement_timeout=10s -c idle_in_transaction_session_timeout=30s",
    },
}
_PRAGMAS = (
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
    "PRAGMA synchronous=FULL",
)
_WAL_WITHIN_S = 10.0
_WAL_AGAIN_S = 0.01


class Database:
    """The vendor's database; transactions are its only way in."""

    def __init__(self, engine: Engine) -> None:
        """Hold an engine whose tables are up to date; see `open_database`."""
        self._engine = engine
        self._writer = engine.execution_options(**_WRITES)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that only reads."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction that may write; it commits at the end, and rolls back on any exception."""
        with self._writer.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def default_url(home: Path) -> str:
    """Give the URL of the SQLite database in the home directory."""
    return f"sqlite:///{home / 'licd-vendor.db'}"


def open_database(url: str, *, migrate: bool = True) -> Database:
    """Open the database and bring its tables up to date.

    Args:
        url: An SQLAlchemy URL.
        migrate: False for a worker whose parent has done so, and that may be restarted after a newer version has.

    Raises:
        RefusedError: When it cannot be opened, or is newer than this program. The URL's password is not quoted.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            _create_private(Path(parsed.database))
        is_postgresql = parsed.get_backend_name() == "postgresql"
        if is_postgresql and parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, hide_parameters=True, **(_POSTGRESQL if is_postgresql else {}))
        if parsed.get_backend_name() == "sqlite":
            _prepare_sqlite(engine)
        if migrate:
            _migrate_or_close(engine)
    except ArgumentError:
        raise RefusedError("database: not an SQLAlchemy URL, such as sqlite:////path/file.db") from None
    except ImportError:
        raise RefusedError("database: its driver is missing; for PostgreSQL install licd-vendor[postgresql]") from None
    except DBAPIError as fault:
        raise RefusedError(f"database: cannot be opened ({fault.orig}); check --database") from None
    return Database(engine)


def _create_private(path: Path) -> None:
    files.make_home(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, files.PRIVATE))
    except OSError as fault:
        raise RefusedError(f"database {path}: {fault.strerror}") from None


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN comes too late and is never IMMEDIATE
        for pragma in _PRAGMAS:
            connection.execute(pragma).close()
        _write_ahead(connection)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("licd_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Turn WAL on. Of several first uses at once SQLite refuses some, whatever the busy timeout: they try again."""
    until = time.monotonic() + _WAL_WITHIN_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
            return
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(_WAL_AGAIN_S)


def _migrate_or_close(engine: Engine) -> None:
    try:
        _migrate(engine)
    except BaseException:
        engine.dispose()
        raise


def _migrate(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with engine.execution_options(**_WRITES).begin() as connection:
        if engine.dialect.name == "postgresql":  # SQLite's BEGIN IMMEDIATE is such a lock
            connection.exec_driver_sql("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        current = MigrationContext.configure(connection).get_current_revision()
        if current == script.get_current_head():
            return
        known = {revision.revision for revision in script.walk_revisions()}
        if current is not None and current not in known:
            raise RefusedError("database: written by a newer licd-vendor; upgrade this one")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
