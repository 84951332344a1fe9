"""R36: how many messages may be waited for at once. For one more, the oldest has had its time.

Anyone who comes is served, however many others hold what they have; a message that comes with its call needs a place
for no longer than a turn of the loop. So a crowd of slow ones ends its own, and keeps no honest caller out.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


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
            if not oldest.expired():
                oldest.reschedule(0)
        async with asyncio.timeout(seconds) as timeout:
            self._taken[timeout] = None
            try:
                yield
            finally:
                self._taken.pop(timeout, None)
