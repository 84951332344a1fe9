"""R35: the streams that a token has opened end with it, at once, as a call with it would: UNAUTHENTICATED.

NodeService's streams are not among them: they end in-band, with their sessions, because an abort of a stream to which
its client still writes loses its reason.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.refusal import Reason, Refused, no_credentials

IN_BAND = "/licd.v1.NodeService/"
MAX_OF_A_TOKEN = 256
"""R36: a stream whose reader does not read can't be ended before its connection, so they are bounded in number."""


class OpenStreams:
    """The tasks that serve streams, by the tokens that opened them."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._tasks: dict[str, set[asyncio.Task[Any]]] = {}
        self._ended: set[asyncio.Task[Any]] = set()

    @contextmanager
    def in_use(self, token_id: str) -> Iterator[None]:
        """A stream that ends in-band is open within the block."""
        uses = self._coordinator.engine.uses
        uses.opened(token_id)
        try:
            yield
        finally:
            uses.closed(token_id, self._coordinator.now().wall)

    @contextmanager
    def opened(self, token_id: str) -> Iterator[None]:
        """Serve a stream within the block, in the task of this one.

        Raises:
            Refused: NO_CREDENTIALS: the token has ended; RATE_LIMITED: it has too many streams open.
        """
        if len(self._tasks.get(token_id, ())) >= MAX_OF_A_TOKEN:
            message = f"{MAX_OF_A_TOKEN} streams are open with this token: close some."
            raise Refused(Reason.RATE_LIMITED, message, retry_after_ms=5_000)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.setdefault(token_id, set()).add(task)
        try:
            with self.in_use(token_id):
                yield
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
            task.uncancel()
            raise no_credentials() from None
        finally:
            self._ended.discard(task)
            self._forget(token_id, task)

    def _forget(self, token_id: str, task: asyncio.Task[Any]) -> None:
        self._tasks[token_id].discard(task)
        if not self._tasks[token_id]:
            del self._tasks[token_id]

    async def follow(self) -> None:
        """End the streams of tokens as soon as these have ended."""
        while True:
            changed = self._coordinator.news.next_change()
            tokens = self._coordinator.state.tokens
            for token_id in [token_id for token_id in self._tasks if token_id in tokens and tokens[token_id].revoked]:
                self._end(token_id)
            await changed.wait()

    def _end(self, token_id: str) -> None:
        for task in self._tasks[token_id] - self._ended:
            self._ended.add(task)
            task.cancel()
