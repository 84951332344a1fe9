"""The database: its migrations, its privacy, and one binding at a time whatever the code does."""

import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from support.postgresql import Cluster
from vendor.deployment import Deployment

from licd_formats.license import License
from licd_vendor import service
from licd_vendor.domain.scan import RefusedScan, Shown
from licd_vendor.errors import RefusedError
from licd_vendor.store import database as database_module
from licd_vendor.store import records
from licd_vendor.store.database import Database, default_url, open_database
from licd_vendor.store.schema import bindings, metadata


def test_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_opening_again_keeps_what_is_there(database_url: str, database: Database, license_: License) -> None:
    with database.reading() as connection:
        before = connection.exec_driver_sql("SELECT license_id FROM licenses").scalars().all()
    again = open_database(database_url)
    with again.reading() as connection:
        assert connection.exec_driver_sql("SELECT license_id FROM licenses").scalars().all() == before
    again.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nobody has opened yet."""
    if request.param == "sqlite":
        return default_url(tmp_path)
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url()


def test_four_first_uses_at_once_migrate_once(empty_url: str) -> None:
    gate = threading.Barrier(4)

    def open_it(_: int) -> None:
        gate.wait(10)
        open_database(empty_url).close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(open_it, range(4)))


def test_first_uses_at_once_wait_for_each_other_whatever_they_want(tmp_path: Path) -> None:
    gate = threading.Barrier(8)

    def read(url: str) -> int:
        database = open_database(url, migrate=False)
        gate.wait(10)
        with database.reading() as connection:
            tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar_one()
        database.close()
        return int(tables)

    with ThreadPoolExecutor(8) as pool:
        for number in range(60):
            assert list(pool.map(read, [f"sqlite:///{tmp_path / f'{number}.db'}"] * 8)) == [0] * 8


def test_database_of_a_newer_program_is_refused(database_url: str, database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RefusedError, match="newer"):
        open_database(database_url)


def test_a_worker_that_is_restarted_during_an_upgrade_goes_on(
    database_url: str, database: Database, deployment: Deployment
) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    worker = open_database(database_url, migrate=False)
    assert isinstance(service.register(worker, deployment.draw(), deployment.clock()), Shown)
    worker.close()


def columns_of(connection: sa.Connection) -> dict[tuple[str, str], tuple[str, bool]]:
    """Each column with its type, and whether it may be left out when a row is inserted."""
    inspector = sa.inspect(connection)
    return {
        (table, column["name"]): (str(column["type"]), column["nullable"] or column["default"] is not None)
        for table in inspector.get_table_names()
        for column in inspector.get_columns(table)
    }


def constraints_of(connection: sa.Connection, tables: set[str]) -> set[str]:
    """What else a row must keep to: uniqueness, foreign keys, checks."""
    inspector = sa.inspect(connection)
    found = set()
    for table in tables:
        unique = [(index["name"], index["column_names"]) for index in inspector.get_indexes(table) if index["unique"]]
        rules = [unique, inspector.get_unique_constraints(table), inspector.get_foreign_keys(table)]
        found |= {f"{table} {rule}" for rule in [*rules, inspector.get_check_constraints(table)] if rule}
    return found


def test_an_old_and_a_new_worker_run_side_by_side_since_migrations_only_add(empty_url: str) -> None:
    engine = sa.create_engine(empty_url)
    config = Config()
    config.set_main_option("script_location", str(database_module._MIGRATIONS))
    revisions = [one.revision for one in reversed(list(ScriptDirectory.from_config(config).walk_revisions()))]
    assert len(revisions) > 1
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revisions[0])
        for revision in revisions[1:]:
            old = columns_of(connection)
            tables = {table for table, _ in old} - {"alembic_version"}
            old_rules = constraints_of(connection, tables)
            command.upgrade(config, revision)
            new = columns_of(connection)
            assert old.items() <= new.items(), f"{revision} changes what the version before reads or writes"
            added = {name: kept for name, kept in new.items() if name not in old and name[0] in tables}
            assert all(may_be_left_out for _, may_be_left_out in added.values()), added
            assert constraints_of(connection, tables) == old_rules
    engine.dispose()


def test_r41_what_0_1_0_has_kept_has_the_default_grace(empty_url: str) -> None:
    engine = sa.create_engine(empty_url)
    config = Config()
    config.set_main_option("script_location", str(database_module._MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(
            "INSERT INTO contracts VALUES (1, 'ACME', 'a@b.example', 'P', 3, 'app', '10.0', '', '2021-10-30', 2, 1, "
            "NULL, NULL)"
        )
        connection.exec_driver_sql(
            "INSERT INTO licenses VALUES ('id', 1, 'ACME', 'P', 3, 1, 2, 'k', 'https://p.example', NULL)"
        )
    engine.dispose()
    with closing(open_database(empty_url)) as database, database.reading() as connection:
        contract, license_ = records.get_contract(connection, 1), records.get_license(connection, "id")
    kept = [(one.outage_grace_seconds, one.min_version) for one in (contract.terms, license_)]
    assert kept == [(900, "")] * 2


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


def test_database_is_its_owners_alone(tmp_path: Path) -> None:
    database = open_database(default_url(tmp_path))
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE licenses SET company = ''")
    assert len(list(tmp_path.glob("licd-vendor.db*"))) == 3
    for path in tmp_path.glob("licd-vendor.db*"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    database.close()


def test_sqlite_is_safe_against_a_power_cut(tmp_path: Path) -> None:
    database = open_database(default_url(tmp_path))
    with database.reading() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys")
        assert [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names] == ["wal", 2, 1]
    database.close()


def test_r26_second_binding_in_force_is_impossible(
    database: Database, license_: License, deployment: Deployment
) -> None:
    service.register(database, deployment.draw(), deployment.clock())
    row = {"license_id": license_.license_id, "project_key_hash": "secret", "head": "x", "bound_at": 1}
    with pytest.raises(sa.exc.IntegrityError) as refusal, database.writing() as connection:
        connection.execute(sa.insert(bindings).values(**row))
    assert "secret" not in str(refusal.value)


def test_r26_first_scans_at_once_on_two_portals_bind_one(
    database_url: str, database: Database, license_: License, deployment: Deployment
) -> None:
    other = open_database(database_url)
    contents = [Deployment(license_, deployment.clock).draw() for _ in range(6)]
    gate = threading.Barrier(len(contents))

    def scan(at: int) -> Shown | RefusedScan:
        gate.wait(10)
        return service.register((database, other)[at % 2], contents[at], deployment.clock())

    with ThreadPoolExecutor(len(contents)) as pool:
        verdicts = [service.name_of(verdict) for verdict in pool.map(scan, range(len(contents)))]
    other.close()
    assert sorted(verdicts) == ["bound_elsewhere"] * 5 + ["shown"]
