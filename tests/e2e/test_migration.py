"""The whole way, as people go it: application mail, license, phone, release, second server (R24 to R30).

On both databases, each with a real Chromium on a phone's screen: 360 pixels wide, light, English; and 320 pixels, dark,
Chinese.
"""

import email
import email.policy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from e2e.console_page import keep_picture
from playwright.sync_api import Browser, Page
from support import postgresql

from licd_daemon.cli.demo.parts import Parts, eventually

COMPANY, SENDER, SIGNED_ON = "Muster & Söhne GmbH", "it@muster.example", "2024-03-01"
ENGLISH: dict[str, Any] = {"locale": "en-GB", "viewport": {"width": 360, "height": 740}, "color_scheme": "light"}
CHINESE: dict[str, Any] = {"locale": "zh-CN", "viewport": {"width": 320, "height": 568}, "color_scheme": "dark"}
TITLES = {
    "en-GB": (
        "Register your servers",
        "Type this code on your server",
        "The maximum number of authorizations has been reached",
        "Release the license",
        "The license is released",
    ),
    "zh-CN": ("注册您的服务器", "请在服务器上输入此验证码", "已达到最大授权数", "释放许可证", "许可证已释放"),
}


@dataclass
class Phone:
    """A browser on a phone's screen; keeps a picture of every page."""

    page: Page
    pictures: Path
    locale: str
    seen: int = 0

    def open(self, url: str, title: int) -> None:
        self.page.goto(url)
        self.look(title)

    def tap(self, title: int) -> None:
        self.page.get_by_role("button").click()
        self.look(title)

    def look(self, title: int) -> None:
        """The page has this title, fits the screen, and loads nothing from elsewhere."""
        assert self.page.inner_text("h1") == TITLES[self.locale][title]
        assert self.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        self.seen += 1
        keep_picture(self.page, self.pictures / f"{self.locale}-{self.seen}.png", full_page=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the vendor's commands keep their records in."""
    if request.param == "sqlite":
        yield request.param
        return
    with postgresql.running() as cluster:
        monkeypatch.setenv("LICD_VENDOR_DATABASE", cluster.url())
        yield request.param


@pytest.fixture
def phone(database: str, browser: Browser, tmp_path: Path) -> Iterator[Phone]:
    """A phone whose console stays silent and that talks to the portal alone."""
    options = ENGLISH if database == "sqlite" else CHINESE
    context = browser.new_context(**options, device_scale_factor=2, is_mobile=True, has_touch=True)
    page = context.new_page()
    problems: list[str] = []
    hosts: set[str] = set()
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: hosts.add(asked.url.split("/")[2]))
    yield Phone(page, tmp_path, options["locale"])
    context.close()
    assert len(hosts) == 1
    # a browser notes every answer of 4xx there; scripts and styles that were refused would stand there too
    assert all("409" in problem for problem in problems), problems


def server(parts: Parts, name: str) -> Parts:
    """Another server of the same customer: a daemon with one report server."""
    made = Parts(parts.folder / name, parts.portal, parts.portal_url, "127.0.0.1:0")
    made.vendor_home = parts.vendor_home
    made.start_daemon()
    made.start_node("report-1", ["sleep", "infinity"])
    eventually("the node is connected", made.nodes)
    return made


def url_of_qr(parts: Parts) -> str:
    """What the newest QR says."""
    return str(parts.licd_json("status")["challenge"]["url"])


def test_from_the_application_mail_to_the_second_server(
    database: str, phone: Phone, parts: Parts, tmp_path: Path
) -> None:
    parts.vendor(
        "contract", "add", "--company", COMPANY, "--email", SENDER, "--project", "Finance", "--max-nodes", "2",
        "--application-name", "Report Server", "--application-version", "10.0", "--signed-on", SIGNED_ON,
    )  # fmt: skip
    parts.start_portal()
    first = server(parts, "first")
    second = server(parts, "second")
    try:
        asked = tmp_path / "application.eml"
        first.licd(
            "request", "--from", SENDER, "--to", "licenses@vendor.example", "--company", COMPANY,
            "--project", "Finance",
            "--application", "Report Server 10.0", "--signed-on", SIGNED_ON, "--out", asked,
        )  # fmt: skip
        answer = tmp_path / "answer.eml"
        parts.vendor(
            "issue", "--request", asked, "--days", "365", "--portal-url", parts.portal_url,
            "--out", tmp_path / "vendor.lic", "--mail", answer,
        )  # fmt: skip
        (attachment,) = email.message_from_bytes(answer.read_bytes(), policy=email.policy.default).iter_attachments()
        (tmp_path / "Container.lic").write_bytes(attachment.get_content())

        first.licd("upload", tmp_path / "Container.lic")
        phone.open(url_of_qr(first), 0)
        assert COMPANY not in phone.page.content(), "R25: nothing is told before the tap"
        phone.tap(1)
        assert COMPANY in phone.page.inner_text("main")
        first.licd("submit", phone.page.locator("output.code").inner_text())
        assert first.state() == "REGISTERED"

        second.licd("upload", tmp_path / "Container.lic")
        phone.open(url_of_qr(second), 0)
        phone.tap(2)

        first.licd("release", "--yes")
        assert first.state() != "REGISTERED"
        phone.open(first.licd_json("status")["release"]["url"], 3)
        phone.tap(4)

        second.licd("qr", "--png", tmp_path / "qr.png")
        phone.open(url_of_qr(second), 0)
        phone.tap(1)
        second.licd("submit", phone.page.locator("output.code").inner_text())
        assert second.state() == "REGISTERED"
        eventually("the node has its seat", lambda: second.nodes() == {"report-1": "LICENSED"})
        assert set(first.nodes().values()) == {"PENDING"}
    finally:
        first.end_all()
        second.end_all()
    (license,) = json.loads(parts.vendor("list", "--output", "json"))
    shown = json.loads(parts.vendor("show", license["license_id"], "--output", "json"))
    assert [one["ended_by"] for one in shown["bindings"]] == [None, "release"]
    assert (shown["self_releases"], shown["self_releases_per_year"]) == (1, 2)
    acts = json.loads(parts.vendor("audit", "--license", license["license_id"], "--output", "json"))
    assert [one["act"] for one in acts] == ["bound", "released", "bound", "issued"]
