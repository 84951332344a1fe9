"""Threads that use gRPC, and that have ended before the interpreter does.

The interpreter stops daemon threads wherever they are. One that is stopped while it holds a lock of a gRPC call leaves
the program hanging, because the call takes that lock when it is freed. So the exit waits for those that run.
"""

import atexit
import threading
import weakref
from collections.abc import Callable
from typing import Any

from node_client import clock

EXIT_PATIENCE = 5.0
"""Seconds that the exit waits for all of them together. Their channels are closed by then, so they end soon."""

_STARTED: "weakref.WeakSet[threading.Thread]" = weakref.WeakSet()


def started(target: Callable[..., object], name: str, *arguments: Any) -> threading.Thread:
    """Start a daemon thread that the exit waits for."""
    thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
    _STARTED.add(thread)
    thread.start()
    return thread


def _wait_for_all() -> None:
    deadline = clock.monotonic() + EXIT_PATIENCE
    for thread in tuple(_STARTED):
        if thread.is_alive():
            thread.join(max(0.0, deadline - clock.monotonic()))


# Before the nodes' own hook, which closes them and therefore has to run first: hooks run in reverse order.
atexit.register(_wait_for_all)
