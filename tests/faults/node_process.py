"""Node processes for the real-process harness: `python -m faults.node_process HISTORY ADDRESS CA TOKEN NAME...`.

One node a name. Each change of what `is_licensed()` says is one line of JSON in the history, with the boottime at which
it was seen: by polling every 2 ms and in the callback. A line says `licensed`; `until`, the end of the lease, so that
a process that is stopped or killed is known to believe until then and no longer; and `seen`, when it was licensed last.
SIGTERM: every node leaves. SIGUSR1: the process forks, and its copy, which holds nothing (R15), asks on.
"""

import json
import os
import signal
import sys
import threading
import time
from typing import NoReturn

import node_client

POLL_S = 0.002
IDLE_POLL_S = 0.05


class Historian:
    """Writes what one node believes. `line` is one write, so that lines of threads and processes stay whole."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        self._name = name
        self._said: tuple[bool, float] = (False, 0.0)
        self._seen = 0.0
        self._lock = threading.Lock()

    def look(self, node: node_client.Node) -> None:
        """Asks, and writes if the answer has changed, or the lease was renewed."""
        with self._lock:
            before = time.clock_gettime(time.CLOCK_BOOTTIME)
            status = node.status()
            # Counted from before the question: a thread that had to wait in between did not believe for longer.
            until = before + status.lease_left if status.licensed else 0.0
            licensed, lasts = self._said
            seen, self._seen = self._seen, before if status.licensed else self._seen
            if status.licensed == licensed and until <= lasts + 0.02:
                return
            self._said = status.licensed, until
            entry = {
                "node": self._name, "pid": os.getpid(), "at": before, "until": until, "licensed": status.licensed,
                "state": str(status.state), "seen": seen,
            }  # fmt: skip
            os.write(self._descriptor, (json.dumps(entry) + "\n").encode())


def _ask_on(watched: list[tuple[Historian, node_client.Node]]) -> NoReturn:
    """The copy's whole life, which its parent's death ends."""
    parent = os.getppid()
    while os.getppid() == parent:
        for historian, node in watched:
            historian.look(node)
        time.sleep(POLL_S)
    os._exit(0)


def main() -> int:
    """See the module."""
    history, address, ca, token, *names = sys.argv[1:]
    descriptor = os.open(history, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    stop, fork = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    signal.signal(signal.SIGUSR1, lambda *_: fork.set())
    application = node_client.Application("report-server", "10.0.19", "2024-05-31", "sales")
    watched = []
    for name in names:
        historian = Historian(descriptor, name)
        node = node_client.connect(
            address, application=application, node_name=name, token=token, ca=ca, on_change=historian.look
        )
        watched.append((historian, node))
    pause = POLL_S if len(names) == 1 else IDLE_POLL_S
    while not stop.wait(pause):
        if fork.is_set():
            fork.clear()
            if os.fork() == 0:
                _ask_on([(Historian(descriptor, name), node) for name, (_, node) in zip(names, watched, strict=True)])
        for historian, node in watched:
            historian.look(node)
    for historian, node in watched:
        node.close()
        historian.look(node)
    return 0


if __name__ == "__main__":
    sys.exit(main())
