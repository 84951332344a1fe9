"""R23: an NTP answer counts only if it answers our question, its fields make sense, and its era is the build's."""

import struct

import pytest

from licd_daemon.coordinator.ntp import UnusableAnswer, judged
from licd_daemon.core.build import BUILD_MS

QUESTION = bytes(range(8))
NTP_EPOCH_S = 2_208_988_800


def packet(
    sent_s: float,
    *,
    took_s: float = 0.001,
    origin: bytes = QUESTION,
    first: int = 0x24,
    stratum: int = 2,
    root: tuple[int, int] = (10, 10),
) -> bytes:
    """A server's packet (RFC 5905, figure 8); seconds since 1970, root delay and dispersion in 2^-16 s."""
    head = struct.pack("!BBBbII4s8s", first, stratum, 6, -20, *root, b"GPS\0", bytes(8))
    return head + origin + _stamp(sent_s - took_s) + _stamp(sent_s)


def _stamp(seconds: float) -> bytes:
    whole, fraction = divmod(seconds + NTP_EPOCH_S, 1)
    return struct.pack("!II", int(whole) % 2**32, int(fraction * 2**32))


@pytest.mark.parametrize(
    "now_s",
    [BUILD_MS / 1000 + 1, 1_800_000_000.25, 2_085_978_495.75, 2_085_978_496.5, 2_147_483_648.0, 4_000_000_000.0],
    ids=["build", "2027", "last-of-era-0", "first-of-era-1", "2038", "2096"],
)
def test_R23_an_answer_of_every_era_from_the_build_on_is_read(now_s: float) -> None:
    received, sent = judged(packet(now_s), QUESTION)
    assert sent == pytest.approx(now_s * 1000, abs=1)
    assert received == pytest.approx(now_s * 1000 - 1, abs=1)


NOW_S = BUILD_MS / 1000 + 1000


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (packet(NOW_S, origin=bytes(8)), "another question"),
        (packet(NOW_S, origin=_stamp(NOW_S - 86_400)), "another question"),
        (packet(NOW_S, origin=QUESTION[::-1]), "another question"),
        (packet(NOW_S, first=0xE4), "not synchronised"),
        (packet(NOW_S, stratum=0), "not synchronised"),
        (packet(NOW_S, stratum=16), "not synchronised"),
        (packet(NOW_S, first=0x23), "not synchronised"),
        (packet(NOW_S, first=0x3C), "make no sense"),
        (packet(NOW_S, root=(17 << 16, 0)), "make no sense"),
        (packet(NOW_S, root=(0, 17 << 16)), "make no sense"),
        (packet(NOW_S)[:40] + bytes(8), "make no sense"),
        (packet(NOW_S)[:32] + bytes(8) + packet(NOW_S)[40:], "make no sense"),
        (packet(NOW_S, took_s=-1), "before it was asked"),
        (packet(NOW_S)[:47], "no NTP packet"),
        (b"", "no NTP packet"),
    ],
)
def test_R23_an_answer_that_is_not_ours_or_makes_no_sense_does_not_count(answer: bytes, why: str) -> None:
    with pytest.raises(UnusableAnswer, match=why):
        judged(answer, QUESTION)
