"""The console's pages on a slow network, at a refused login, and while the daemon is away."""

import re

from e2e.console_page import console_page, log_in, qr_url
from playwright.sync_api import Browser, Page, Route, expect
from support.admin import Admin
from support.daemon import Daemon
from support.vendor import TestVendor
from support.waiting import eventually

expect.set_options(timeout=15_000)  # a busy machine is no fault of the page


def test_what_is_pressed_before_the_pages_script_has_come_is_not_lost(
    daemon: Daemon, admin: Admin, vendor: TestVendor, browser: Browser
) -> None:
    admin.upload(vendor.lic())
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    def let_go(page: Page) -> None:
        eventually(lambda: page.title() and held)
        held.pop().continue_()

    with console_page(browser) as page:
        page.route(re.compile(r"/static/(login|digits)\.js"), hold)
        page.goto(f"{daemon.console}/login", wait_until="commit")
        page.get_by_label("Token").fill(daemon.token("admin"))
        page.keyboard.press("Enter")
        expect(page.get_by_label("Token")).to_have_value(daemon.token("admin"))
        assert page.url == f"{daemon.console}/login", "no token in an address"
        let_go(page)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/registration", wait_until="commit")
        show = page.get_by_role("button", name="Show the QR")
        expect(show).to_be_disabled()
        expect(page.get_by_label("Choose Container.lic")).to_be_disabled()
        let_go(page)
        show.click()
        qr_url(page)


def test_a_refused_login_is_told_in_the_pages_language(daemon: Daemon, browser: Browser) -> None:
    context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{daemon.console}/login#used-up")
    expect(page.get_by_role("alert")).to_have_text("此链接已用过或已过期，请使用令牌登录。")
    expect(page.locator("#login-hint")).to_contain_text("tokens/admin.token")
    page.get_by_label("令牌").fill("nonsense")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("alert")).to_contain_text("此令牌无效")
    expect(page.get_by_label("令牌")).to_be_focused()
    context.close()


def test_a_failure_keeps_the_contracts_words_and_is_explained_in_the_pages_language(
    daemon: Daemon, admin: Admin, vendor: TestVendor, browser: Browser
) -> None:
    admin.upload(vendor.lic())
    context = browser.new_context(ignore_https_errors=True, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{daemon.console}/login")
    page.get_by_label("令牌").fill(daemon.token("viewer"))
    page.get_by_role("button", name="登录").click()
    failure = page.locator("#blocking-list li")
    expect(failure.locator("strong")).to_have_text("No node is connected")
    expect(failure.locator("span[lang=zh]")).to_contain_text("没有已连接的节点。请至少启动一台报表服务器")
    expect(failure.locator(".remedy")).to_contain_text("Start at least one report server")
    context.close()


def test_a_daemon_that_goes_away_is_told_and_comes_back_to_a_login(daemon: Daemon, browser: Browser) -> None:
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    address = daemon.console.removeprefix("https://")
    log_in(page, daemon.console, daemon.token("viewer"))
    expect(page.locator("#state")).to_have_text("No license")
    daemon.kill()
    expect(page.locator("#offline")).to_be_visible()
    daemon.options[daemon.options.index("--console-listen") + 1] = address
    daemon.start()
    page.wait_for_url("**/login?next=registration", timeout=15_000)
    context.close()
