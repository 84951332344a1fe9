"""The portal on the internet: limits, proxies, languages, slow and hostile clients, processes that end and restart."""

import os
import re
import signal
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import structlog
from support.waiting import eventually
from vendor.commands import Run, serving
from vendor.conftest import no_passphrase, served
from vendor.deployment import Clock, Deployment, Page, Phone, logged_answers

from licd_formats.license import License
from licd_kit.addresses import Address
from licd_vendor import keys
from licd_vendor.domain.scan import Refusal, RefusedScan
from licd_vendor.portal import server, words
from licd_vendor.portal.app import create_app
from licd_vendor.portal.language import Language, choose
from licd_vendor.portal.limits import Limits
from licd_vendor.portal.proxies import Proxies, limit_key
from licd_vendor.store import records
from licd_vendor.store.database import Database, open_database

CHINESE = re.compile("[\u4e00-\u9fff]")


def tap_from(proxy: Phone, address: str, path: str) -> Page:
    """A tap that the proxy passes on."""
    return proxy.ask("POST", path, headers={"x-forwarded-for": address})


def test_an_address_may_tap_so_often_a_minute(proxy: Phone, license_: License, clock: Clock) -> None:
    clock.now -= clock.now % 60
    paths = [Deployment(license_, clock).qr() for _ in range(5)]
    statuses = [tap_from(proxy, "203.0.113.7", path).status for path in paths]
    assert statuses == [200, 409, 409, 409, 429]
    refused = tap_from(proxy, "203.0.113.7", paths[0])
    assert (refused.status, refused.headers["retry-after"], refused.title) == (429, "60", "That was too often")
    clock.now += 60
    assert tap_from(proxy, "203.0.113.7", paths[0]).status == 200


def test_a_license_is_asked_for_so_often_a_minute_from_wherever(proxy: Phone, license_: License, clock: Clock) -> None:
    path = Deployment(license_, clock).qr()
    statuses = [tap_from(proxy, f"203.0.113.{at}", path).status for at in range(8)]
    assert statuses == [200] * 6 + [429] * 2


def test_limits_are_shared_by_all_processes(
    proxy: Phone, home: Path, database_url: str, license_: License, clock: Clock
) -> None:
    path = Deployment(license_, clock).qr()
    database = open_database(database_url)
    app = create_app(database, keys.load_portal(home, no_passphrase), clock, Proxies.of(["127.0.0.1"]), Limits(4, 6))
    with served(app) as other:
        statuses = [tap_from((proxy, other)[at % 2], "203.0.113.7", path).status for at in range(6)]
    database.close()
    assert statuses == [200] * 4 + [429] * 2


def test_a_client_cannot_write_its_own_address(proxy: Phone, phone: Phone, license_: License, clock: Clock) -> None:
    path = Deployment(license_, clock).qr()
    for at in range(4):
        assert tap_from(proxy, f"198.51.100.{at}, 203.0.113.7", path).status == 200
    assert tap_from(proxy, "198.51.100.99, 203.0.113.7", path).status == 429
    assert tap_from(proxy, "198.51.100.99, 203.0.113.8, 10.9.0.1", path).status == 200, "a named proxy is passed over"


def test_x_forwarded_for_is_believed_from_named_proxies_only() -> None:
    nobody, proxies = Proxies(), Proxies.of(["10.0.0.0/8", "::1"])
    assert nobody.client("198.51.100.1", ["203.0.113.7"]) == "198.51.100.1"
    assert proxies.client("198.51.100.1", ["203.0.113.7"]) == "198.51.100.1"
    assert proxies.client("10.1.1.1", ["203.0.113.7"]) == "203.0.113.7"
    assert proxies.client("10.1.1.1", ["6.6.6.6", "203.0.113.7, 10.2.2.2"]) == "203.0.113.7"
    assert proxies.client("::1", ["2001:db8::5"]) == "2001:db8::5"
    assert proxies.client("::ffff:10.1.1.1", ["203.0.113.7"]) == "203.0.113.7"
    assert proxies.client("10.1.1.1", ["nonsense"]) == "10.1.1.1"
    assert proxies.client("10.1.1.1", [", ".join(["10.0.0.1"] * 1000)]) == "10.0.0.1"
    assert proxies.client("", ["203.0.113.7"]) == ""
    assert limit_key("2001:db8::5") == limit_key("2001:db8::ffff:1") == "2001:db8::/64"
    assert limit_key("203.0.113.7") != limit_key("203.0.113.8")


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", Language.ENGLISH),
        ("zh-CN,zh;q=0.9,en;q=0.8", Language.CHINESE),
        ("en-GB,zh;q=0.9", Language.ENGLISH),
        ("de,zh;q=0.5,en;q=0.4", Language.CHINESE),
        ("de-DE,de", Language.ENGLISH),
        ("zh;q=0", Language.ENGLISH),
        ("zh;q=nan, ZH-hant;q=2", Language.ENGLISH),
        ("*;q=1,zh-TW;q=0.1", Language.CHINESE),
        ("," * 5000 + "zh", Language.ENGLISH),
    ],
)
def test_the_page_speaks_the_phones_language(header: str, language: Language) -> None:
    assert choose(header) is language


def test_every_sentence_is_there_in_chinese() -> None:
    english, chinese = (words.SENTENCES[language] for language in Language)
    assert english.refusals.keys() == chinese.refusals.keys() == set(Refusal) - {Refusal.CLOCK_OFF}
    for kind in Refusal:
        ours, theirs = (words.of(RefusedScan(kind, 90_061), language) for language in Language)
        assert ours.status == theirs.status
        assert all(CHINESE.search(text) for text in (theirs.title, theirs.meaning, theirs.remedy))
        assert not CHINESE.search(ours.title + ours.meaning + ours.remedy)
    names = [name for name in type(chinese.texts).__slots__ if name != "node_count"]
    assert all(CHINESE.search(getattr(chinese.texts, name)) for name in names)


def test_r25_a_chinese_phone_reads_chinese(phone: Phone, deployment: Deployment) -> None:
    chinese = {"accept-language": "zh-CN"}
    page = phone.ask("POST", deployment.qr(), headers=chinese)
    assert (page.headers["content-language"], page.digits) == ("zh-Hans", ["042195"])
    assert '<html lang="zh-Hans">' in page.text
    assert "请在服务器上输入此验证码" in page.text
    assert phone.ask("GET", "/none", headers=chinese).title == "没有此页面"
    assert phone.ask("PUT", deployment.qr(), headers=chinese).title == "此处无法执行该操作"
    assert phone.look(deployment.qr()).headers["content-language"] == "en"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"POST /Q/",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc",
    ],
    ids=["nothing", "half a line", "half a header", "half a body"],
)
def test_slow_loris_is_cut_off(database: Database, home: Path, sent: bytes) -> None:
    with served(create_app(database, keys.load_portal(home, no_passphrase)), request_seconds=0.5) as phone:
        began = time.monotonic()
        with socket.create_connection((phone.host, phone.port), timeout=10) as slow:
            slow.sendall(sent)
            try:
                for _ in range(100):  # a byte now and then does not help
                    slow.settimeout(0.1)
                    try:
                        if slow.recv(65_536) == b"":
                            break
                    except TimeoutError:
                        slow.sendall(b"a" if sent else b"")
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert 0.3 < time.monotonic() - began < 8
        assert phone.look("/healthz").status == 200


def test_a_head_without_end_is_turned_away(phone: Phone) -> None:
    with socket.create_connection((phone.host, phone.port), timeout=10) as endless:
        endless.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 40_000)
        assert endless.recv(65_536).startswith(b"HTTP/1.1 400")


def test_http_that_is_none_is_turned_away(phone: Phone) -> None:
    for sent in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    ):
        with socket.create_connection((phone.host, phone.port), timeout=10) as strange:
            strange.sendall(sent + b"\r\n\r\n")
            assert not strange.recv(65_536).startswith(b"HTTP/1.1 5")


@pytest.fixture
def started(run: Run, tmp_path: Path) -> Path:
    """The home of a vendor with keys."""
    assert run("keygen", "--no-passphrase", "--vendor-name", "V", "--vendor-email", "v@vendor.example").exit_code == 0
    return tmp_path / "home"


def children_of(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def age_of(pid: int) -> float:
    """Seconds since the process was started."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def is_gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True


def test_workers_are_restarted_share_their_counts_and_end_together(started: Path) -> None:
    with serving(started, "--workers", "2", "--ops-listen", "127.0.0.1:0") as (process, phone):
        assert process.stdout is not None
        ops = process.stdout.readline().rpartition(" ")[2].strip()
        eventually(lambda: len(children_of(process.pid)) == 3)
        children = children_of(process.pid)
        assert phone.look("/healthz").status == 200
        for path in ("/livez", "/readyz"):
            with urllib.request.urlopen(ops + path, timeout=10) as answer:
                assert answer.status == 200
        eventually(lambda: age_of(children[0]) > 3)
        os.kill(children[0], signal.SIGKILL)
        eventually(lambda: len(children_of(process.pid)) == 3 and children[0] not in children_of(process.pid))
        assert [phone.look("/healthz").status for _ in range(6)] == [200] * 6

        def metrics() -> str:
            with urllib.request.urlopen(ops + "/metrics", timeout=10) as answer:
                return str(answer.read().decode())

        # A request is counted when it is over, which its caller may know a moment before.
        eventually(lambda: 'requests_total{method="GET",route="health",status="200"} 7.0' in metrics())
        assert 'licd_vendor_licenses{state="bound"} 0.0' in metrics()
        assert "licd_vendor_open_alerts 0.0" in metrics()
        last = children_of(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert all(map(is_gone, last))


def test_workers_end_when_their_parent_is_killed(started: Path) -> None:
    with serving(started) as (process, phone):
        children = eventually(lambda: children_of(process.pid))
        assert phone.look("/healthz").status == 200
        process.kill()
        eventually(lambda: all(map(is_gone, children)))


def test_what_is_under_way_is_answered_before_the_end(
    home: Path, database: Database, deployment: Deployment, license_: License
) -> None:
    running = server.make(create_app(database, keys.load_portal(home, no_passphrase), deployment.clock))
    with server.listen(Address("127.0.0.1", 0)) as listening, ThreadPoolExecutor(2) as pool:
        ended = pool.submit(running.run, [listening])
        try:
            with database.writing() as connection:
                records.find_license(connection, license_.license_id)  # held: the tap has to wait
                tap = pool.submit(Phone(*listening.getsockname()).tap, deployment.qr())
                eventually(lambda: running.server_state.tasks)
                running.should_exit = True
        finally:
            running.should_exit = True
        assert tap.result(20).status == 200
        ended.result(20)


def test_a_proxy_that_is_no_address_is_refused(run: Run, started: Path) -> None:
    refused = run("portal", "serve", "--listen", "127.0.0.1:0", "--trusted-proxy", "proxy.example")
    assert (refused.exit_code, "--trusted-proxy: not an address" in refused.stderr) == (1, True)


def test_r25_the_access_log_has_no_token(proxy: Phone, deployment: Deployment) -> None:
    path = deployment.qr()
    with structlog.testing.capture_logs() as entries:
        tap_from(proxy, "203.0.113.7", path)
        proxy.ask("BREW", path)
        answered = logged_answers(entries, 2)
    assert [(one["client"], one["method"], one["status"]) for one in answered] == [
        ("203.0.113.7", "POST", 200),
        ("127.0.0.1", "other", 405),
    ]
    assert path[3:20].lower() not in str(entries).lower()
