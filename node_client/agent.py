"""Holds one seat for programs that it did not start: the work of `licd-node agent` (R38).

- It holds the seat until it gets SIGTERM or another ending signal: it cannot know which programs ask for it.
- It stops believing before it leaves, and its socket says so until the end.
"""

import queue
import signal

from node_client import signals
from node_client.announcer import Announcer
from node_client.loss import LOST
from node_client.node import Node
from node_client.values import FINAL


class Agent:
    """Waits while a node holds its seat; make it in the main thread, before any other thread starts."""

    def __init__(self) -> None:
        """Take the signals."""
        self._events: queue.SimpleQueue[signal.Signals | None] = queue.SimpleQueue()
        self._announcer = Announcer()
        signals.listen(self._events.put)

    def changed(self, node: Node) -> None:
        """The node's on_change: says so in the log."""
        self._announcer.changed(node.status())
        self._events.put(None)

    def run(self, node: Node) -> int:
        """Wait for an ending signal: 0. LOST when the node can never be licensed again (evicted)."""
        while node.state not in FINAL:
            if self._events.get() in signals.ENDING:
                return 0
        return LOST
