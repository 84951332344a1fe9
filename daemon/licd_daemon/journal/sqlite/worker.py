"""A thread that owns a resource: calls go in by a queue and come back to the caller's event loop, one hop each way."""

import asyncio
import queue
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


class Worker:
    """Runs functions one after another on a thread of its own."""

    def __init__(self, name: str) -> None:
        """Start the thread; `name` is for debuggers."""
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the thread. A call that is cancelled still runs to its end: nothing is undone by it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def job() -> None:
            try:
                outcome: Callable[[], None] = _setter(future, future.set_result, function())
            except BaseException as error:  # it is the caller's to handle
                outcome = _setter(future, future.set_exception, error)
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(outcome)

        self._jobs.put(job)
        return await future

    def stop(self) -> None:
        """End the thread after the calls that are under way. Idempotent."""
        self._jobs.put(None)

    def _run(self) -> None:
        while job := self._jobs.get():
            job()


def _setter(future: asyncio.Future[Any], set_outcome: Callable[[Any], None], outcome: object) -> Callable[[], None]:
    def set_if_wanted() -> None:
        if not future.cancelled():
            set_outcome(outcome)

    return set_if_wanted
