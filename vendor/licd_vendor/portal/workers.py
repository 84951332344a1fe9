"""Several processes that serve together, and the parent that looks after them.

Rules:

- The parent holds the listening sockets and does nothing but wait: a worker that ends is restarted. One that ends
  within a second of its start ends them all, with exit code 1: it would never stay up.
- SIGTERM and SIGINT go to every worker; the parent ends when the last one has, with exit code 0.
- A worker whose parent is gone ends automatically.
- Workers are forked before anything has opened a thread or a connection of the database.
"""

import os
import signal
import threading
from collections.abc import Callable, Sequence

import structlog

from licd_kit.clock import stopwatch_s
from licd_vendor.errors import RefusedError

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_QUICK_END_SECONDS = 1.0
log = structlog.get_logger("licd_vendor.workers")

Work = Callable[[], None]
"""What a worker does until a signal comes."""


class Supervisor:
    """The parent."""

    def __init__(self, works: Sequence[Work]) -> None:
        self._works = works
        self._children: dict[int, tuple[Work, float]] = {}
        self._stopping = False
        self._failed = False

    def run(self) -> None:
        """Start every worker, and return when all have ended after a signal.

        Raises:
            RefusedError: When a worker ended as soon as it was started.
        """
        reading, writing = os.pipe()
        self._parent_lives = reading, writing
        previous = {number: signal.signal(number, lambda *_: self._stop()) for number in _SIGNALS}
        try:
            for work in self._works:
                self._start(work)
            while self._children:
                self._reap()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            os.close(reading)
            os.close(writing)
        if self._failed:
            raise RefusedError("portal: a worker ended as soon as it was started; the log says why")

    def _start(self, work: Work) -> None:
        # held back, so that a signal finds the child in the table, and the child its own handlers
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            if self._stopping:
                return
            child = os.fork()
            if child == 0:
                self._work(work)
            self._children[child] = (work, stopwatch_s())
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _work(self, work: Work) -> None:
        """The child's whole life: it never returns into the parent's code."""
        code = 1
        try:
            reading, writing = self._parent_lives
            os.close(writing)
            threading.Thread(target=_end_with_parent, args=(reading,), daemon=True).start()
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            work()
            code = 0
        except Exception as fault:
            log.error("worker failed", error=type(fault).__name__, reason=str(fault))
        finally:
            os._exit(code)

    def _reap(self) -> None:
        child, status = os.wait()
        work, started = self._children.pop(child)
        if self._stopping:
            return
        log.warning("worker ended", pid=child, status=os.waitstatus_to_exitcode(status))
        if stopwatch_s() - started < _QUICK_END_SECONDS:
            self._failed = True
            self._stop()
        else:
            self._start(work)

    def _stop(self) -> None:
        self._stopping = True
        for child in self._children:
            os.kill(child, signal.SIGTERM)


def _end_with_parent(reading: int) -> None:
    os.read(reading, 1)  # ends when the last writing end is closed: the parent's
    os.kill(os.getpid(), signal.SIGTERM)
