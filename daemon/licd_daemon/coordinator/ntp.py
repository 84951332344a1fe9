"""How far this machine's clock is from NTP servers (R22).

Rules:

- A server's answer counts only if it answers this question (its origin timestamp is ours, 64 random bits) and comes
  from the address that was asked, and if it is synchronised: leap indicator not 3, stratum 1 to 15, times that are
  set, root delay and dispersion below 16 s (RFC 5905, figures 9 and 11, section 7.3).
- Its timestamps are of the era that begins at the build's date: NTP's 32 bits of seconds start again in February 2036.
- Of three or more answers the median counts, so that one wrong server among three decides nothing. Two that contradict
  each other decide nothing either.
- A server that does not answer is a warning, never a failure.
- An answer during which the clock was set is left out.
- The socket blocks: each server is asked on a thread. ntplib reads the packet; it can't write one after 2036.
"""

import asyncio
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass

import ntplib

from licd_daemon.core.build import BUILD_MS
from licd_kit.clock import boot_and_wall

_PORT = 123
_VERSION = 4
_NO_LEAP_ALARM = (0, 1, 2)
_MODE_SERVER = 4
_MODE_CLIENT = 3
_VERSIONS = (3, 4)
_LARGEST = 1024
_LARGEST_ROOT_S = 16.0  # RFC 5905's MAXDISP
_NTP_EPOCH_S = 2_208_988_800  # from 1900 to 1970
_ERA_S = 2**32
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
        ValueError: The port is not a number from 1 to 65535.
    """
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]") or (":" in host and not host.endswith("]")):
        host, port = server, str(_PORT)
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{server!r} has no usable port: write host:port, such as ntp.example:123")
    return host.removeprefix("[").removesuffix("]"), int(port)


class UnusableAnswer(Exception):
    """An answer that does not count; the text says why, after the server's name."""


def _ask(server: str, timeout_s: float) -> NtpAnswer | str:
    """The server's answer, or the sentence that says why there is none."""
    question = secrets.token_bytes(8)
    boot, wall = boot_and_wall()
    try:
        packet = _exchange(server, question, timeout_s)
        end_boot, end_wall = boot_and_wall()
        received, sent = judged(packet, question)
    except (OSError, ValueError) as error:
        return f"NTP server {server} can't be asked: {error}"
    except UnusableAnswer as error:
        return f"NTP server {server} {error}"
    if abs((end_wall - wall) - (end_boot - boot)) > _SET_BY_MS:
        return f"NTP server {server} was asked while this machine's clock was set"
    offset_ms = ((received - wall) + (sent - end_wall)) / 2
    delay_ms = max(0.0, (end_boot - boot) - (sent - received))
    fields = ntplib.NTPPacket()
    fields.from_data(packet)
    error_ms = (delay_ms + fields.root_delay * 1000) / 2 + fields.root_dispersion * 1000
    return NtpAnswer(server, offset_ms, error_ms, end_wall + offset_ms - end_boot, end_boot)


def _exchange(server: str, question: bytes, timeout_s: float) -> bytes:
    """Sends the question as the client's transmit timestamp, and gives the first packet that comes back."""
    host, port = split_server(server)
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as link:
        link.settimeout(timeout_s)
        link.connect(address)
        link.send(bytes([_VERSION << 3 | _MODE_CLIENT]) + bytes(39) + question)
        return link.recv(_LARGEST)


def judged(packet: bytes, question: bytes) -> tuple[float, float]:
    """When the server received and answered, in ms since the Unix epoch.

    Args:
        packet: What came back.
        question: The 8 bytes that were sent as the client's transmit timestamp.

    Raises:
        UnusableAnswer: The answer is to another question, makes no sense, or its server is not synchronised.
    """
    answer = ntplib.NTPPacket()
    try:
        answer.from_data(packet)
    except ntplib.NTPException:
        raise UnusableAnswer("gave no NTP packet") from None
    if packet[24:32] != question:
        raise UnusableAnswer("answered another question: its origin timestamp is not ours")
    if answer.leap not in _NO_LEAP_ALARM or not 1 <= answer.stratum <= 15 or answer.mode != _MODE_SERVER:
        raise UnusableAnswer(f"is not synchronised (leap {answer.leap}, stratum {answer.stratum})")
    sane = 0 <= answer.root_delay < _LARGEST_ROOT_S and 0 <= answer.root_dispersion < _LARGEST_ROOT_S
    if not sane or answer.version not in _VERSIONS or not answer.recv_timestamp or not answer.tx_timestamp:
        raise UnusableAnswer("gave fields that make no sense (version, times, root delay or dispersion)")
    received, sent = _unix_ms(answer.recv_timestamp), _unix_ms(answer.tx_timestamp)
    if not 0 <= sent - received < _LARGEST_ROOT_S * 1000:
        raise UnusableAnswer("answered before it was asked, by its own times")
    return received, sent


def _unix_ms(timestamp: float) -> float:
    """An NTP timestamp, in seconds of an unknown era, as ms since the Unix epoch, not before the build's date."""
    floor_s = BUILD_MS // 1000
    since_floor = (timestamp - _NTP_EPOCH_S - floor_s) % _ERA_S
    return (floor_s + since_floor) * 1000
