"""How far this machine's clock is from NTP servers (R22).

Rules:

- A server's answer counts only if it is synchronised: leap indicator not 3, stratum 1 to 15 (RFC 5905, figures
  9 and 11).
- Of three or more answers the median counts, so that one wrong server among three decides nothing. Two that contradict
  each other decide nothing either.
- A server that does not answer is a warning, never a failure.
- An answer during which the clock was set is left out.
- ntplib blocks: each server is asked on a thread.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import ntplib

from licd_daemon.clock import boot_and_wall

_PORT = 123
_VERSION = 4
_NO_LEAP_ALARM = (0, 1, 2)
_MODE_SERVER = 4
_SET_BY_MS = 20.0
"""How far wall clock and boottime may come apart while a server is asked; more, and the clock was set."""


@dataclass(frozen=True, slots=True)
class NtpAnswer:
    """One server's word. `offset_ms`: what this machine's clock lacks; `error_ms`: how wrong that may be.

    `true_minus_boot_ms`: the server's time minus this machine's boottime; `asked_boot_ms`: boottime of the answer.
    """

    server: str
    offset_ms: float
    error_ms: float
    true_minus_boot_ms: float
    asked_boot_ms: float


@dataclass(frozen=True, slots=True)
class NtpMeasurement:
    """The answer that counts (None: there is none) and a sentence for each server that gave none."""

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
    warnings = [each for each in outcomes if isinstance(each, str)]
    if len(answers) == 2 and _contradict(*answers):
        names = " and ".join(answer.server for answer in answers)
        warnings.append(f"NTP servers {names} contradict each other: name a third")
        return NtpMeasurement(None, tuple(warnings))
    return NtpMeasurement(_counts(answers), tuple(warnings))


def _contradict(one: NtpAnswer, other: NtpAnswer) -> bool:
    # The few ms are what the machine's clock moves by between two answers.
    return abs(one.offset_ms - other.offset_ms) > one.error_ms + other.error_ms + _SET_BY_MS


def _counts(answers: Sequence[NtpAnswer]) -> NtpAnswer | None:
    """The median; of two, the one with the smaller error."""
    if len(answers) == 2:
        return min(answers, key=lambda answer: answer.error_ms)
    return answers[(len(answers) - 1) // 2] if answers else None


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
    boot, wall = boot_and_wall()
    try:
        host, port = split_server(server)
        answer = ntplib.NTPClient().request(host, version=_VERSION, port=port, timeout=timeout_s)
    except (ntplib.NTPException, OSError, ValueError) as error:
        return f"NTP server {server} can't be asked: {error}"
    if answer.leap not in _NO_LEAP_ALARM or not 1 <= answer.stratum <= 15 or answer.mode != _MODE_SERVER:
        return f"NTP server {server} is not synchronised (leap {answer.leap}, stratum {answer.stratum})"
    end_boot, end_wall = boot_and_wall()
    if abs((end_wall - wall) - (end_boot - boot)) > _SET_BY_MS:
        return f"NTP server {server} was asked while this machine's clock was set"
    offset_ms = answer.offset * 1000
    error_s = (answer.delay + answer.root_delay) / 2 + answer.root_dispersion
    return NtpAnswer(server, offset_ms, error_s * 1000, end_wall + offset_ms - end_boot, end_boot)
