"""Judges the leader's own clock: against effective time (R23), NTP servers (R22) and the clocks of its nodes (R21).

- Every doubt is reported as CLOCK_UNTRUSTED and goes automatically; what counts as one is in `core/effective.py`.
- The answer of an NTP server is kept as true time minus boottime, so that a clock that is set is judged at once; its
  error grows by 500 ppm, the most that a kernel slews by, until it says nothing any more. Servers are asked once in
  64 s, and at once when a doubt comes or goes.
- A server that can't be asked is a warning in the log.
- A jump ahead is accepted when NTP or the kernel confirms it, an administrator does, or a code that the portal gave for
  a challenge of that clock (R24).
- Before any license was accepted there is nothing to judge by time, so effective time follows the clock both ways,
  corrected by NTP where there is an answer.
- A run begins where its wall clock stands, if that is ahead of the journal, for nobody knows how long a machine was
  off. Nothing ends by it until NTP, the kernel, a code or an administrator confirms it. A clock that was not trusted at
  the end of the run before is followed only if it is ahead by no more than a day.
- The kernel is asked each second where no NTP server has answered. It only confirms: it is no witness against nodes.
"""

import asyncio
from collections.abc import Sequence

import structlog

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.kernel_clock import kernel_offset
from licd_daemon.coordinator.ntp import NtpAnswer, measure
from licd_daemon.core.commands import ConfirmTime, JudgeLeaderClock
from licd_daemon.core.effective import (
    Cause,
    Confirmed,
    Doubt,
    SourceOffset,
    Times,
    confirms,
    doubts,
    failure_of,
    majority,
    start_doubt,
)
from licd_daemon.core.model import Actor, Now
from licd_daemon.core.refusal import Refused

log = structlog.get_logger(__name__)

LOOK_S = 1.0
ASK_EVERY_S = 64.0
ASK_AGAIN_S = 16.0
FASTEST_SLEW = 500e-6


class LeaderClock:
    """Judges the leader's clock for as long as `watch` runs. `limit_ms`: what is tolerated."""

    def __init__(self, coordinator: Coordinator, servers: Sequence[str], limit_ms: int) -> None:
        self._coordinator = coordinator
        self._servers = servers
        self._limit_ms = limit_ms
        self._answer: NtpAnswer | None = None
        self._warnings: tuple[str, ...] = ()
        self._judged: dict[Cause, float] | None = None
        self._ask_now = asyncio.Event()

    async def watch(self) -> None:
        """Looks once a second and reports every change; runs until it is cancelled."""
        if self._servers:
            await self._ask()
        asking = asyncio.create_task(self._ask_for_ever()) if self._servers else None
        try:
            while True:
                await self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            if asking is not None:
                asking.cancel()

    async def _ask_for_ever(self) -> None:
        while True:
            try:
                pause = ASK_EVERY_S if self._answer is not None else ASK_AGAIN_S
                await asyncio.wait_for(self._ask_now.wait(), pause)
            except TimeoutError:
                pass
            self._ask_now.clear()
            await self._ask()

    async def _ask(self) -> None:
        measurement = await measure(self._servers)
        for warning in measurement.warnings:
            if warning not in self._warnings:
                log.warning("ntp_server_not_usable", cause=warning)
        self._warnings = measurement.warnings
        self._answer = measurement.answer or self._answer
        if measurement.answer is not None and (offset := self._offset()):
            await self._confirm_by(offset, Confirmed.NTP)

    async def _confirm_by(self, source: SourceOffset, by: Confirmed) -> None:
        now = self._coordinator.now()
        instant = confirms(source, self._wall(now), Times(now.wall, now.confirmed), self._limit_ms)
        if instant is None:
            return
        if instant == now.wall:
            self._agree(now)
            return
        try:
            await self._confirm(instant, by)
        except Refused as refusal:
            log.warning("time_not_confirmed", cause=refusal.message)

    def _wall(self, now: Now) -> int:
        """The wall clock at the very reading that `now` is of: a pause in between would pass for a jump."""
        return now.wall + self._coordinator.clock.lead_ms()

    def _offset(self) -> SourceOffset | None:
        """What the last answer says of the clock as it stands now."""
        answer, clock = self._answer, self._coordinator.clock
        if answer is None:
            return None
        boot, wall = clock.raw()
        error = answer.error_ms + FASTEST_SLEW * max(0.0, boot - answer.asked_boot_ms)
        return SourceOffset(answer.server, answer.true_minus_boot_ms + boot - wall, error)

    async def confirm_by_code(self, instant_ms: int, actor: Actor) -> None:
        """A code was right, so the portal has found its challenge's time true (R24); the time is then what it says.

        Args:
            instant_ms: The wall time in the challenge, moved on by boottime until now.
            actor: Who submitted the code.

        Raises:
            Refused: what the coordinator raises; nothing was set then.
        """
        now = self._coordinator.now()
        if abs(instant_ms - now.wall) <= self._limit_ms:
            self._agree(now)
            return
        await self._confirm(instant_ms, Confirmed.CODE, actor)
        await self._look()

    async def confirm_by_admin(self, actor: Actor) -> None:
        """The wall clock is right: effective time is set by it, and never behind what was confirmed (R23).

        Raises:
            Refused: what the coordinator raises; nothing was set then.
        """
        now = self._coordinator.now()
        wall = self._wall(now)
        if abs(wall - now.wall) <= self._limit_ms:
            wall = now.wall
        if (now.unconfirmed or wall != now.wall) and wall >= now.confirmed - self._limit_ms:
            await self._confirm(max(wall, now.confirmed), Confirmed.ADMIN, actor)
            await self._look()

    def _agree(self, now: Now) -> None:
        """Effective time is right as it is: it moves nothing, so the next entry's instant says it, and no event."""
        self._coordinator.clock.shift(0, now.unconfirmed)

    async def _confirm(self, instant_ms: int, by: Confirmed, actor: Actor | None = None) -> None:
        clock, now = self._coordinator.clock, self._coordinator.now()
        shift, confirmed = instant_ms - now.wall, instant_ms - now.confirmed
        clock.shift(shift, confirmed)
        try:
            await self._coordinator.submit(ConfirmTime(by, actor=actor))
        except Refused:
            clock.shift(-shift, -confirmed)
            raise
        log.warning("time_confirmed", by=str(by), shift_s=shift / 1000)

    async def _look(self) -> None:
        if not self._coordinator.state.newest_issue:
            source = self._offset() or self._kernel()
            self._coordinator.clock.follow_wall(source.offset if source else 0.0, confirmed=source is not None)
        elif self._answer is None and (kernel := self._kernel()):
            await self._confirm_by(kernel, Confirmed.KERNEL)
        found = self._doubts()
        spans = {doubt.cause: doubt.span for doubt in found}
        if self._judged is not None and not self._changed(self._judged, spans):
            return
        if self._judged is not None and set(spans) != set(self._judged):
            self._ask_now.set()
        try:
            await self._coordinator.submit(JudgeLeaderClock(failure_of(found)))
        except Refused as refusal:
            log.warning("clock_verdict_not_kept", cause=refusal.message)
            return
        self._judged = spans

    def _kernel(self) -> SourceOffset | None:
        return kernel_offset(self._coordinator.clock.raw_wall())

    def _changed(self, before: dict[Cause, float], after: dict[Cause, float]) -> bool:
        """Whether the causes are others, or a span has changed by what would be a doubt of its own."""
        return set(before) != set(after) or any(abs(after[cause] - before[cause]) > self._limit_ms for cause in after)

    def _doubts(self) -> list[Doubt]:
        coordinator = self._coordinator
        most = majority(coordinator.presences.clocks_if_most_are_over(), self._limit_ms)
        now = coordinator.now()
        wall = self._wall(now)
        found = doubts(wall, Times(now.wall, now.confirmed), self._limit_ms, self._offset(), most)
        start = start_doubt(coordinator.state, now, wall)
        return [*found, start] if start else found
