"""Processes whose wall clock is wrong, by libfaketime: this machine's clock is never touched, boottime is true."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import libfaketime

from support.daemon import Daemon

_NODE = """
import sys, node_client
address, ca, token, name = sys.argv[1:]
application = node_client.Application("report-server", "10.0.19", "2024-05-31", "sales")
with node_client.connect(address, application=application, node_name=name, token=token, ca=ca) as node:
    sys.stdin.read()
"""


class Skew:
    """A wall clock that follows a file, such as `+30s` or `-3600s`; it may be moved while it is looked at."""

    def __init__(self, file: Path, offset: str = "+0s") -> None:
        self.file = file
        self.set(offset)

    def set(self, offset: str) -> None:
        """Sets the clock of every process that follows it, in one step."""
        fresh = self.file.with_suffix(".fresh")
        fresh.write_text(offset)
        fresh.replace(self.file)

    @property
    def env(self) -> dict[str, str]:
        """What a process needs in its environment to follow it."""
        library = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def rated(rate: str) -> dict[str, str]:
    """The environment of a process whose wall clock is right at its start and runs at a rate, such as `1.01`."""
    library = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
    return {"LD_PRELOAD": str(library), "FAKETIME": f"+0s x{rate}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@contextmanager
def node_process(daemon: Daemon, name: str, env: dict[str, str], address: str = "") -> Iterator[None]:
    """A report server of its own: node_client in a process with `env`; it leaves at the end."""
    command = [sys.executable, "-c", _NODE, address or daemon.address, str(daemon.data_dir / "tls" / "ca.crt")]
    process = subprocess.Popen([*command, daemon.token("node"), name], stdin=subprocess.PIPE, env={**os.environ, **env})
    try:
        yield
    finally:
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
