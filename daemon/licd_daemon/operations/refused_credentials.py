"""R35: credentials that were refused, at whichever door: counted, in the log at a bounded rate, and runs as events.

- Each refusal is in a counter, by why. A call that brings no credentials at all (a scanner) is in nothing else.
- The log has the first refusal at once; from then on one line in 10 s has how many more there were, and from where.
- Refusals are counted from 0 each hour. The journal has an event at the tenth, then at the 100th, the 1,000th and so
  on: a typing error leaves none, and an attacker who sends a million guesses in an hour leaves six.
- What was sent is in none of these.
"""

import asyncio
from collections import Counter
from enum import StrEnum

import structlog

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.commands import NoteRefusedCredentials
from licd_daemon.core.refusal import Reason, Refused

log = structlog.get_logger(__name__)

SAY_EVERY_S = 10.0
FIRST_EVENT_AT = 10
HOUR_MS = 3_600_000
NEWEST = 8


class Why(StrEnum):
    """Why credentials were refused. MISSING: none came. UNKNOWN: not in force, guessed ones among them."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    WRONG_ROLE = "wrong_role"


class RefusedCredentials:
    """Counts them; `counts` by why, over this run of the daemon."""

    def __init__(self, coordinator: Coordinator) -> None:
        self.counts = Counter(dict.fromkeys(Why, 0))
        self._coordinator = coordinator
        self._addresses: dict[str, None] = {}  # the newest ones, each once, the oldest first
        self._unsaid = 0
        self._pause: asyncio.TimerHandle | None = None
        self._hour_began_run = self._hour_began_wall = 0
        self._in_this_hour = 0
        self._event_at = FIRST_EVENT_AT

    def note(self, why: Why, address: str) -> None:
        """Credentials from `address`, a host without a port, were refused."""
        self.counts[why] += 1
        if why is Why.MISSING:
            return
        self._addresses.pop(address, None)
        self._addresses[address] = None
        if len(self._addresses) > NEWEST:
            del self._addresses[next(iter(self._addresses))]
        self._unsaid += 1
        if self._pause is None:
            self._say()
        self._count()

    def note_refusal(self, refusal: Refused, address: str) -> None:
        """As `note`, for credentials that were given."""
        self.note(Why.WRONG_ROLE if refusal.reason is Reason.WRONG_ROLE else Why.UNKNOWN, address)

    def _say(self) -> None:
        self._pause = None
        if self._unsaid:
            log.warning("credentials_refused", count=self._unsaid, addresses=self._newest())
            self._unsaid = 0
            self._pause = asyncio.get_running_loop().call_later(SAY_EVERY_S, self._say)

    def _newest(self) -> list[str]:
        return list(reversed(self._addresses))

    def _count(self) -> None:
        now = self._coordinator.now()
        if not self._in_this_hour or now.run >= self._hour_began_run + HOUR_MS:
            self._hour_began_run, self._hour_began_wall = now.run, now.wall
            self._in_this_hour, self._event_at = 0, FIRST_EVENT_AT
        self._in_this_hour += 1
        if self._in_this_hour == self._event_at:
            self._event_at *= 10
            addresses = tuple(self._newest())
            self._coordinator.submit_soon(NoteRefusedCredentials(self._in_this_hour, addresses, self._hour_began_wall))
