"""R22: what NTP servers say of this machine's clock. The servers are real sockets that speak RFC 5905."""

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from licd_daemon.coordinator.ntp import measure, split_server
from licd_kit.clock import wall_ms

_NTP_EPOCH_S = 2_208_988_800


class NtpServer(threading.Thread):
    """Answers like a server whose clock is ahead of this machine's by `ahead_ms`."""

    def __init__(self, ahead_ms: int = 0, leap: int = 0, stratum: int = 2, mode: int = 4) -> None:
        super().__init__(daemon=True)
        self.ahead_ms, self.first, self.stratum = ahead_ms, leap << 6 | 4 << 3 | mode, stratum
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.name_port = f"127.0.0.1:{self.socket.getsockname()[1]}"
        self.start()

    def run(self) -> None:
        while True:
            request, peer = self.socket.recvfrom(1024)
            if not request:
                return
            ms = wall_ms() + self.ahead_ms
            stamp = struct.pack("!II", ms // 1000 + _NTP_EPOCH_S, (ms % 1000 << 32) // 1000)
            head = struct.pack("!BBbbIII", self.first, self.stratum, 6, -20, 1 << 6, 1 << 6, 0)
            self.socket.sendto(head + stamp + request[40:48] + stamp + stamp, peer)

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller:
            caller.sendto(b"", self.socket.getsockname())
        self.join()
        self.socket.close()


@pytest.fixture
def server() -> Iterator[Callable[..., NtpServer]]:
    servers: list[NtpServer] = []

    def start(ahead_ms: int = 0, **header: int) -> NtpServer:
        servers.append(NtpServer(ahead_ms, **header))
        return servers[-1]

    yield start
    for each in servers:
        each.close()


pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("ahead_ms", [0, 83_000, -83_000])
async def test_the_offset_is_what_the_clock_lacks(server: Callable[..., NtpServer], ahead_ms: int) -> None:
    measured = await measure([server(ahead_ms).name_port])
    assert measured.warnings == ()
    assert measured.answer is not None
    assert abs(measured.answer.offset_ms - ahead_ms) < 1000
    assert 0 < measured.answer.error_ms < 1000


async def test_one_wrong_server_of_three_decides_nothing(server: Callable[..., NtpServer]) -> None:
    wrong, *right = server(3_600_000), server(0), server(0)
    measured = await measure([wrong.name_port, *(each.name_port for each in right)])
    assert measured.answer is not None
    assert abs(measured.answer.offset_ms) < 1000


@pytest.mark.parametrize("header", [{"leap": 3}, {"stratum": 0}, {"stratum": 16}, {"mode": 3}])
async def test_a_server_that_is_not_synchronised_does_not_count(
    server: Callable[..., NtpServer], header: dict[str, int]
) -> None:
    bad, good = server(9_000_000, **header), server(0)
    measured = await measure([bad.name_port, good.name_port])
    assert measured.answer is not None
    assert measured.answer.server == good.name_port
    (warning,) = measured.warnings
    assert bad.name_port in warning


async def test_a_server_out_of_reach_is_a_warning() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        name = f"127.0.0.1:{silent.getsockname()[1]}"
        measured = await measure([name, "name.invalid", "127.0.0.1:0"], timeout_s=0.2)
    assert measured.answer is None
    assert len(measured.warnings) == 3
    assert name in measured.warnings[0]
    assert "name.invalid" in measured.warnings[1]


async def test_garbage_is_a_warning() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as liar:
        liar.bind(("127.0.0.1", 0))

        def answer() -> None:
            _, peer = liar.recvfrom(1024)
            liar.sendto(b"garbage", peer)

        thread = threading.Thread(target=answer)
        thread.start()
        measured = await measure([f"127.0.0.1:{liar.getsockname()[1]}"])
        thread.join()
    assert measured.answer is None
    assert len(measured.warnings) == 1


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("ntp.example", "ntp.example", 123),
        ("ntp.example:1123", "ntp.example", 1123),
        ("192.0.2.1", "192.0.2.1", 123),
        ("192.0.2.1:99", "192.0.2.1", 99),
        ("2001:db8::1", "2001:db8::1", 123),
        ("[2001:db8::1]", "2001:db8::1", 123),
        ("[2001:db8::1]:99", "2001:db8::1", 99),
    ],
)
async def test_a_server_is_written(text: str, host: str, port: int) -> None:
    assert split_server(text) == (host, port)


@pytest.mark.parametrize("text", ["ntp.example:", "ntp.example:0x7b", "ntp.example:65536", "[::1]:0"])
async def test_a_port_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="write host:port"):
        split_server(text)
