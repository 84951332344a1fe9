"""The console says when a registration ended and why, what was refused, and what is not well (R17, R4, R22)."""

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from e2e.console_page import console_page, keep_picture, log_in
from faults.nemesis import fill, free
from playwright.sync_api import Browser, expect
from support.admin import Admin
from support.daemon import Daemon, running
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor

expect.set_options(timeout=15_000)


@pytest.fixture
def daemon(request: pytest.FixtureRequest, make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon whose nodes need not beat, unless a test says otherwise."""
    with running(make_daemon(*getattr(request, "param", ("--lease-ttl", "10m")))) as started:
        yield started


@pytest.fixture
def nodes(daemon: Daemon, admin: Admin, vendor: TestVendor) -> list[RawNode]:
    """Two nodes of a registered cluster."""
    joined = [RawNode(daemon.stubs("node"), name).joined() for name in ("report-1", "report-2")]
    admin.upload(vendor.lic())
    admin.register()
    return joined


def test_R17_a_registration_that_ended_says_when_why_and_whose_it_was(
    daemon: Daemon, admin: Admin, nodes: list[RawNode], browser: Browser, tmp_path: Path
) -> None:
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        expect(page.locator("#state")).to_have_text("Registered")
        expect(page.locator("#ended")).to_be_hidden()
        for node in nodes:
            node.leave()
        expect(page.locator("#state")).to_have_text("Not registered")
        ended = page.locator("#ended")
        expect(ended).to_contain_text("The registration ended on ")
        expect(ended).to_contain_text("after every node that held a seat had left or been evicted")
        expect(ended).to_contain_text("Seats were held by report-1, report-2.")
        expect(page.locator("#scan")).to_be_hidden()  # the QR of what ended is of no use
        RawNode(daemon.stubs("node"), "report-3").joined()
        expect(page.locator("#blocking")).to_be_hidden()
        keep_picture(page, tmp_path / "ended.png", full_page=True)
        page.get_by_role("link", name="Nodes").click()
        expect(page.locator("tbody")).to_contain_text("The registration has ended")
        expect(page.locator("tbody")).to_contain_text("Ask the cluster administrator to create a QR code")
        keep_picture(page, tmp_path / "nodes.png", full_page=True)
        page.get_by_role("link", name="Registration").click()
        page.get_by_role("link", name="中文").click()
        expect(page.locator("#ended")).to_contain_text("所有占用席位的节点均已离开或被驱逐")
        keep_picture(page, tmp_path / "ended-zh.png", full_page=True)
        admin.register()
        expect(page.locator("#ended")).to_be_hidden()


@pytest.mark.parametrize("daemon", [("--lease-ttl", "6s", "--heartbeat-interval", "2s")], indirect=True)
def test_R17_recovering_says_since_when_until_when_and_what_must_happen(
    daemon: Daemon, nodes: list[RawNode], browser: Browser, tmp_path: Path
) -> None:
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("viewer"))
        expect(page.locator("#state")).to_have_text("Recovering")
        expect(page.locator("#advice")).to_contain_text("No node that held a seat has been connected since ")
        expect(page.locator("#advice")).to_contain_text("Bring one of those processes back before ")
        keep_picture(page, tmp_path / "recovering.png", full_page=True)


def test_R4_refusals_are_shown_with_their_times(
    daemon: Daemon, admin: Admin, browser: Browser, vendor: TestVendor, tmp_path: Path
) -> None:
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        file = tmp_path / "Container.lic"
        file.write_bytes(b"holiday pictures")
        page.get_by_label("Choose Container.lic").set_input_files(file)
        page.get_by_role("dialog", name="Registration failed").get_by_role("button", name="Close").click()
        admin.upload(vendor.lic())
        page.get_by_text("Refused uploads and registrations (1)").click()
        refused = page.locator("#refused-list")
        expect(refused).to_contain_text("The content of the certificate is incorrect")
        assert refused.locator("time").get_attribute("datetime")
        keep_picture(page, tmp_path / "refused.png", full_page=True)
        RawNode(daemon.stubs("node")).joined()
        admin.register()
        expect(page.locator("#refused")).to_be_hidden()


def test_R4_a_registered_cluster_shows_the_nodes_that_need_attention(
    daemon: Daemon, nodes: list[RawNode], browser: Browser, tmp_path: Path
) -> None:
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        expect(page.locator("#state")).to_have_text("Registered")
        expect(page.locator("#blocking")).to_be_hidden()
        old = RawNode(daemon.stubs("node"), "old", version="9.4").joined()
        expect(page.locator("#blocking-title")).to_have_text("Needs attention")
        expect(page.locator("#blocking-list")).to_contain_text("Version mismatch (Node old)")
        expect(page.locator("#state")).to_have_class("chip warn")
        keep_picture(page, tmp_path / "attention.png", full_page=True)
        old.leave()
        expect(page.locator("#blocking")).to_be_hidden()
        late = nodes[0]
        late.clock_ms = 12_000
        for _ in range(10):
            late.stream.beat()
        expect(page.locator("#blocking-list")).to_contain_text("Server clocks do not agree (Node report-1)")


def test_R22_a_leaders_clock_in_doubt_is_told_in_a_banner(
    daemon: Daemon, nodes: list[RawNode], browser: Browser, tmp_path: Path
) -> None:
    """Most nodes have another time than the leader."""
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        expect(page.locator("#banner-clock")).to_have_count(0)
        for node in nodes:
            node.clock_ms = 60_000
        for _ in range(10):
            for node in nodes:
                node.stream.beat()
        expect(page.locator("#banner-clock")).to_contain_text("The leader's clock is not to be trusted")
        expect(page.locator("#banner-clock")).to_contain_text("Set the clock of the leader daemon's machine right")
        keep_picture(page, tmp_path / "clock.png", full_page=True)


def test_R33_a_journal_that_cant_be_written_is_told_in_a_banner_and_forgotten(
    daemon: Daemon, nodes: list[RawNode], browser: Browser, tmp_path: Path
) -> None:
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("viewer"))
        expect(page.locator("#state")).to_have_text("Registered")
        assert daemon.process is not None
        fill(daemon.process.pid)
        with refused(grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE"):
            RawNode(daemon.stubs("node"), "new").join()
        expect(page.locator("#banner-journal")).to_contain_text("Make room on the daemon's disk")
        expect(page.locator("#state")).to_have_class("chip warn")
        keep_picture(page, tmp_path / "journal.png", full_page=True)
        free(daemon.process.pid)
        expect(page.locator("#banner-journal")).to_have_count(0)
        expect(page.locator("#state")).to_have_class("chip good")
