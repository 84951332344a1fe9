"""A node that speaks to the leader daemon: it holds the belief that its thread changes (R15).

- `status()` takes no lock: the belief is one immutable value, replaced whole.
- close() ends the belief first; only then does the thread send Leave. An ended belief never comes back.
- A forked child holds nothing: it knows by its process id and by a fork hook, and touches no channel of the parent's.
  It should not connect on its own either: gRPC aborts about one in a hundred of such children (measured, 1.85).
- A program that ends without close() leaves all the same (atexit); one that is killed is LOST, and its lease ends.
"""

import atexit
import logging
import os
import threading
import weakref
from collections.abc import Callable

from node_client import clock, threads
from node_client.belief import Belief
from node_client.callbacks import Callbacks, OnChange
from node_client.driver import LEAVE_TIMEOUT, Driver
from node_client.node import Node
from node_client.proof import MISSING
from node_client.settings import Settings
from node_client.values import Failure, NodeState, Status

_LOG = logging.getLogger("node_client")
_FORKED = Status(
    NodeState.CLOSED,
    licensed=False,
    failures=(
        Failure(
            "FORKED",
            "This process was forked from the one that joined",
            remedy="Connect after the fork, in each worker, or start the server under licd-node: one seat for all.",
        ),
    ),
)


class RemoteNode(Node):
    """A node with a session of its own."""

    def __init__(self, settings: Settings, on_change: OnChange | None) -> None:
        """Start the client's thread."""
        super().__init__()
        if _OF_PARENT:
            _LOG.warning("connect() in a child of a process that had connected: gRPC may abort; connect after forking")
        self._process = os.getpid()
        self._belief = Belief(proof=MISSING if settings.verifier else None)
        self._lock = threading.Lock()
        self._published = self.status()
        self._callbacks = Callbacks(self, on_change) if on_change else None
        self._driver = Driver(settings, self._change, self._publish)
        _LIVE.add(self)
        self._thread = threads.started(self._driver.run, "licd-node")

    def status(self) -> Status:
        """Everything about the node at the instant of the call (R15)."""
        if os.getpid() != self._process:
            return _FORKED
        return self._belief.status_at(clock.boottime())

    def license(self) -> bytes:
        """The Container.lic in force, if it was asked for."""
        return self._belief.license

    def close(self) -> None:
        """Stop believing, then leave; return within 3 seconds (R15)."""
        if os.getpid() != self._process:
            return
        self._change(lambda belief: belief.ended(NodeState.CLOSED))
        self._publish()
        self._driver.stop()
        self._thread.join(LEAVE_TIMEOUT + 0.5)
        if self._callbacks is not None:
            self._callbacks.stop(timeout=0.5)
        _LIVE.discard(self)

    def _change(self, change: Callable[[Belief], Belief]) -> Belief:
        with self._lock:
            self._belief = change(self._belief)
            return self._belief

    def _publish(self) -> None:
        """Notifies those who wait and the callback if the state or its reasons have changed; lease_left always does."""
        with self._lock:
            before, now = self._published, self.status()
            self._published = now
        if now.differs(before):
            self._notify_watchers()
            if self._callbacks is not None:
                self._callbacks.changed()

    def _forked(self) -> None:
        # The lock may have been held by a thread that this process does not have.
        self._lock = threading.Lock()
        self._belief = Belief(end=NodeState.CLOSED)
        # Freed here, the channel would wait for threads of grpc that this process does not have.
        _OF_PARENT.append((self._driver, self._thread))


_LIVE: "weakref.WeakSet[RemoteNode]" = weakref.WeakSet()
_OF_PARENT: list[object] = []


def _close_all() -> None:
    for node in tuple(_LIVE):
        node.close()


def _forget_all() -> None:
    for node in tuple(_LIVE):
        node._forked()  # noqa: SLF001 - its own module's hook
    _LIVE.clear()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
