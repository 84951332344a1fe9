"""Node processes for the real-process harness: `python -m faults.node_process HISTORY ADDRESS CA TOKEN NAME...`.

One node a name. Each change of what `is_licensed()` says is one line of JSON in the history, with the boottime at which
it was seen: by polling every 2 ms and in the callback. A line says `licensed`; `until`, the end of the lease, so that
a process that is stopped or killed is known to believe until then and no longer; and `seen`, when it was licensed last.
SIGTERM: every node leaves.
"""

import json
import os
import signal
import sys
import threading
import time

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
            after = time.clock_gettime(time.CLOCK_BOOTTIME)
            until = after + status.lease_left if status.licensed else 0.0
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


def main() -> int:
    """See the module."""
    history, address, ca, token, *names = sys.argv[1:]
    descriptor = os.open(history, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
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
        for historian, node in watched:
            historian.look(node)
    for historian, node in watched:
        node.close()
        historian.look(node)
    return 0


if __name__ == "__main__":
    sys.exit(main())
