"""How far this machine's clock is from NTP servers (R22).

Rules:

- A server's answer counts only if it is synchronised: leap indicator not 3, stratum 1 to 15 (RFC 5905, figures
  9 and 11).
- Of several answers the median counts, so that one wrong server among three decides nothing.
- A server that does not answer is a warning, never a failure.
- ntplib blocks: each server is asked on a thread.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import ntplib

_PORT = 123
_VERSION = 4
_NO_LEAP_ALARM = (0, 1, 2)
_MODE_SERVER = 4


@dataclass(frozen=True, slots=True)
class NtpAnswer:
    """One server's word. `offset_ms`: what this machine's clock lacks; `error_ms`: how wrong that may be."""

    server: str
    offset_ms: float
    error_ms: float


@dataclass(frozen=True, slots=True)
class NtpMeasurement:
    """The median answer (None: no server answered well) and a sentence for each server that did not."""

    answer: NtpAnswer | None
    warnings: tuple[str, ...]


async def measure(servers: Sequence[str], timeout_s: float = 5.0) -> NtpMeasurement:
    """Asks all servers at the same time.

    Args:
        servers: `host`, `host:port`, `IPv6` or `[IPv6]:port`.
        timeout_s: How long to wait for each, in seconds.
    """
    outcomes = await asyncio.gather(*(asyncio.to_thread(_ask, server, timeout_s) for server in servers))
    answers = sorted((each for each in outcomes if isinstance(each, NtpAnswer)), key=lambda answer: answer.offset_ms)
    median = answers[(len(answers) - 1) // 2] if answers else None
    return NtpMeasurement(median, tuple(each for each in outcomes if isinstance(each, str)))


def split_server(server: str) -> tuple[str, int]:
    """Host and port of `host`, `host:port`, a bare IPv6 address, `[IPv6]` or `[IPv6]:port`; port 123 if none is named.

    Raises:
        ValueError: The port is no number from 1 to 65535.
    """
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = server, str(_PORT)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{server!r} has no usable port: write host:port, such as ntp.example:123")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _ask(server: str, timeout_s: float) -> NtpAnswer | str:
    """The server's answer, or the sentence that says why there is none."""
    try:
        host, port = split_server(server)
        answer = ntplib.NTPClient().request(host, version=_VERSION, port=port, timeout=timeout_s)
    except (ntplib.NTPException, OSError, ValueError) as error:
        return f"NTP server {server} can't be asked: {error}"
    if answer.leap not in _NO_LEAP_ALARM or not 1 <= answer.stratum <= 15 or answer.mode != _MODE_SERVER:
        return f"NTP server {server} is not synchronised (leap {answer.leap}, stratum {answer.stratum})"
    error_s = (answer.delay + answer.root_delay) / 2 + answer.root_dispersion
    return NtpAnswer(server, answer.offset * 1000, error_s * 1000)
