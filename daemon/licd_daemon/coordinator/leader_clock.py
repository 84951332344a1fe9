"""Judges the leader's own clock: against effective time (R23), NTP servers (R22) and the clocks of its nodes (R21).

- Every doubt is told as CLOCK_UNTRUSTED and goes by itself; what counts as one stands in `core/effective.py`.
- The word of an NTP server is kept as true time minus boottime, so that a clock that is set is judged at once; its
  error grows by 500 ppm, the most that a kernel slews by, until the word says nothing any more. Servers are asked once
  in 64 s, and at once when a doubt comes or goes.
- A server that can't be asked is a warning in the log.
- A jump ahead is taken over when NTP confirms it, or a code that the portal gave for a challenge of that clock (R24).
- Before any license was accepted there is nothing to judge by time, so effective time follows the clock both ways,
  corrected by NTP where there is a word.
- A run begins where its wall clock stands, if that is ahead of the journal, for nobody knows how long a machine was
  off. With NTP servers they are asked first; and a clock that was not trusted at the end of the run before is taken
  over only if it is ahead by no more than a day.
"""

import asyncio
from collections.abc import Sequence

import structlog

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.ntp import NtpAnswer, measure
from licd_daemon.core.commands import ConfirmTime, JudgeLeaderClock
from licd_daemon.core.effective import (
    DOUBTFUL_START_MS,
    Cause,
    Confirmed,
    Doubt,
    NtpWord,
    confirms,
    doubts,
    failure_of,
    majority,
)
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
        self._told: dict[Cause, float] | None = None
        self._ask_now = asyncio.Event()

    async def watch(self) -> None:
        """Looks once a second and tells every change; runs until it is cancelled."""
        if self._servers:
            await self._ask()
            self._begin()
        asking = asyncio.create_task(self._ask_for_ever()) if self._servers else None
        try:
            while True:
                await self._look()
                await asyncio.sleep(LOOK_S)
        finally:
            if asking is not None:
                asking.cancel()

    def _begin(self) -> None:
        """No server could say anything of the start: it counts as it would without servers, and never back."""
        clock = self._coordinator.clock
        if self._answer is not None:
            return
        if self._coordinator.state.clock_untrusted is not None:
            clock.reach(DOUBTFUL_START_MS)
        elif clock.raw_wall() > self._coordinator.now().wall:
            clock.follow_wall()

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
        word, now = self._word(), self._coordinator.now()
        wall = self._coordinator.clock.raw_wall()
        if measurement.answer is not None and word is not None and confirms(word, wall, now.wall, self._limit_ms):
            try:
                await self._confirm(int(wall), Confirmed.NTP)
            except Refused as refusal:
                log.warning("time_not_confirmed", cause=refusal.message)

    def _word(self) -> NtpWord | None:
        """What the last answer says of the clock as it stands now."""
        answer, clock = self._answer, self._coordinator.clock
        if answer is None:
            return None
        boot, wall = clock.raw()
        error = answer.error_ms + FASTEST_SLEW * max(0.0, boot - answer.asked_boot_ms)
        return NtpWord(answer.server, answer.true_minus_boot_ms + boot - wall, error)

    async def confirm_by_code(self, instant_ms: int) -> None:
        """A code was right, so the portal has found its challenge's time true (R24); the time is then what it says.

        Args:
            instant_ms: The wall time in the challenge, moved on by boottime until now.

        Raises:
            Refused: what the coordinator raises; nothing was set then.
        """
        if abs(instant_ms - self._coordinator.now().wall) > self._limit_ms:
            await self._confirm(instant_ms, Confirmed.CODE)
            await self._look()

    async def _confirm(self, instant_ms: int, by: Confirmed) -> None:
        clock = self._coordinator.clock
        shift = instant_ms - self._coordinator.now().wall
        clock.shift(shift)
        try:
            await self._coordinator.submit(ConfirmTime(by))
        except Refused:
            clock.shift(-shift)
            raise
        log.warning("time_confirmed", by=str(by), shift_s=shift / 1000)

    async def _look(self) -> None:
        if not self._coordinator.state.newest_issue:
            word = self._word()
            self._coordinator.clock.follow_wall(word.offset if word else 0.0)
        found = self._doubts()
        told = {doubt.cause: doubt.span for doubt in found}
        if self._told is not None and not self._news(self._told, told):
            return
        if self._told is not None and set(told) != set(self._told):
            self._ask_now.set()
        try:
            await self._coordinator.submit(JudgeLeaderClock(failure_of(found)))
        except Refused as refusal:
            log.warning("clock_verdict_not_kept", cause=refusal.message)
            return
        self._told = told

    def _news(self, before: dict[Cause, float], told: dict[Cause, float]) -> bool:
        """Whether the causes are others, or a span has changed by what would be a doubt of its own."""
        return set(before) != set(told) or any(abs(told[cause] - before[cause]) > self._limit_ms for cause in told)

    def _doubts(self) -> list[Doubt]:
        coordinator = self._coordinator
        most = majority(coordinator.presences.clocks_if_most_are_over(), self._limit_ms)
        effective = coordinator.now().wall
        return doubts(effective + coordinator.clock.lead_ms(), effective, self._limit_ms, self._word(), most)
