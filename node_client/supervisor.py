"""Runs one command while a seat is held: the work of `licd-node run`.

- CMD starts once the node is licensed, and not before.
- While the daemon is away, CMD goes on for the outage's grace (R41). When that is over it is stopped; after a definite
  loss (evicted, seat withdrawn, registration reset, license expired), or where there is no grace, when the loss's
  own grace has ended: SIGTERM to each of its processes, KILL_AFTER seconds later SIGKILL.
- CMD has ended when each of its processes has (R38): until then the seat is held, also where the first process, such as
  a start script, ends before those that it started.
- CMD that was stopped is held (ON_LOSS hold): a fresh process starts once the node is licensed again. Or licd-node ends
  (stop). With warn it is never stopped.
- The exit code is that of CMD's first process, 128 + signal if one ended it; LOST where CMD was stopped and does not
  start again.
"""

import logging
import math
import os
import queue
import signal
from collections.abc import Mapping

from node_client import clock, signals
from node_client.announcer import Announcer
from node_client.loss import LOST, Loss, OnLoss
from node_client.node import Node
from node_client.process_tree import Emptied, Exited, NotStarted, ProcessTree, Report, Started, Unguarded
from node_client.values import FINAL

_LOG = logging.getLogger("licd-node")
_LONGEST_WAIT = 1.0


class Supervisor:
    """Runs a tree's command, `name`, under a node's seat; make it in the main thread, before any thread starts."""

    def __init__(self, tree: ProcessTree, name: str, on_loss: OnLoss, loss_grace: float) -> None:
        """Take the signals, and the tree's reports."""
        self._tree = tree
        self._name = name
        self._holds = on_loss is OnLoss.HOLD
        self._grace = math.inf if on_loss is OnLoss.WARN else loss_grace
        self._events: queue.SimpleQueue[Report | signal.Signals | None] = queue.SimpleQueue()
        self._announcer = Announcer()
        signals.listen(self._events.put)
        tree.listen(self._events.put)

    def changed(self, node: Node) -> None:
        """The node's on_change: says so in the log and looks at the license."""
        self._announcer.changed(node.status())
        self._events.put(None)

    def run(self, node: Node, environment: Mapping[str, str]) -> int:
        """Wait for the license, run the command, again after each loss if it holds, and give the exit code."""
        ended = self._wait_licensed(node)
        while ended is None:
            self._tree.start(environment)
            code, may_return = self._supervise(node)
            if not may_return:
                return code
            _LOG.warning("held: %s starts again once the node is licensed", self._name)
            ended = None if self._wait_licensed(node) is None else LOST
        return ended

    def _wait_licensed(self, node: Node) -> int | None:
        while not (status := node.status()).licensed:
            if status.state in FINAL:
                return LOST
            event = self._next(_LONGEST_WAIT)
            if isinstance(event, signal.Signals) and event in signals.ENDING:
                return 128 + event
            if isinstance(event, Unguarded):
                return LOST
        return None

    def _supervise(self, node: Node) -> tuple[int, bool]:
        """One run of CMD, until no process of it is left: the exit code, and whether another may follow."""
        loss, for_good, code = Loss(self._grace), False, LOST
        while True:
            now = clock.boottime()
            loss, number = loss.seen(now, node.status())
            if number is not None:
                _LOG.error("the license was lost; %s to each process of %s", number.name, self._name)
                self._tree.stop(number)
            event = self._next(loss.next_at(now) - now)
            if isinstance(event, signal.Signals):
                for_good = for_good or event in signals.FOR_GOOD
                self._tree.pass_on(event)
            elif isinstance(event, Started):
                _LOG.info("licensed; %s runs as process %s", self._name, event.pid)
            elif isinstance(event, NotStarted):
                return self._not_started(event.errno), False
            elif isinstance(event, Exited):
                code = event.code
                if event.others:
                    _LOG.info("%s has ended, what it started runs on: the seat is held until that ends", self._name)
            elif isinstance(event, Emptied):
                lost = loss.stopped is not None
                return (LOST if lost else code), self._holds and lost and not for_good
            elif isinstance(event, Unguarded):
                _LOG.error("the guardian of %s was killed: stopping what is left of it", self._name)
                self._tree.end()
                return LOST, False

    def _not_started(self, number: int) -> int:
        _LOG.error("cannot run %s: %s", self._name, os.strerror(number))
        return 127 if isinstance(OSError(number, ""), FileNotFoundError) else 126

    def _next(self, wait: float) -> Report | signal.Signals | None:
        try:
            return self._events.get(timeout=max(0.0, wait))
        except queue.Empty:
            return None
