"""Ports outside the range that outgoing connections take theirs from."""

import os
import random
import socket

PORTS = range(15_000, 32_000)
PORT_SETS = 8
_given: set[int] = set()


def free_port() -> int:
    """A port that nobody listens on; neither the kernel nor this gives it to anybody else.

    Processes that run tests at the same time choose from different ones.
    """
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % PORT_SETS
    while True:
        port = random.choice(PORTS[number::PORT_SETS])
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
