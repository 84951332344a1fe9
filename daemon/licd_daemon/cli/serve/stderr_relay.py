"""Standard error that never makes its writers wait: a reader of the log that stands still stops nothing (R36).

- While it is in force, file descriptor 2 is a pipe that a thread of this process always reads: Python, gRPC's C core
  and every other library may write to it. A second thread writes on to the real standard error, and may wait there.
- What does not fit between the two is dropped, whole lines at a time, and the log says how much once it is read again.
- A crash report of `faulthandler` goes to the real standard error: no thread would be left to relay it.
"""

import contextlib
import faulthandler
import os
import threading
from collections import deque
from typing import Self

_STDERR = 2
_READ_BYTES = 1 << 16
BUFFER_BYTES = 1 << 20
FLUSH_S = 2.0
"""How long the end waits for a reader that stands still."""


class StderrRelay:
    """A context: within it, writing to standard error waits for nobody."""

    def __init__(self, dropped: str) -> None:
        """`dropped`: the line that says so, with `{bytes}` in it."""
        self._dropped_line = dropped
        self._chunks: deque[bytes] = deque()
        self._held = self._dropped = 0
        self._ended = False
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        """Put the pipe in the place of standard error."""
        self._real = os.dup(_STDERR)
        self._source, sink = os.pipe()
        os.dup2(sink, _STDERR)
        os.close(sink)
        faulthandler.enable(self._real)
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._collect, self._write_on)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Put the real standard error back, after what was written has come through, or the reader was waited for."""
        # In this order: the pipe ends with its last writer, and only then has the collector read everything.
        os.dup2(self._real, _STDERR)
        collector, writer = self._threads
        collector.join(FLUSH_S)
        writer.join(FLUSH_S)

    def _collect(self) -> None:
        rest = b""
        while read := os.read(self._source, _READ_BYTES):
            lines, newline, rest = (rest + read).rpartition(b"\n")
            if len(rest) > BUFFER_BYTES:  # a line without an end
                self._drop(len(rest))
                rest = b""
            if newline:
                self._keep(lines + newline)
        if rest:
            self._keep(rest)
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _keep(self, chunk: bytes) -> None:
        with self._changed:
            if self._held + len(chunk) > BUFFER_BYTES:
                self._dropped += len(chunk)
                return
            self._chunks.append(self._gap() + chunk)
            self._held += len(self._chunks[-1])
            self._changed.notify()

    def _drop(self, count: int) -> None:
        with self._changed:
            self._dropped += count

    def _write_on(self) -> None:
        with contextlib.suppress(OSError):  # nobody will ever read it: closed
            while chunk := self._next():
                _write_whole(self._real, chunk)

    def _next(self) -> bytes:
        """The next chunk; empty: there will be none."""
        with self._changed:
            self._changed.wait_for(lambda: self._chunks or self._dropped or self._ended)
            if self._chunks:
                chunk = self._chunks.popleft()
                self._held -= len(chunk)
                return chunk
            return self._gap()

    def _gap(self) -> bytes:
        """The line that is in the place of what was dropped, if anything was."""
        dropped, self._dropped = self._dropped, 0
        return self._dropped_line.replace("{bytes}", str(dropped)).encode() + b"\n" if dropped else b""


def _write_whole(descriptor: int, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[os.write(descriptor, left) :]
