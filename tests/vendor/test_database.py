"""The database: its migrations, its privacy, and one binding at a time whatever the code does."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.schema import CreateIndex, CreateTable
from vendor.deployment import Deployment

from licd_daemon.formats.license import License
from licd_vendor import service
from licd_vendor.domain.scan import Refused, Shown
from licd_vendor.errors import RefusedError
from licd_vendor.store.database import Database, default_url, open_database
from licd_vendor.store.schema import bindings, metadata


def test_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_opening_again_keeps_what_is_there(tmp_path: Path, database: Database, license_: License) -> None:
    with database.reading() as connection:
        before = connection.exec_driver_sql("SELECT license_id FROM licenses").scalars().all()
    again = open_database(default_url(tmp_path))
    with again.reading() as connection:
        assert connection.exec_driver_sql("SELECT license_id FROM licenses").scalars().all() == before
    again.close()


def test_two_first_uses_at_once_both_come_up(tmp_path: Path) -> None:
    gate = threading.Barrier(4)

    def open_it(_: int) -> None:
        gate.wait(10)
        open_database(default_url(tmp_path)).close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_it, range(4)))


def test_database_of_a_newer_program_is_refused(tmp_path: Path, database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RefusedError, match="newer"):
        open_database(default_url(tmp_path))


@pytest.mark.parametrize(
    "url", ["nonsense", "postgresql://user:secret@127.0.0.1:1/db", "sqlite:////proc/none/x.db", "nosuch://x"]
)
def test_database_that_cannot_be_opened_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        open_database(url)
    assert "secret" not in str(refusal.value)


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database, but long enough to be looked at" * 50)
    with pytest.raises(RefusedError, match="not a database"):
        open_database(f"sqlite:///{tmp_path / 'x.db'}")


def test_database_is_its_owners_alone(tmp_path: Path, database: Database, license_: License) -> None:
    for path in tmp_path.glob("licd-vendor.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_sqlite_is_safe_against_a_power_cut(database: Database) -> None:
    with database.reading() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys")
        assert [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names] == ["wal", 2, 1]


def test_r26_second_binding_in_force_is_impossible(
    database: Database, license_: License, deployment: Deployment
) -> None:
    service.register(database, deployment.draw(), deployment.clock())
    row = {"license_id": license_.license_id, "project_key_hash": "x", "head": "x", "bound_at": 1}
    with pytest.raises(sa.exc.IntegrityError) as refusal, database.writing() as connection:
        connection.execute(sa.insert(bindings).values(**row))
    assert license_.license_id not in str(refusal.value)


def test_r26_first_scans_at_once_on_two_portals_bind_one(
    tmp_path: Path, database: Database, license_: License, deployment: Deployment
) -> None:
    other = open_database(default_url(tmp_path))
    contents = [Deployment(license_, deployment.clock).draw() for _ in range(6)]
    gate = threading.Barrier(len(contents))

    def scan(at: int) -> Shown | Refused:
        gate.wait(10)
        return service.register((database, other)[at % 2], contents[at], deployment.clock())

    with ThreadPoolExecutor(len(contents)) as pool:
        verdicts = [service.name_of(verdict) for verdict in pool.map(scan, range(len(contents)))]
    other.close()
    assert sorted(verdicts) == ["bound_elsewhere"] * 5 + ["shown"]


def test_schema_is_ready_for_postgresql() -> None:
    dialect = sa.make_url("postgresql+psycopg://").get_dialect()()
    for table in metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
    (unique,) = (index for index in bindings.indexes if index.unique)
    assert "WHERE ended_at IS NULL" in str(CreateIndex(unique).compile(dialect=dialect))
