"""The command line in a real pseudo-terminal."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cli.scripted_daemon import Daemon

DEADLINE_SECONDS = 20


class Sitting:
    """A command in a pseudo-terminal."""

    def __init__(self, terminal: int, process: subprocess.Popen[bytes]) -> None:
        self._terminal = terminal
        self._shown = ""
        self.process = process

    def types(self, keys: str) -> None:
        """Presses keys."""
        os.write(self._terminal, keys.encode())

    def shows(self, text: str) -> None:
        """Waits until this is shown, after whatever was waited for before."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while text not in self._shown:
            assert time.monotonic() < deadline, f"{text!r} is not in {self._shown!r}"
            self._read()
        self._shown = self._shown.partition(text)[2]

    def ends(self) -> int:
        """Waits for the end, and gives the exit code."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self._read()
        return self.process.returncode

    def _read(self) -> None:
        readable, _, _ = select.select([self._terminal], [], [], 0.1)
        if readable:
            self._shown += os.read(self._terminal, 65536).decode(errors="replace")


@contextmanager
def sitting(daemon: Daemon, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[Sitting]:
    """A sitting with that daemon; the terminal's settings must be as before afterwards."""
    terminal, inner = pty.openpty()
    before = termios.tcgetattr(inner)
    process = subprocess.Popen(
        [sys.executable, "-m", "licd_daemon", *arguments, "--insecure", "--address", daemon.address],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "200"} | (environment or {}),
        start_new_session=True,
    )
    try:
        yield Sitting(terminal, process)
        assert termios.tcgetattr(inner) == before
    finally:
        process.kill()
        process.wait()
        os.close(inner)
        os.close(terminal)
