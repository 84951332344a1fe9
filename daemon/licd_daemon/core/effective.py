"""R22, R23: effective time, by which the license is judged, and whether the machine's wall clock is to be trusted.

Rules:

- Effective time moves on by boottime. A wall clock that is ahead of it by no more than the limit is followed, so that
  what NTP corrects in small steps is accepted.
- A wall clock that is ahead by more is a jump: it is not accepted until something confirms it. A wall clock that is
  behind is never followed. So one wrong jump ends no license, and setting the clock back makes none longer.
- Nobody knows for how long a machine was off, so a run begins where its wall clock is if that is ahead. By how
  much it is ahead counts as unconfirmed, and no license ends by that part: NTP, the kernel, a code or an administrator
  confirms it, or takes it back, and the next start takes it back if its clock is nearer to what was confirmed.
  Effective time never goes behind what was confirmed, so setting the clock back buys nothing.
- Time in which only the daemon was off, and not its machine, is known from boottime and counts as confirmed.
- A license counts from the clock that it was uploaded under: see `State.license_time`.
- CLOCK_UNTRUSTED: the wall clock is ahead or behind by more than the limit, or off an NTP server by more than the limit
  and the error of its answer, or the license would have ended by what is unconfirmed. It heals when none of that is so.
- A source (an NTP server, or a kernel that says that its clock is synchronised) confirms a jump when it agrees with the
  wall clock and not with effective time. It takes effective time back only to what was confirmed: who runs the daemon
  runs its NTP server too.
- When more than half of all clocks, the leader's included, agree with one another and not with the leader's, the leader
  can't know whose clock is wrong, and says so, unless an NTP server vouches for it (R21).

All spans are in milliseconds.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from licd_daemon.core.checks import clock_untrusted
from licd_daemon.core.drift import Estimate
from licd_daemon.core.model import DAY_MS, Failure, Now, State
from licd_daemon.core.reasons import FailureReason

LIMIT_MS = 5_000  # R21's default
DOUBTFUL_START_MS = DAY_MS
"""A run that begins in doubt takes over a clock that is ahead by no more: what the machine may have been off for."""


class Confirmed(StrEnum):
    """Who has confirmed the wall clock."""

    NTP = "NTP"
    CODE = "CODE"
    KERNEL = "KERNEL"
    ADMIN = "ADMIN"


class Cause(StrEnum):
    """Why the wall clock is not to be trusted: what CLOCK_UNTRUSTED says in that case."""

    NTP = "off NTP"
    AHEAD = "ahead"
    BEHIND = "behind"
    RETURNED = "returned"
    START = "start"
    NODES = "off nodes"


class SourceOffset(NamedTuple):
    """By a source of time, an NTP server or the kernel, the wall clock lacks `offset` now, give or take `error`."""

    server: str
    offset: float
    error: float


class Doubt(NamedTuple):
    """One cause: `span` by which the clock is off, and the words for it."""

    cause: Cause
    span: float
    detail: str


class Times(NamedTuple):
    """Effective time, and the part of it that something has confirmed, which is never later."""

    effective: int
    confirmed: int

    @property
    def unconfirmed(self) -> int:
        """By how much effective time is ahead of what was confirmed."""
        return self.effective - self.confirmed


def beginning(latest: Times, elapsed: int, wall: int, limit: int) -> Times:
    """Where a run begins (R23).

    Args:
        latest: The journal's latest.
        elapsed: How long ago that was by boottime; 0: not known, for the machine has booted since.
        wall: The machine's clock.
        limit: By how much the clock may be ahead and still count as confirmed.
    """
    # The wall clock bounds it: boottime may have another origin in another container.
    confirmed = latest.confirmed + max(0, min(elapsed, wall - latest.confirmed))
    known = max(latest.effective, confirmed)
    nearer_to_confirmed = wall - confirmed <= known - wall
    effective = max(confirmed if nearer_to_confirmed else known, wall)
    return Times(effective, effective if effective - confirmed <= limit else confirmed)


def moved_on(times: Times, step: int, wall: int, limit: int, reach: int = 0) -> Times:
    """The times after `step` of boottime, with the wall clock at `wall` (R23).

    Args:
        times: Before.
        step: How much boottime went by.
        wall: The machine's clock now.
        limit: By how much the clock may be ahead to be followed.
        reach: By how much it may be ahead to be followed unconfirmed.
    """
    effective, confirmed = times.effective + step, times.confirmed + step
    lead = wall - effective
    if 0 < lead <= limit:
        return Times(wall, confirmed + lead)
    return Times(wall if 0 < lead <= reach else effective, confirmed)


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


def doubts(wall: float, times: Times, limit: float, ntp: SourceOffset | None, most: Estimate | None) -> list[Doubt]:
    """Every cause that holds, the weightiest first (R22, R23).

    Args:
        wall: The machine's clock.
        times: Effective time at the same instant.
        limit: What is tolerated.
        ntp: By the NTP servers, if one has answered.
        most: Where most clocks stand if not with the leader's (see `majority`).
    """
    found = []
    lead = wall - times.effective
    if ntp is not None and abs(ntp.offset) - ntp.error > limit:
        found.append(_doubt(Cause.NTP, abs(ntp.offset), ntp.server))
    if lead > limit:
        found.append(_doubt(Cause.AHEAD, lead))
    if -lead > limit:
        returned = times.unconfirmed and wall >= times.confirmed - limit
        found.append(_doubt(Cause.RETURNED if returned else Cause.BEHIND, -lead))
    vouched = ntp is not None and abs(ntp.offset) + ntp.error <= limit
    if most is not None and not vouched and not found:
        found.append(_doubt(Cause.NODES, abs(most.offset)))
    return found


def _doubt(cause: Cause, span: float, server: str = "") -> Doubt:
    seconds = f"{span / 1000:.1f}" if span < 10_000 else f"{span / 1000:.0f}"
    saying = FailureReason.CLOCK_UNTRUSTED.row.says[cause]
    return Doubt(cause, span, saying.detail.format(span=seconds, server=server))


def failure_of(found: Sequence[Doubt]) -> Failure | None:
    """The doubts as one failure, with the remedy of the first; None: the clock is trusted."""
    if not found:
        return None
    remedy = FailureReason.CLOCK_UNTRUSTED.row.says[found[0].cause].remedy
    return clock_untrusted("; ".join(doubt.detail for doubt in found), remedy)


def start_doubt(state: State, now: Now, wall: float) -> Doubt | None:
    """The license would have ended, but only by a start that nothing has confirmed (R23).

    Args:
        state: Its license is judged.
        now: The instant.
        wall: The machine's clock at that instant.
    """
    license = state.license
    if license is None or not state.license_time(now) < license.expires_at * 1000 <= min(now.wall, wall):
        return None
    return _doubt(Cause.START, now.unconfirmed)


def confirms(source: SourceOffset, wall: float, times: Times, limit: float) -> int | None:
    """The effective time that a source confirms, in ms; None: it confirms nothing that is in doubt (R23).

    A jump ahead: the source agrees with the wall clock, and not with effective time. What is unconfirmed: the source
    agrees with effective time, or lies behind it, though not behind what was confirmed.
    """
    true = wall + source.offset
    if source.error > limit:
        return None
    if wall - times.effective > limit:
        agrees = abs(source.offset) - source.error <= limit
        differs = abs(true - times.effective) - source.error > limit
        return int(wall) if agrees and differs else None
    if not times.unconfirmed or not times.confirmed - limit <= true <= times.effective + limit:
        return None
    return times.effective if abs(true - times.effective) <= limit else max(int(true), times.confirmed)
