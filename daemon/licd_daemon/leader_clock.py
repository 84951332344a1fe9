"""Holds the leader's own clock against effective time (R23) and against NTP servers (R22).

- A wall clock behind a time that the journal has already seen, by more than the limit, was set back: CLOCK_UNTRUSTED.
- A wall clock off the median of the NTP servers by more than the limit: CLOCK_UNTRUSTED.
- A server that can't be asked is a warning in the log, and what was known of the clock before stays.
"""

import asyncio
from collections.abc import Sequence

import structlog

from licd_daemon.coordinator import Coordinator
from licd_daemon.core.checks import clock_untrusted
from licd_daemon.core.commands import JudgeLeaderClock
from licd_daemon.core.model import Failure
from licd_daemon.core.refusal import Refused
from licd_daemon.ntp import NtpAnswer, measure

log = structlog.get_logger(__name__)

LOOK_S = 1.0
ASK_EVERY_S = 64.0


class LeaderClock:
    """Judges the leader's clock for as long as `watch` runs."""

    def __init__(self, coordinator: Coordinator, servers: Sequence[str], limit_ms: int) -> None:
        self._coordinator = coordinator
        self._servers = servers
        self._limit_ms = limit_ms
        self._answer: NtpAnswer | None = None

    async def watch(self) -> None:
        """Looks once a second, asks the servers once a minute, and tells every change; runs until it is cancelled."""
        asking = asyncio.create_task(self._ask_for_ever()) if self._servers else None
        try:
            while True:
                await self._judge()
                await asyncio.sleep(LOOK_S)
        finally:
            if asking is not None:
                asking.cancel()

    async def _ask_for_ever(self) -> None:
        while True:
            measurement = await measure(self._servers)
            for warning in measurement.warnings:
                log.warning("ntp_server_not_usable", cause=warning)
            self._answer = measurement.answer or self._answer
            await asyncio.sleep(ASK_EVERY_S)

    async def _judge(self) -> None:
        failure = self._failure()
        if (failure is None) == (self._coordinator.state.clock_untrusted is None):
            return
        try:
            await self._coordinator.submit(JudgeLeaderClock(failure))
        except Refused as refusal:
            log.warning("clock_verdict_not_kept", cause=refusal.message)

    def _failure(self) -> Failure | None:
        behind = self._coordinator.now().wall - self._coordinator.clock.raw_wall()
        if behind > self._limit_ms:
            return clock_untrusted(f"set back by {behind / 1000:.0f} s behind a time already seen")
        answer = self._answer
        if answer is not None and abs(answer.offset_ms) - answer.error_ms > self._limit_ms:
            return clock_untrusted(f"by {abs(answer.offset_ms) / 1000:.0f} s off NTP server {answer.server}")
        return None
