"""The web console in a real browser: an administrator registers a cluster without reading a manual."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e.console_page import SIZES, console_page, keep_picture, lock, log_in, qr_url, type_code, violations, wrong
from playwright.sync_api import Browser, Page, expect
from support.admin import Admin
from support.daemon import Daemon, running
from support.raw_node import RawNode
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import registration_service_pb2 as registration
from licd_daemon.cli.demo.parts import Parts, open_on_phone, program
from licd_daemon.cli.demo.parts import eventually as until

expect.set_options(timeout=15_000)  # a busy machine is no fault of the page
WRONG_NODE = "name=Other Server,version=9.0,build_date=2024-05-31"


def start_wrong_node(parts: Parts) -> None:
    argv = [
        program("licd-node"), "run", "--application", WRONG_NODE, "--node-name", "report-9", "--address", parts.address,
        "--ca", str(parts.ca), "--token-file", str(parts.token_file("node")), "--", "sleep", "infinity",
    ]  # fmt: skip
    parts.spawn("report-9", argv)


def test_from_login_to_registered(parts: Parts, browser: Browser, tmp_path: Path) -> None:
    parts.issue()
    parts.start_portal()
    parts.start_daemon()
    parts.start_node("report-1", ["sleep", "infinity"])
    start_wrong_node(parts)
    until("two nodes are connected", lambda: len(parts.nodes()) == 2)
    with console_page(browser) as page:
        page.clock.install()
        page.goto(parts.console_link)
        page.wait_for_url("**/registration")
        expect(page.locator("#state")).to_have_text("No license")
        page.clock.run_for(1000)

        wrong_file = tmp_path / "Container.lic"
        wrong_file.write_bytes(b"%PDF-1.7" + bytes(1_000_000))
        dialog = page.get_by_role("dialog", name="Registration failed")
        page.get_by_label("Choose Container.lic").set_input_files(wrong_file)
        expect(dialog).to_contain_text("The content of the certificate is incorrect")
        expect(dialog).to_contain_text("This is a PDF document")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()

        page.get_by_label("Choose Container.lic").set_input_files(parts.license)
        expect(page.locator("#license-done")).to_contain_text("Example Reports Ltd: 3 nodes")
        expect(page.locator("#facts")).to_contain_text("15 minutes for programs, while this daemon is away")
        expect(page.locator("#blocking-list")).to_contain_text("Application name does not match (Node report-9)")

        page.get_by_role("button", name="Show the QR").click()
        first = qr_url(page)
        eventually(lambda: page.locator("#qr").evaluate("picture => picture.naturalWidth"))
        expect(page.locator("#countdown")).to_have_text(re.compile(r"[45]:\d\d left"))
        code = open_on_phone(first)
        type_code(page, wrong(code))
        expect(page.locator("#code-problem")).to_have_text("This code is wrong.")
        expect(page.locator("#attempts")).to_have_text("5 attempts left")
        expect(page.get_by_label("Digit 1 of 6")).to_be_focused()

        type_code(page, code)
        expect(dialog.get_by_role("listitem")).to_have_count(2)
        expect(dialog).to_contain_text("Version mismatch (Node report-9)")
        expect(dialog).to_contain_text("Certified application version: 10.0 Local application version: 9.0")
        expect(dialog).to_contain_text("Application name does not match (Node report-9)")
        dialog.get_by_role("button", name="Close").click()

        page.clock.fast_forward("05:01")
        expect(page.locator("#countdown-said")).to_have_text("The QR has run out. Refresh it.")
        expect(page.get_by_role("button", name="Register")).to_be_disabled()
        page.get_by_role("button", name="Refresh the QR").click()
        second = qr_url(page, but=first)
        expect(page.get_by_role("button", name="Register")).to_be_enabled()

        parts.end("report-9")
        expect(page.locator("#blocking")).to_be_hidden()
        type_code(page, open_on_phone(second))
        expect(page.locator("#state")).to_have_text("Registered")
        expect(page.locator("#advice")).to_contain_text("Registered to Example Reports Ltd, until")
        expect(page.locator("#seats-text")).to_have_text("1 of 3 held")
        assert parts.state() == "REGISTERED"


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon whose nodes need not beat."""
    with running(make_daemon("--lease-ttl", "10m")) as started:
        yield started


@pytest.fixture
def cluster(daemon: Daemon, admin: Admin, vendor: TestVendor) -> RawNode:
    """A license, and one node that is connected."""
    node = RawNode(daemon.stubs("node")).joined()
    admin.upload(vendor.lic())
    return node


def test_R9_six_wrong_codes_lock_and_the_lock_counts_down(
    daemon: Daemon, admin: Admin, cluster: RawNode, vendor: TestVendor, browser: Browser
) -> None:
    with console_page(browser) as page:
        page.clock.install()
        log_in(page, daemon.console, daemon.token("admin"))
        page.get_by_role("button", name="Show the QR").click()
        lock(page, wrong(vendor.code(qr_url(page))))
        locked = page.locator("#locked")
        expect(locked).to_contain_text("Too many wrong codes")
        expect(locked).to_be_focused()
        expect(page.locator("#lock-countdown")).to_have_text(re.compile(r"Unlocks in 1[45]:\d\d"))
        expect(page.get_by_role("button", name="Refresh the QR")).to_be_disabled()
        expect(page.locator("#code")).to_be_hidden()

        def ten_minutes_later() -> bool:
            page.clock.fast_forward("10:00")
            return bool(re.search(r"Unlocks in [45]:\d\d", page.locator("#lock-countdown").inner_text()))

        eventually(ten_minutes_later)  # news that was under way sets the page's clock to the daemon's again
        assert admin.registration().lockout.locked


def test_a_code_is_pasted_typed_and_corrected_by_keyboard_alone(
    daemon: Daemon, admin: Admin, cluster: RawNode, vendor: TestVendor, browser: Browser
) -> None:
    with console_page(browser, permissions=["clipboard-read", "clipboard-write"]) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        show = page.get_by_role("button", name="Show the QR")
        expect(show).to_be_enabled()
        show.focus()
        page.keyboard.press("Enter")
        code = vendor.code(qr_url(page))
        page.keyboard.type("12")
        page.keyboard.press("Enter")
        expect(page.locator("#code-problem")).to_have_text("Type all six digits.")
        expect(page.get_by_label("Digit 3 of 6")).to_be_focused()
        page.keyboard.press("Backspace")
        expect(page.get_by_label("Digit 2 of 6")).to_have_value("")
        page.evaluate("code => navigator.clipboard.writeText(code)", f" {code[:3]} {code[3:]}\n")
        page.keyboard.press("Control+V")
        assert [page.get_by_label(f"Digit {n} of 6").input_value() for n in range(1, 7)] == list(code)
        page.keyboard.press("Enter")
        expect(page.locator("#state")).to_have_text("Registered")


def test_a_license_is_dragged_from_a_folder_onto_the_page(
    daemon: Daemon, vendor: TestVendor, browser: Browser, tmp_path: Path
) -> None:
    license_ = tmp_path / "Container.lic"
    license_.write_bytes(vendor.lic())
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        place = page.locator("#drop")
        expect(page.get_by_label("Choose Container.lic")).to_be_enabled()
        box = place.bounding_box()
        assert box is not None
        hand = page.context.new_cdp_session(page)
        dragged = {"items": [], "files": [str(license_)], "dragOperationsMask": 1}
        point = {"x": box["x"] + 8, "y": box["y"] + box["height"] - 8}
        for kind in ("dragEnter", "dragOver"):
            hand.send("Input.dispatchDragEvent", {"type": kind, "data": dragged, **point})
        expect(place).to_have_class("drop over")
        hand.send("Input.dispatchDragEvent", {"type": "drop", "data": dragged, **point})
        expect(page.locator("#state")).to_have_text("Not registered")
        expect(place).to_have_class("drop")


def test_R2_another_applications_license_is_shown_for_what_it_costs_before_it_replaces(
    daemon: Daemon, admin: Admin, cluster: RawNode, vendor: TestVendor, browser: Browser, tmp_path: Path
) -> None:
    admin.register()
    license_ = vendor.license()
    application = dataclasses.replace(license_.application, name="etl-server", min_version="10.0.5")
    wrong_one = dataclasses.replace(license_, application=application)
    file = tmp_path / "Container.lic"
    file.write_bytes(vendor.lic(wrong_one))
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        expect(page.locator("#state")).to_have_text("Registered")
        page.get_by_text("Upload another license").click()
        dialog = page.get_by_role("dialog", name="Replace the license?")
        for button, state in (("Cancel", "Registered"), ("Replace the license", "Not registered")):
            page.get_by_label("Choose Container.lic").set_input_files(file)
            expect(dialog).to_contain_text("etl-server 10.0 (≥ 10.0.5): 3 nodes")
            expect(dialog).to_contain_text("1 seat: report-1")
            expect(dialog).to_contain_text("ends; the cluster needs another scan")
            expect(dialog.locator("#effect-facts")).to_contain_text("Seats lost1")
            expect(dialog).to_contain_text("Application name does not match (Node report-1)")
            keep_picture(page, tmp_path / "effect.png")
            dialog.get_by_role("button", name=button).click()
            expect(dialog).to_be_hidden()
            expect(page.locator("#state")).to_have_text(state)
        assert admin.registration().license.application.name == "etl-server"


def test_a_viewer_sees_all_and_can_change_nothing(
    daemon: Daemon, admin: Admin, cluster: RawNode, browser: Browser
) -> None:
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("viewer"))
        expect(page.locator("#state")).to_have_text("Not registered")
        expect(page.locator("#steps")).to_contain_text("only an administrator")
        assert page.get_by_role("button").all_inner_texts() == ["Log out"]
        page.get_by_role("link", name="Nodes").click()
        expect(page.locator("#nodes tbody tr")).to_have_count(1)
        expect(page.get_by_role("button", name="Evict report-1")).to_have_count(0)
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url("**/login")


def test_nodes_live_and_one_is_evicted(
    daemon: Daemon, admin: Admin, cluster: RawNode, vendor: TestVendor, browser: Browser
) -> None:
    admin.register()
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        page.goto(f"{daemon.console}/nodes")
        expect(page.locator("#summary")).to_contain_text("1 connected, 1 of 3 seats held")
        other = RawNode(daemon.stubs("node"), "report-2", clock_ms=7000).joined()
        assert other.stream is not None
        for _ in range(5):
            other.stream.beat()
        row = page.locator("tr", has_text="report-2")
        expect(row).to_contain_text("Rejected")
        expect(row).to_contain_text("Server clocks do not agree")
        expect(row.get_by_role("img")).to_have_attribute("aria-label", re.compile(r"^[67]\d\d\d.* ms, error at most"))
        page.get_by_label("State").select_option("LICENSED")
        expect(page.locator("#nodes tbody tr")).to_have_count(1)
        page.get_by_label("State").select_option("")
        page.get_by_role("button", name="Evict report-2").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
        expect(row).to_be_visible()
        page.get_by_role("button", name="Evict report-2").click()
        page.get_by_role("dialog").get_by_role("button", name="Evict").click()
        expect(row).to_have_count(0)
        assert set(admin.nodes()) == {"report-1"}
        expect(page.locator("#timeline-said")).to_contain_text("1 of 3 seats now")


def test_events_live_filtered_and_exported(daemon: Daemon, admin: Admin, cluster: RawNode, browser: Browser) -> None:
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        page.get_by_role("link", name="Events").click()
        rows = page.locator("#events tbody tr")
        expect(rows.first).to_contain_text("License installed")
        expect(rows.first).to_contain_text("admin.tokenAdministrator, 127.0.0.1")
        page.locator(".kinds summary").click()
        page.get_by_label("Node joined").check()
        expect(rows).to_have_count(1)
        RawNode(daemon.stubs("node"), "report-2").joined()
        expect(rows).to_have_count(2)
        expect(rows.first).to_contain_text("report-2")
        export = page.get_by_role("link", name="CSV")
        content = page.evaluate(
            "address => fetch(address).then((answer) => answer.text())", export.get_attribute("href")
        )
        assert len(content.splitlines()) == 3
        page.get_by_label("Until").fill("2020-01-01T00:00:00")
        page.keyboard.press("Tab")
        expect(page.locator("#empty")).to_be_visible()


def test_in_chinese_but_the_contracts_words(
    daemon: Daemon, admin: Admin, cluster: RawNode, vendor: TestVendor, browser: Browser
) -> None:
    RawNode(daemon.stubs("node"), "report-2", version="9.0").joined()
    with console_page(browser, locale="zh-CN") as page:
        page.goto(f"{daemon.console}/login")
        page.get_by_label("令牌").fill(daemon.token("admin"))
        page.get_by_role("button", name="登录").click()
        expect(page.locator("#facts")).to_contain_text("程序可继续运行 15分钟")
        page.get_by_role("button", name="显示二维码").click()
        code = vendor.code(qr_url(page))
        expect(page.get_by_label("第 1 位，共 6 位")).to_be_focused()
        page.keyboard.type(code)
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog", name="Registration failed")
        expect(dialog).to_contain_text("Version mismatch")
        page.keyboard.press("Escape")
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("heading", name="Scan the QR")).to_be_visible()
        assert page.locator("html").get_attribute("lang") == "en"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_nothing_is_wider_than_the_screen(
    daemon: Daemon, admin: Admin, vendor: TestVendor, browser: Browser, scheme: str
) -> None:
    found: dict[str, list[str]] = {}

    def look(page: Page, name: str) -> None:
        for width in SIZES:
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        found[name] = violations(page)

    with console_page(browser, bypass_csp=True, color_scheme=scheme, reduced_motion="reduce") as page:
        page.goto(f"{daemon.console}/login")
        look(page, "login")
        log_in(page, daemon.console, daemon.token("admin"))
        expect(page.locator("#state")).to_have_text("No license")
        look(page, "no license")
        RawNode(daemon.stubs("node"), "report-1").joined()
        other = RawNode(daemon.stubs("node"), "report-2", version="9.0", clock_ms=9000).joined()
        assert other.stream is not None
        for _ in range(5):
            other.stream.beat()
        admin.upload(vendor.lic(expires_at=vendor.license().issued_at + 20 * 86_400))
        page.get_by_role("button", name="Show the QR").click()
        expect(page.locator("#blocking")).to_be_visible()
        expect(page.locator("#banner-expiry")).to_be_visible()
        look(page, "qr")
        code = vendor.code(qr_url(page))
        type_code(page, code)
        expect(page.get_by_role("dialog")).to_be_visible()
        look(page, "dialog")
        page.keyboard.press("Escape")
        lock(page, wrong(code))
        look(page, "locked")
        page.goto(f"{daemon.console}/nodes")
        expect(page.locator("#nodes tbody tr")).to_have_count(2)
        look(page, "nodes")
        page.get_by_role("button", name="Evict report-1").click()
        look(page, "confirm")
        page.goto(f"{daemon.console}/events")
        expect(page.locator("#events tbody tr").first).to_be_visible()
        page.locator(".kinds summary").click()
        look(page, "events")
    assert {name: each for name, each in found.items() if each} == {}


def test_a_thousand_nodes_update_within_200_ms_of_the_main_thread(
    daemon: Daemon, admin: Admin, vendor: TestVendor, browser: Browser
) -> None:
    stubs = daemon.stubs("node")
    nodes = [RawNode(stubs, f"node-{number:04d}") for number in range(1000)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(RawNode.join, nodes))
    admin.upload(vendor.lic(max_nodes=1000))
    with console_page(browser) as page:
        log_in(page, daemon.console, daemon.token("admin"))
        page.goto(f"{daemon.console}/nodes")
        expect(page.locator("#pager-text")).to_have_text("1 to 50 of 1000")
        page.evaluate(
            """() => {
              window.longest = 0;
              new PerformanceObserver((list) => {
                for (const task of list.getEntries()) window.longest = Math.max(window.longest, task.duration);
              }).observe({ type: "longtask" });
            }"""
        )
        summary, rows = page.locator("#summary"), page.locator("#nodes tbody tr")

        def longest() -> float:
            """Milliseconds of the longest update, and of any task, while every row changes and one is searched for."""
            page.evaluate("performance.clearMeasures('licd-update'); window.longest = 0")
            admin.register()
            expect(summary).to_contain_text(", 1000 of 1000 seats held")
            expect(rows.first).to_contain_text("Licensed")
            page.get_by_label("Search").fill("node-0999")
            expect(rows).to_have_count(1)
            page.get_by_label("Search").fill("")
            expect(rows).to_have_count(50)
            spans = page.evaluate("performance.getEntriesByName('licd-update').map((each) => each.duration)")
            admin.stubs.registration.ResetRegistration(registration.ResetRegistrationRequest())
            expect(summary).to_contain_text(", 0 of 1000 seats held")
            return max(*spans, page.evaluate("window.longest"))

        # A machine that is busy elsewhere makes a round longer, and never shorter.
        eventually(lambda: longest() < 200, 60)
        nodes[0].leave()
        expect(summary).to_contain_text("999 connected")
