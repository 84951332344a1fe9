"""A scripted daemon, and the `licd` command line in front of it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli.scripted_daemon import Daemon, Licd, serving
from click.testing import CliRunner

from licd_daemon.cli import main


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine reaches a test; the data directory is the test's own."""
    for name in [name for name in os.environ if name.startswith("LICD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LICD_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TZ", "UTC")


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    """A daemon in plaintext on loopback."""
    with serving() as daemon:
        yield daemon


@pytest.fixture
def run() -> Licd:
    """Runs `licd` with these arguments, in this process."""
    return lambda *arguments, **settings: CliRunner().invoke(main, [str(each) for each in arguments], **settings)


@pytest.fixture
def licd(run: Licd, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Licd:
    """Runs `licd` against the scripted daemon."""
    monkeypatch.setenv("LICD_ADDRESS", daemon.address)
    monkeypatch.setenv("LICD_INSECURE", "1")
    return run
