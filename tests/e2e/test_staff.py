"""The staff's page in a real browser: its cookie, its forms and its policies work there, on a small screen too."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e.console_page import keep_picture
from playwright.sync_api import Browser

from licd_daemon.cli.demo.parts import COMPANY, Parts, program

PASSWORD = "a long enough password"


@pytest.fixture
def staff_url(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page of a vendor with one license, where ann may log in."""
    monkeypatch.setenv("LICD_VENDOR_STAFF_PASSWORD", PASSWORD)
    parts.issue()
    parts.vendor("staff", "add", "ann")
    argv = [program("licd-vendor"), "--home", str(parts.vendor_home), "staff", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().rpartition(" ")[2].strip()
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize("width", [320, 1280])
def test_a_license_is_found_and_revoked(staff_url: str, browser: Browser, tmp_path: Path, width: int) -> None:
    problems: list[str] = []
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme="dark" if width == 320 else "light"
    )
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(staff_url)
    page.get_by_label("Name").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    keep_picture(page, tmp_path / f"staff-{width}-login.png")
    page.get_by_role("button", name="Log in").click()
    page.get_by_label("Company").fill("example")
    page.get_by_role("button", name="Search").click()
    keep_picture(page, tmp_path / f"staff-{width}-licenses.png")
    page.get_by_role("link", name=re.compile("[0-9a-f-]{36}")).click()
    assert COMPANY in page.inner_text("h1")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_label("No scan will give a code again").check()
    page.get_by_role("button", name="Revoke").click()
    assert "revoked" in page.inner_text("dl")
    keep_picture(page, tmp_path / f"staff-{width}-license.png", full_page=True)
    page.get_by_role("link", name="Audit").click()
    assert "staff:ann" in page.inner_text("table")
    page.get_by_role("button", name="Log out").click()
    page.goto(staff_url)
    assert page.inner_text("h1") == "Log in"
    assert problems == []
    context.close()
