"""A vendor with a contract and a license, its portal on a port of its own, and a deployment that draws challenges.

Everything that touches the database runs on SQLite and on PostgreSQL: `database_url` says which.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from starlette.types import ASGIApp
from support import postgresql
from support.postgresql import Cluster
from vendor.commands import Run
from vendor.deployment import Clock, Deployment, Phone

from licd_formats.license import License, Vendor
from licd_kit.addresses import Address
from licd_vendor import issuing, keys
from licd_vendor.cli import main
from licd_vendor.domain.issue import Request
from licd_vendor.domain.model import Terms
from licd_vendor.portal import server
from licd_vendor.portal.app import create_app
from licd_vendor.portal.limits import Limits
from licd_vendor.portal.proxies import Proxies
from licd_vendor.staff.app import create_staff_app
from licd_vendor.store import records
from licd_vendor.store.database import Database, default_url, open_database

NOW = 1_800_000_000
WHO = "cli:test"
TERMS = Terms("ACME", "ops@acme.example", "Finance", 5, "report-server", "10.0", "", "2021-10-30", 2)
Serve = Callable[..., Phone]


def no_passphrase() -> None:
    """Gives none."""


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL, for all tests of this process."""
    with postgresql.running() as running:
        yield running


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> str:
    """The name of a database with all tables, to copy from."""
    url = cluster.url()
    open_database(url).close()
    return url.partition("?")[0].rpartition("/")[2]


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database with all tables, to copy from."""
    folder = tmp_path_factory.mktemp("migrated")
    open_database(default_url(folder)).close()
    return folder / "licd-vendor.db"


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    keys.generate(tmp_path, Vendor("Vendor", "licenses@vendor.example"), None)
    return tmp_path


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, home: Path) -> str:
    """A database of the test's own."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_file"), home)
        return default_url(home)
    cluster: Cluster = request.getfixturevalue("cluster")
    return cluster.url(request.getfixturevalue("migrated"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = open_database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def make_license(home: Path, database: Database, clock: Clock) -> Callable[[], License]:
    """Issues licenses for 3 nodes, each from a contract of its own."""

    def make() -> License:
        with database.writing() as connection:
            contract_id = records.add_contract(connection, TERMS, clock())
        order = issuing.Order(
            contract_id=contract_id,
            request=Request("ops@acme.example", "ACME", 3, clock() + 365 * 86_400),
            vendor=keys.load_vendor(home),
            portal_url="https://portal.example",
            portal_public_key=keys.load_portal(home, no_passphrase).public_key().public_bytes_raw(),
            reissue=None,
        )
        signing = keys.load_signing(home, no_passphrase)
        return issuing.issue_license(database, order, signing, WHO, clock(), lambda _: None).license

    return make


@pytest.fixture
def license_(make_license: Callable[[], License]) -> License:
    return make_license()


@pytest.fixture
def deployment(license_: License, clock: Clock) -> Deployment:
    return Deployment(license_, clock)


@contextmanager
def served(app: ASGIApp, request_seconds: float = server.REQUEST_SECONDS) -> Iterator[Phone]:
    """A real web server around an application."""
    running = server.make(app, request_seconds)
    listening = server.listen(Address("127.0.0.1", 0))
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    try:
        yield Phone(*listening.getsockname())
    finally:
        running.should_exit = True
        thread.join(10)
        listening.close()
        assert not thread.is_alive()


@pytest.fixture
def phone(home: Path, database: Database, clock: Clock) -> Iterator[Phone]:
    """A phone that reaches a real portal."""
    with served(create_app(database, keys.load_portal(home, no_passphrase), clock)) as reached:
        yield reached


@pytest.fixture
def proxy(home: Path, database: Database, clock: Clock) -> Iterator[Phone]:
    """A trusted proxy before a portal that takes few taps a minute."""
    limits = Limits(per_address=4, per_license=6)
    proxies = Proxies.of(["127.0.0.0/8", "10.9.0.0/16"])
    with served(create_app(database, keys.load_portal(home, no_passphrase), clock, proxies, limits)) as reached:
        yield reached


@pytest.fixture
def staff_page(database: Database, clock: Clock) -> Iterator[Phone]:
    """A browser that reaches the staff's page."""
    with served(create_staff_app(database, clock)) as reached:
        yield reached


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def invoke(*arguments: str) -> Result:
        result = CliRunner().invoke(main, ["--home", str(tmp_path / "home"), *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    return invoke
