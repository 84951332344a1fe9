"""R36: how many calls and messages may be under way at once. For one more, the oldest has had its time.

Anyone who comes is served, however many others hold what they have; a message that comes with its call needs a place
for no longer than a turn of the loop. So a crowd of slow ones ends its own, and keeps no honest caller out.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from licd_daemon.core.refusal import Reason, Refused

STRANGERS = 128
"""Calls without credentials at once, each of at most 26 KiB and a message."""
STRANGERS_A_CONNECTION = 16


class Places:
    """At most `most` at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: dict[asyncio.Timeout, None] = {}

    @asynccontextmanager
    async def place(self, seconds: float | None = None) -> AsyncIterator[None]:
        """A place for the block, for `seconds` at most; None: as long as no other needs it.

        Raises:
            TimeoutError: its time is over.
        """
        if len(self._taken) >= self._most:
            oldest = next(iter(self._taken))
            del self._taken[oldest]
            oldest.reschedule(0)
        async with asyncio.timeout(seconds) as timeout:
            self._taken[timeout] = None
            try:
                yield
            finally:
                self._taken.pop(timeout, None)


class Strangers:
    """The calls of callers without credentials. `awaited`: where their messages wait."""

    def __init__(self) -> None:
        self.awaited = Places(STRANGERS)
        self._places = Places(STRANGERS)
        self._by_connection: Counter[str] = Counter()

    @asynccontextmanager
    async def call(self, connection: str) -> AsyncIterator[None]:
        """A place for one call on `connection`, an address with its port.

        Raises:
            Refused: RATE_LIMITED: too many at once on this connection, or newer ones needed the place.
        """
        if self._by_connection[connection] >= STRANGERS_A_CONNECTION:
            raise _too_many("on this connection")
        self._by_connection[connection] += 1
        try:
            async with self._places.place():
                yield
        except TimeoutError:
            raise _too_many("in all") from None
        finally:
            self._by_connection[connection] -= 1
            if not self._by_connection[connection]:
                del self._by_connection[connection]


def _too_many(where: str) -> Refused:
    return Refused(
        Reason.RATE_LIMITED, f"Too many calls without credentials at once {where}: call again.", retry_after_ms=1000
    )
