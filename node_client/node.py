"""What every node offers to its program, however it learns its state: over gRPC, from licd-node, or in a test."""

import abc
import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from node_client import clock
from node_client.values import FINAL, Failure, NodeState, Status

Watcher = Callable[[], object]

_LONGEST_WAIT = 86_400.0
"""Seconds; what threads and event loops take as a timeout ends somewhere above, and differs."""
_ENDLESS = 1e9
"""Seconds, which nobody sees the end of: what stands for every longer timeout."""


class Node(abc.ABC):
    """A program's seat in the cluster. Every method may be called from any thread.

    Use it as a context manager, or call close() at the end: that frees the seat at once.
    """

    _poll: float | None = None
    """Seconds between looks for those who wait; None: they are notified of each change."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._watchers: set[Watcher] = set()

    @abc.abstractmethod
    def status(self) -> Status:
        """Everything about the node at the instant of the call; never raises (R15)."""

    @abc.abstractmethod
    def close(self) -> None:
        """Stop believing, then leave; return within 3 seconds. Further calls do nothing (R15)."""

    def license(self) -> bytes:
        """The Container.lic in force, of a node that asks for it (R37); empty if it has none. Never raises."""
        return b""

    @property
    def state(self) -> NodeState:
        """The state at the instant of the call."""
        return self.status().state

    @property
    def failures(self) -> tuple[Failure, ...]:
        """Why the node is not licensed, or what is in its way; with remedies."""
        return self.status().failures

    @property
    def lease_left(self) -> float:
        """Seconds for which the license holds without another word from the daemon; 0 when not licensed."""
        return self.status().lease_left

    @property
    def grace_left(self) -> float:
        """Seconds for which the program may go on without the daemon, once its lease has ended; else 0 (R41)."""
        return self.status().grace_left

    def is_licensed(self) -> bool:
        """Whether the node holds a seat for certain, judged at the instant of the call (R15)."""
        return self.status().licensed

    def may_run(self) -> bool:
        """Whether the program may go on, judged at the instant of the call: licensed, or in the outage's grace (R41).

        The grace begins when the lease of a LICENSED node ends in silence, and lasts as long as the license says. Any
        other word of the daemon ends it.
        """
        return self.status().may_run

    def wait_licensed(self, timeout: float | None = None) -> bool:
        """Wait until the node is licensed, at most `timeout` seconds (None, infinite: without end; 0, less, NaN: look).

        Returns:
            Whether it is licensed; False at once when it can never be again (closed or evicted).
        """
        deadline = _deadline(timeout)
        changed = threading.Event()
        with self.watching(changed.set):
            while (verdict := _verdict(self.status())) is None:
                changed_in_time = changed.wait(self._wait(deadline))
                if not changed_in_time and deadline is not None and clock.monotonic() >= deadline:
                    return self.is_licensed()
                changed.clear()
            return verdict

    async def wait_licensed_async(self, timeout: float | None = None) -> bool:  # noqa: ASYNC109 - as wait_licensed
        """Like wait_licensed(), without blocking the event loop."""
        deadline = _deadline(timeout)
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            # A loop closed under its waiter must not hurt the thread that notifies.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(changed.set)

        with self.watching(tell):
            while (verdict := _verdict(await self._status_async())) is None:
                try:
                    await asyncio.wait_for(changed.wait(), self._wait(deadline))
                except TimeoutError:
                    if deadline is not None and clock.monotonic() >= deadline:
                        return (await self._status_async()).licensed
                changed.clear()
            return verdict

    @contextlib.contextmanager
    def watching(self, watcher: Watcher) -> Iterator[None]:
        """Within the block `watcher` is called after each change, in any thread; it must be quick and not raise."""
        self._watchers.add(watcher)
        try:
            yield
        finally:
            self._watchers.discard(watcher)

    def __enter__(self) -> Self:
        """The node itself; it may not be licensed yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the node."""
        self.close()

    async def _status_async(self) -> Status:
        return self.status()

    def _wait(self, deadline: float | None) -> float:
        spans = [_LONGEST_WAIT if self._poll is None else self._poll]
        spans += [] if deadline is None else [max(0.0, deadline - clock.monotonic())]
        return min(spans)

    def _notify_watchers(self) -> None:
        for watcher in tuple(self._watchers):
            watcher()


def _deadline(timeout: float | None) -> float | None:
    if timeout is None:
        return None
    return clock.monotonic() + (min(timeout, _ENDLESS) if timeout > 0 else 0)


def _verdict(status: Status) -> bool | None:
    if status.licensed:
        return True
    return False if status.state in FINAL else None
