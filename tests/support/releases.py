"""Other versions of licd beside this one: their wheels stand in tests/vectors/releases."""

import json
import os
import queue
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.daemon import Daemon
from support.raw_node import APPLICATION

WHEELS = Path(__file__).parents[1] / "vectors" / "releases"
RELEASES = sorted(wheel.name.split("-")[1] for wheel in WHEELS.glob("licd-*.whl"))
PROGRAM = """
import json, sys, node_client
told = None
def tell(node):
    global told
    now = [str(node.state), node.is_licensed(), [failure.reason for failure in node.failures]]
    if now != told:
        told = now
        print(json.dumps(now), flush=True)
application = node_client.Application(**json.loads(sys.argv[3]))
options = {"application": application, "node_name": sys.argv[2], "token": sys.argv[4], "insecure": True}
with node_client.connect(sys.argv[1], on_change=tell, **options):
    print(json.dumps(node_client.__file__), flush=True)
    sys.stdin.read()
"""


def environment(version: str | None, folder: Path) -> dict[str, str]:
    """What makes a Python process run `version`, unpacked under `folder`; None: this version."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LICD_")}
    if version is None:
        return kept
    unpacked = folder / version
    if not unpacked.exists():
        for path in WHEELS.glob(f"*-{version}-py3-none-any.whl"):
            with zipfile.ZipFile(path) as wheel:
                wheel.extractall(unpacked)
    return {**kept, "PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}


class Program:
    """A program that links node_client, in a process of its own; `told`: state, licensed and reasons at each change."""

    def __init__(self, daemon: Daemon, name: str, env: dict[str, str]) -> None:
        arguments = [daemon.address, name, json.dumps(APPLICATION), daemon.token("node")]
        command = [sys.executable, "-c", PROGRAM, *arguments]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        self.told: list[tuple[str, bool, tuple[str, ...]]] = []
        self._file: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.file = Path(self._file.get(timeout=20))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            if isinstance(told, str):
                self._file.put(told)
            else:
                self.told.append((told[0], told[1], tuple(told[2])))

    @property
    def state(self) -> str:
        """The last state told."""
        return self.told[-1][0] if self.told else ""

    def close(self) -> None:
        """Leaves, as a program does at its end."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(20)
        self._reader.join(5)
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def programs(daemon: Daemon, env: dict[str, str], *names: str) -> Iterator[list[Program]]:
    """Runs one program a name."""
    started: list[Program] = []
    try:
        started += [Program(daemon, name, env) for name in names]
        yield started
    finally:
        for each in started:
            each.close()
