"""Fixtures that every test may ask for."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from support.admin import Admin
from support.daemon import Daemon, running
from support.etcd import EtcdCluster, etcd_cluster
from support.proxy import Network
from support.vendor import TestVendor

# The same examples in every run, without a time limit each; `--hypothesis-profile default` looks for others.
settings.load_profile("ci")


def pytest_configure() -> None:
    """Let processes under test begin as users' do, wherever the run was started."""
    _let_signals_through()
    # Several hundred processes import the same modules: they are compiled once.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _let_signals_through() -> None:
    """A run that a shell has put in the background ignores these signals, and so would every process under test."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL if number is signal.SIGQUIT else signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        # Under nohup: a handler that does nothing keeps the run alive, and processes under test begin with the default.
        signal.signal(signal.SIGHUP, lambda *_: None)


@pytest.fixture(scope="session")
def vendor() -> TestVendor:
    """A vendor with keys of its own."""
    return TestVendor()


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    """One etcd server, for tests that take a prefix of their own."""
    with etcd_cluster(tmp_path_factory.mktemp("etcd")) as cluster:
        yield cluster


@pytest.fixture
def network() -> Iterator[Network]:
    """Proxies that can be told to be a bad network."""
    made = Network()
    yield made
    made.close()


@pytest.fixture
def make_daemon(tmp_path: Path, vendor: TestVendor):
    """Makes daemons that pin the vendor's keys; options as on the command line."""

    def make(*options: str, name: str = "data", env: dict[str, str] | None = None) -> Daemon:
        keys = vendor.write_keys(tmp_path / "vendor-keys.json")
        return Daemon(tmp_path / name, keys, *options, env=env)

    return make


@pytest.fixture
def daemon(request: pytest.FixtureRequest, make_daemon) -> Iterator[Daemon]:
    """A daemon with defaults, or with the options that a test names as its parameter, running."""
    with running(make_daemon(*getattr(request, "param", ()))) as started:
        yield started


@pytest.fixture
def admin(daemon: Daemon, vendor: TestVendor) -> Admin:
    """An administrator of that daemon."""
    return Admin(daemon.stubs("admin"), vendor)
