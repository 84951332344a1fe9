"""R36 at the web ports: crowds of strangers, hostile ones too, against probes, pages and memory."""

import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.console import Console
from support.daemon import Daemon

CROWD = 300
PROBES = 15
MEMORY_MIB = 32
ENDLESS_BODY = b"POST %b HTTP/1.1\r\nhost: x\r\nx-licd: 1\r\ncontent-length: 1000000000\r\n\r\n"
OPENINGS = {
    "nothing": b"",
    "half a head": b"GET /livez HTTP/1.1\r\nhost: x\r\nx: ",
    "half a body": ENDLESS_BODY % b"/livez" + b"x" * 1000,
    "half a TLS handshake": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/0.9": b"GET /livez\r\n",
    "a huge head": b"GET /livez HTTP/1.1\r\n" + b"x: y\r\n" * 10_000,
    "a wrong chunk": b"POST /livez HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
}


def connected(url: str) -> socket.socket:
    where = urlsplit(url)
    return socket.create_connection((where.hostname, where.port), timeout=10)


@contextmanager
def crowd(url: str, opening: bytes) -> Iterator[list[socket.socket]]:
    """So many connections that begin so and then are silent."""
    with ExitStack() as opened:
        members = [opened.enter_context(connected(url)) for _ in range(CROWD)]
        for member in members:
            with suppress(OSError):  # closed already
                member.sendall(opening)
        yield members


@contextmanager
def storm(strike: Callable[[], None]) -> Iterator[None]:
    """Strikes again and again, four at a time."""
    over = threading.Event()

    def rage() -> None:
        while not over.is_set():
            with suppress(OSError):
                strike()

    threads = [threading.Thread(target=rage, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def assert_it_lives_on(daemon: Daemon, under: str) -> None:
    """Every probe is answered, and most within a second."""
    took = []
    for number in range(PROBES):
        began = time.monotonic()
        assert Console(daemon.ops).get("/readyz" if number % 2 else "/livez").status == 200, under
        took.append(time.monotonic() - began)
    assert statistics.median(took) < 1, (under, took)


def memory_mib(daemon: Daemon) -> int:
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def test_R36_probes_are_answered_whatever_crowd_is_there(daemon: Daemon) -> None:
    for name, opening in OPENINGS.items():
        for url in (daemon.ops, daemon.console):
            with crowd(url, opening):
                assert_it_lives_on(daemon, f"{name} at {url}")
                assert Console(daemon.console, daemon.ca).get("/login").status == 200, name
    assert {entry["event"] for entry in daemon.log} == {"certificate_made", "serving"}


def test_R36_probes_are_answered_in_a_storm(daemon: Daemon) -> None:
    def come_and_go() -> None:
        connected(daemon.ops).close()

    def ask_a_thousand_times() -> None:
        with connected(daemon.ops) as peer:
            peer.sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 1000)
            peer.recv(1)

    def begin_tls() -> None:
        Console(daemon.console, daemon.ca).get("/login")

    for strike in (come_and_go, ask_a_thousand_times, begin_tls):
        with storm(strike):
            assert_it_lives_on(daemon, strike.__name__)


@pytest.mark.parametrize("path", [b"/api/license", b"/api/login", b"/static/console.js"])
def test_R36_a_body_without_a_session_is_not_held(daemon: Daemon, path: bytes) -> None:
    """Each of the crowd goes on sending as long as it may."""
    browser = Console(daemon.console, daemon.ca)
    assert browser.get("/login").status == 200
    before = memory_mib(daemon)
    with ExitStack() as opened:
        for _ in range(CROWD // 3):
            peer = browser.connect()
            opened.callback(peer.close)
            with suppress(OSError):
                peer.connect()
                peer.sock.settimeout(0.1)
                peer.sock.sendall(ENDLESS_BODY % path + bytes(1_000_000))
        assert browser.get("/login").status == 200
        assert memory_mib(daemon) - before < MEMORY_MIB


def test_R36_an_answer_given_early_can_be_read_and_the_connection_used_again(daemon: Daemon) -> None:
    browser = Console(daemon.console, daemon.ca)
    connection = browser.connect()
    for _ in range(2):
        connection.request("POST", "/api/license", bytes(60_000), {"x-licd": "test"})
        answer = connection.getresponse()
        assert answer.status == 401
        answer.read()
    connection.close()
