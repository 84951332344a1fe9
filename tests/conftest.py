"""Fixtures that every test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.admin import Admin
from support.daemon import Daemon, running
from support.vendor import TestVendor


@pytest.fixture(scope="session")
def vendor() -> TestVendor:
    """A vendor with keys of its own."""
    return TestVendor()


@pytest.fixture
def make_daemon(tmp_path: Path, vendor: TestVendor):
    """Makes daemons that pin the vendor's keys; options as on the command line."""

    def make(*options: str, name: str = "data", env: dict[str, str] | None = None) -> Daemon:
        keys = vendor.write_keys(tmp_path / "vendor-keys.json")
        return Daemon(tmp_path / name, keys, *options, env=env)

    return make


@pytest.fixture
def daemon(make_daemon) -> Iterator[Daemon]:
    """A daemon with defaults, running."""
    with running(make_daemon()) as started:
        yield started


@pytest.fixture
def admin(daemon: Daemon, vendor: TestVendor) -> Admin:
    """An administrator of that daemon."""
    return Admin(daemon.stubs("admin"), vendor)
