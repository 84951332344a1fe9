"""A vendor, a portal and a daemon, as users start them; and the phone's browser."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from support.ports import free_port

from licd_daemon.cli.demo.parts import Parts

BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    """A folder with a vendor; the rest is started by the test."""
    portal = f"127.0.0.1:{free_port()}"
    made = Parts(tmp_path / "run", portal, f"http://{portal}", "127.0.0.1:0")
    try:
        made.make_vendor()
        yield made
    finally:
        made.end_all()


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless. Not for the session: playwright would leave its event loop running in the worker."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert path, "Chromium is missing: `make test` installs it, or set CHROMIUM to its path"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=BROWSER_OPTIONS)
        yield launched
        launched.close()
