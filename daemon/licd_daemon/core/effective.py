"""Effective time, by which the license is judged, and whether the machine's wall clock is to be trusted (R22, R23).

Rules:

- Effective time moves on by boottime. A wall clock that is ahead of it by no more than the limit is followed, so that
  what NTP corrects in small steps is taken over.
- A wall clock that is ahead by more is a jump: it is not taken over until something confirms it. A wall clock that is
  behind is never followed. So one wrong jump ends no license, and setting the clock back makes none longer.
- CLOCK_UNTRUSTED: the wall clock is ahead or behind by more than the limit, or off an NTP server by more than the limit
  and the error of its answer. It heals when none of that is so any more.
- An NTP answer confirms a jump when it agrees with the wall clock and not with effective time. It never takes effective
  time back: who runs the daemon runs its NTP server too.
- When more than half of all clocks, the leader's included, agree with one another and not with the leader's, the leader
  can't tell whose clock is wrong, and says so, unless an NTP server vouches for it (R21).

All spans are in milliseconds.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from licd_daemon.core.checks import clock_untrusted
from licd_daemon.core.drift import Estimate
from licd_daemon.core.model import DAY_MS, Failure

LIMIT_MS = 5_000  # R21's default
DOUBTFUL_START_MS = DAY_MS
"""A run that begins in doubt takes over a clock that is ahead by no more: what the machine may have been off for."""


class Confirmed(StrEnum):
    """Who has confirmed the wall clock."""

    NTP = "NTP"
    CODE = "CODE"


class Cause(StrEnum):
    """Why the wall clock is not to be trusted."""

    NTP = "NTP"
    AHEAD = "AHEAD"
    BEHIND = "BEHIND"
    NODES = "NODES"


class NtpWord(NamedTuple):
    """What an NTP server says now: the wall clock lacks `offset`, give or take `error`."""

    server: str
    offset: float
    error: float


class Doubt(NamedTuple):
    """One cause: `span` by which the clock is off, and the words for it."""

    cause: Cause
    span: float
    detail: str


def moved_on(effective: int, step: int, wall: int, limit: int) -> int:
    """Effective time after `step` of boottime, with the wall clock at `wall` (R23)."""
    effective += step
    return wall if 0 < wall - effective <= limit else effective


def majority(estimates: Sequence[Estimate], limit: float) -> Estimate | None:
    """Where most clocks stand, as seen from the leader's; None: the leader's is among them, or no majority agrees.

    Args:
        estimates: The nodes' clocks, node minus leader. The leader's own counts too, with no offset.
        limit: How far apart clocks may be that agree.
    """
    clocks = sorted([Estimate(0.0, 0.0), *estimates])
    median = clocks[(len(clocks) - 1) // 2]
    agreeing = sum(1 for clock in clocks if abs(clock.offset - median.offset) - clock.error - median.error <= limit)
    return median if median.over(limit) and 2 * agreeing > len(clocks) else None


def doubts(wall: float, effective: float, limit: float, ntp: NtpWord | None, most: Estimate | None) -> list[Doubt]:
    """Every cause that holds, the weightiest first (R22, R23).

    Args:
        wall: The machine's clock.
        effective: Effective time at the same instant.
        limit: What is tolerated.
        ntp: The word of the NTP servers, if there is any.
        most: Where most clocks stand if not with the leader's (see `majority`).
    """
    found = []
    lead = wall - effective
    if ntp is not None and abs(ntp.offset) - ntp.error > limit:
        span = abs(ntp.offset)
        found.append(Doubt(Cause.NTP, span, f"by {_seconds(span)} s off NTP server {ntp.server}"))
    if lead > limit:
        detail = f"jumped ahead by {_seconds(lead)} s, which nothing has confirmed"
        found.append(Doubt(Cause.AHEAD, lead, detail))
    if -lead > limit:
        found.append(Doubt(Cause.BEHIND, -lead, f"set back by {_seconds(-lead)} s behind a time already seen"))
    vouched = ntp is not None and abs(ntp.offset) + ntp.error <= limit
    if most is not None and not vouched and not found:
        span = abs(most.offset)
        detail = f"by {_seconds(span)} s off most of the cluster's clocks, so no single node is to blame"
        found.append(Doubt(Cause.NODES, span, detail))
    return found


def _seconds(span: float) -> str:
    return f"{span / 1000:.1f}" if span < 10_000 else f"{span / 1000:.0f}"


def failure_of(found: Sequence[Doubt]) -> Failure | None:
    """The doubts as one failure, with the remedy of the first; None: the clock is trusted."""
    if not found:
        return None
    return clock_untrusted("; ".join(doubt.detail for doubt in found), REMEDIES[found[0].cause])


def confirms(ntp: NtpWord, wall: float, effective: float, limit: float) -> bool:
    """Whether an NTP answer takes a jump ahead over: it agrees with the wall clock, and not with effective time."""
    agrees = abs(ntp.offset) - ntp.error <= limit
    differs = abs(wall + ntp.offset - effective) - ntp.error > limit
    return wall - effective > limit and agrees and differs


_SET = "Set the clock of the leader daemon's machine right (NTP)."
_BY_CODE = f"{_SET} If it is right now, draw a QR and submit its code: that confirms the time."
REMEDIES = {
    Cause.NTP: _SET,
    Cause.AHEAD: _BY_CODE,
    Cause.BEHIND: _BY_CODE,
    Cause.NODES: f"{_SET} If the nodes are wrong, set theirs; with --ntp-server the leader can tell.",
}
