"""Calls the program's on_change, in a thread of the client's own: a slow callback must not delay a heartbeat."""

import logging
import queue
import threading
from collections.abc import Callable

from node_client.node import Node

_LOG = logging.getLogger("node_client")
OnChange = Callable[[Node], object]


class Callbacks:
    """One call of `on_change` for each change, in order; what it raises is logged and harms nothing."""

    def __init__(self, node: Node, on_change: OnChange) -> None:
        """Start the thread."""
        self._node = node
        self._on_change = on_change
        self._changes: queue.SimpleQueue[OnChange | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="licd-node-callback", daemon=True)
        self._thread.start()

    def changed(self) -> None:
        """Ask for one call."""
        self._changes.put(self._on_change)

    def stop(self, timeout: float) -> None:
        """End the thread after the calls already asked for; wait at most `timeout` seconds for it."""
        self._changes.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def _run(self) -> None:
        for on_change in iter(self._changes.get, None):
            try:
                on_change(self._node)
            except Exception:
                _LOG.exception("on_change raised")
