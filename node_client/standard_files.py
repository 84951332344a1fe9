"""Standard output and error of licd-node, whatever they are connected to: its exit code never hangs on them.

- One that is closed is opened to nowhere: else the first socket that is opened would take what is written there.
- What can't be written is lost; a character that the encoding lacks is written as an escape.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Output(io.FileIO):
    def write(self, content: "ReadableBuffer", /) -> int:
        """Write what can be written, and count all of it."""
        try:
            written = super().write(content)
        except OSError:
            written = None
        return memoryview(content).nbytes if written is None else written


def open_standard_files() -> None:
    """Put them in order, but for those that a test has put in their place."""
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest descriptor that is free, which is this one
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(1, sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(2, sys.stderr)


def _text(descriptor: int, before: TextIO | None) -> TextIO:
    raw = _Output(descriptor, "w", closefd=False)
    encoding = before.encoding if before else "utf-8"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors="backslashreplace", line_buffering=True)
