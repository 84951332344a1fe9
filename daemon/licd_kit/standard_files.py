"""Standard input, output and error of a command, whatever they are connected to.

- One that is closed is opened to nowhere: else the first file or socket that is opened would take the output.
- Output that can't be written (a full disk, a closed pipe or file) raises OutputLost, at once and not at the exit; so
  that who prints a secret can take it back. An error message that can't be written changes nothing.
- A character that the encoding lacks is written as an escape. ASCII stands for an environment that names no encoding
  (`LC_ALL=C`), so UTF-8 is written, as Python and click do there.
"""

import codecs
import io
import os
import select
import sys
from typing import IO, TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_RAISING = ("strict", "surrogateescape")


class OutputLost(click.ClickException, OSError):
    """The output could not be written: exit code 1, with the cause on standard error."""

    def __init__(self, error: OSError) -> None:
        """`error`: what writing it has raised."""
        super().__init__(f"can't write the output: {error.strerror}")
        self.errno, self.strerror = error.errno, error.strerror


class ReaderGone(OutputLost):
    """Its reader has closed the pipe, as `head` does: silently the exit code that a shell reports for SIGPIPE."""

    exit_code = 141

    def show(self, file: IO[Any] | None = None) -> None:
        """Print nothing."""


class _Output(io.FileIO):
    """A standard file. After a failure it takes everything: the interpreter tries again at its exit."""

    lost = False

    def write(self, content: "ReadableBuffer", /) -> int:
        """Write some of it, and give how much."""
        if self.lost:
            return memoryview(content).nbytes
        try:
            # None: it is full, and another program that shares it has made it non-blocking.
            while (written := super().write(content)) is None:
                select.select([], [self], [])
        except OSError as error:
            self.lost = True
            self.fail(error)
            return memoryview(content).nbytes
        return written

    def fail(self, error: OSError) -> None:
        """What a failure leads to."""
        raise (ReaderGone if isinstance(error, BrokenPipeError) else OutputLost)(error) from None


class _Errors(_Output):
    def fail(self, error: OSError) -> None:
        """Nothing: there is nowhere left to report it."""


def open_standard_files() -> None:
    """Put them in order, but for those that a test has put in their place."""
    # Standard output for reading: what is written to a closed one is lost, which its writer finds out.
    for descriptor, mode in ((0, os.O_RDONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, mode)  # takes the lowest descriptor that is free, which is this one
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    if sys.platform == "win32":  # its console takes no bytes
        return
    if sys.stdout is sys.__stdout__:
        sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(_Errors(2, "w", closefd=False), sys.stderr)


def _text(raw: _Output, before: TextIO | None) -> TextIO:
    encoding, errors = (before.encoding, before.errors) if before else ("utf-8", None)
    if codecs.lookup(encoding).name == "ascii":
        encoding = "utf-8"
    kept = errors if errors and errors not in _RAISING else "backslashreplace"
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=encoding, errors=kept, line_buffering=True)
