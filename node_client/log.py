"""The log of licd-node, on standard error, which it shares with its program.

A pipe that nobody empties, or that the program has filled, blocks the thread that writes to it. So another thread
writes, and what does not fit into its queue is lost: a heartbeat, or the end of a grace, must not wait for a reader.
"""

import atexit
import contextlib
import functools
import logging
import os
import queue
import sys
import threading
from collections.abc import Callable
from logging.handlers import QueueHandler

_FORMAT = "licd-node: %(message)s"
_MOST_LINES = 1000
_EXIT_PATIENCE = 1.0
"""Seconds that the exit waits for the last lines to be written."""


class _Lines(QueueHandler):
    """Puts each line into a queue, and never waits."""

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self.queue.put_nowait(record)


def start() -> None:
    """Log to standard error at once; before write_aside(), in the thread that logs."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=_FORMAT)


def write_aside() -> Callable[[], None]:
    """Write from now on in a thread of its own; after the last fork, which would not copy the thread, and after
    signals.listen(), whose signals it would take.

    Returns:
        What waits until the last lines are written, or the patience for it has ended; the exit does so too.
    """
    lines: queue.Queue[logging.LogRecord | None] = queue.Queue(_MOST_LINES)
    thread = threading.Thread(target=_write, args=(lines,), name="licd-node-log", daemon=True)
    thread.start()
    logging.getLogger().handlers[:] = [_Lines(lines)]
    finish = functools.partial(_finish, lines, thread)
    atexit.register(finish)
    return finish


def _write(lines: "queue.Queue[logging.LogRecord | None]") -> None:
    formatter = logging.Formatter(_FORMAT)
    for record in iter(lines.get, None):
        # Not through sys.stderr: the exit would wait for the lock that a blocked write holds.
        with contextlib.suppress(OSError):
            os.write(2, formatter.format(record).encode(errors="backslashreplace") + b"\n")


def _finish(lines: "queue.Queue[logging.LogRecord | None]", thread: threading.Thread) -> None:
    with contextlib.suppress(queue.Full):
        lines.put_nowait(None)
    thread.join(_EXIT_PATIENCE)
