"""A vendor with a contract and a license, its portal on a port of its own, and a deployment that draws challenges."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from vendor.deployment import Clock, Deployment, Phone

from licd_daemon.formats.license import License, Vendor
from licd_vendor import keys, service
from licd_vendor.domain.issue import Request
from licd_vendor.domain.model import Terms
from licd_vendor.portal import server
from licd_vendor.portal.app import create_app
from licd_vendor.store import records
from licd_vendor.store.database import Database, default_url, open_database

NOW = 1_800_000_000
TERMS = Terms("ACME", "ops@acme.example", "Finance", 5, "report-server", "10.0", "", "2021-10-30", 2)


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    keys.generate(tmp_path, Vendor("Vendor", "licenses@vendor.example"))
    return tmp_path


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = open_database(default_url(home))
    yield opened
    opened.close()


@pytest.fixture
def license_(home: Path, database: Database, clock: Clock) -> License:
    with database.writing() as connection:
        contract_id = records.add_contract(connection, TERMS, clock())
    order = service.Order(
        contract_id=contract_id,
        request=Request("ops@acme.example", "ACME", 3, clock() + 365 * 86_400),
        vendor=keys.load_vendor(home),
        portal_url="https://portal.example",
        portal_public_key=keys.load_portal(home).public_key().public_bytes_raw(),
        reissue=None,
    )
    return service.issue_license(database, order, keys.load_signing(home), clock(), lambda _: None).license


@pytest.fixture
def deployment(license_: License, clock: Clock) -> Deployment:
    return Deployment(license_, clock)


@pytest.fixture
def phone(home: Path, database: Database, clock: Clock) -> Iterator[Phone]:
    """A phone that reaches a real portal."""
    portal = uvicorn.Server(server.configure(create_app(database, keys.load_portal(home), clock)))
    listening = server.listen("127.0.0.1", 0)
    thread = threading.Thread(target=portal.run, args=([listening],))
    thread.start()
    yield Phone(*listening.getsockname())
    portal.should_exit = True
    thread.join(10)
    listening.close()
    assert not thread.is_alive()
