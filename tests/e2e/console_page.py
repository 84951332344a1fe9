"""Pages in a browser: one that remembers every complaint of the browser, and what is done and looked at there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page, expect

AXE = Path(__file__).parents[2] / ".venv" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = (360, 768, 1440)


@contextmanager
def console_page(browser: Browser, **options: Any) -> Iterator[Page]:
    """A page in a context of its own; the browser must have had nothing to complain of at its end.

    The certificate is of the daemon's own authority, which this browser does not know.
    """
    complaints: list[str] = []
    context = browser.new_context(ignore_https_errors=True, **{"viewport": {"width": 1280, "height": 900}, **options})
    page = context.new_page()
    page.on("console", lambda each: complaints.append(each.text) if each.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if foreign(request.url, page) else None)
    try:
        yield page
        assert complaints == [], f"the browser complains: {complaints}"
    finally:
        context.close()


def foreign(url: str, page: Page) -> bool:
    """Whether a request leaves the page's own server."""
    return page.url.startswith("http") and url.split("/")[2] != page.url.split("/")[2]


def log_in(page: Page, url: str, token: str) -> None:
    """Logs in by hand."""
    page.goto(f"{url}/login")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/registration")


def type_code(page: Page, code: str) -> None:
    """Types six digits, the focus on the first box, and presses Enter; waits for the end of a judgement under way."""
    expect(page.get_by_role("button", name="Register")).to_be_enabled()
    page.get_by_label("Digit 1 of 6").focus()
    page.keyboard.type(code)
    page.keyboard.press("Enter")


def lock(page: Page, wrong_code: str) -> None:
    """Types a wrong code six times."""
    for left in ("5 attempts left", "4 attempts left", "3 attempts left", "2 attempts left", "1 attempt left"):
        type_code(page, wrong_code)
        expect(page.locator("#attempts")).to_contain_text(left)
    type_code(page, wrong_code)
    expect(page.locator("#locked")).to_be_visible()


def qr_url(page: Page, but: str = "") -> str:
    """Where the QR leads, once its code can be typed; waits for another one than `but`."""
    place = page.locator("#qr-url")
    expect(place).to_have_attribute("href", re.compile(r"^https?://.+/Q/"))
    expect(place).not_to_have_attribute("href", but)
    expect(page.locator("#digits input").first).to_be_focused()
    return place.get_attribute("href") or ""


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06d}"


def keep_picture(page: Page, path: Path, *, full_page: bool = False) -> None:
    """A screenshot for people to look at. A busy machine's browser may be unable to take one, which proves nothing."""
    with suppress(Error):
        page.screenshot(path=path, full_page=full_page)


def violations(page: Page) -> list[str]:
    """What axe-core finds on the page as it is; its context must be one that bypasses the CSP."""
    assert AXE.exists(), "axe-core is missing: `make test` fetches it (deploy/test-tools)"
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [f"{each['id']}: {each['help']}: {[node['target'] for node in each['nodes']]}" for each in found]
