"""Runs one command while a seat is held: the work of `licd-node run`.

- CMD starts once the node is licensed, and not before.
- While the daemon is away, CMD goes on for the outage's grace (R41). When that is over it is stopped; after a definite
  loss (evicted, seat withdrawn, registration reset, license expired), or where there is no grace, when the loss's
  own grace has ended: SIGTERM, KILL_AFTER seconds later SIGKILL.
- CMD that was stopped is held (ON_LOSS hold): a fresh process starts once the node is licensed again. Or licd-node ends
  (stop). With warn it is never stopped.
- Signals are passed on. One that a terminal sent has reached CMD already, which is in the same foreground group:
  its si_code shows that, so the signals are waited for rather than handled.
- The exit code is CMD's own, 128 + signal if one ended it; LOST where CMD was stopped and does not start again.
"""

import dataclasses
import logging
import math
import os
import queue
import signal
import threading
from collections.abc import Mapping, Sequence

from node_client import clock
from node_client.loss import Loss, OnLoss, describe
from node_client.node import Node
from node_client.values import FINAL

_LOG = logging.getLogger("licd-node")
LOST = 75
"""Exit code after the loss of the license (EX_TEMPFAIL: a later start may well succeed)."""
_PASSED = frozenset(
    {
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGQUIT,
        signal.SIGWINCH,
    }
)
_ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})
_FOR_GOOD = frozenset({signal.SIGTERM, signal.SIGINT})
"""Anyone who sends these to a running CMD wants an end: it is not started again. Others may mean something to CMD."""
_SI_KERNEL = 0x80
_LONGEST_WAIT = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class Signalled:
    """A signal came; `by_terminal`: CMD has it already."""

    number: signal.Signals
    by_terminal: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Exited:
    """CMD has ended and waits to be reaped."""


class Supervisor:
    """Runs `command` under a node's seat; make it in the main thread, before any other thread starts."""

    def __init__(self, command: Sequence[str], on_loss: OnLoss, loss_grace: float) -> None:
        """Blocks the signals, so that every later thread leaves them to the one that waits for them."""
        self._command = command
        self._holds = on_loss is OnLoss.HOLD
        self._grace = math.inf if on_loss is OnLoss.WARN else loss_grace
        self._events: queue.SimpleQueue[Signalled | Exited | None] = queue.SimpleQueue()
        self._in_outage = False
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED)
        threading.Thread(target=self._listen, name="licd-node-signals", daemon=True).start()

    def changed(self, node: Node) -> None:
        """The node's on_change: says so in the log and looks at the license."""
        status = node.status()
        if self._in_outage and not status.may_run:
            _LOG.error("the grace for an absent daemon has ended")
        self._in_outage = status.may_run and not status.licensed
        _LOG.log(logging.INFO if status.licensed else logging.WARNING, "%s", describe(status))
        self._events.put(None)

    def run(self, node: Node, environment: Mapping[str, str]) -> int:
        """Wait for the license, run the command, again after each loss if it holds, and give the exit code."""
        ended = self._wait_licensed(node)
        while ended is None:
            code, may_return = self._run_once(node, environment)
            if not may_return:
                return code
            _LOG.warning("held: %s starts again once the node is licensed", self._command[0])
            ended = None if self._wait_licensed(node) is None else LOST
        return ended

    def _wait_licensed(self, node: Node) -> int | None:
        while not (status := node.status()).licensed:
            if status.state in FINAL:
                return LOST
            event = self._next(_LONGEST_WAIT)
            if isinstance(event, Signalled) and event.number in _ENDING:
                return 128 + event.number
        return None

    def _run_once(self, node: Node, environment: Mapping[str, str]) -> tuple[int, bool]:
        """One process of CMD, to its end: the exit code, and whether another may follow."""
        try:
            pid = self._spawn(environment)
        except OSError as error:
            _LOG.error("cannot run %s: %s", self._command[0], error.strerror)
            return (127 if isinstance(error, FileNotFoundError) else 126), False
        _LOG.info("licensed; %s runs as process %s", self._command[0], pid)
        threading.Thread(target=self._watch, args=(pid,), name="licd-node-child", daemon=True).start()
        return self._supervise(pid, node)

    def _spawn(self, environment: Mapping[str, str]) -> int:
        return os.posix_spawnp(
            self._command[0],
            list(self._command),
            dict(environment),
            setsigmask=(),
            # Python ignores these two; a program expects them as they are by default.
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )

    def _supervise(self, pid: int, node: Node) -> tuple[int, bool]:
        loss, for_good = Loss(self._grace), False
        while True:
            now = clock.boottime()
            loss, number = loss.seen(now, node.status())
            if number is not None:
                _LOG.error("the license was lost; %s to process %s", number.name, pid)
                os.kill(pid, number)
            event = self._next(loss.next_at(now) - now)
            if isinstance(event, Exited):
                return _exit_code(pid, loss), self._holds and loss.stopped is not None and not for_good
            if isinstance(event, Signalled):
                for_good = for_good or event.number in _FOR_GOOD
                if not event.by_terminal:
                    os.kill(pid, event.number)

    def _next(self, wait: float) -> Signalled | Exited | None:
        try:
            return self._events.get(timeout=max(0.0, wait))
        except queue.Empty:
            return None

    def _watch(self, pid: int) -> None:
        # Left unreaped, so that the number stays CMD's until the last signal was passed on.
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        self._events.put(Exited())

    def _listen(self) -> None:
        while True:
            info = signal.sigwaitinfo(_PASSED)
            self._events.put(Signalled(signal.Signals(info.si_signo), info.si_code == _SI_KERNEL))


def _exit_code(pid: int, loss: Loss) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if loss.stopped is not None:
        return LOST
    return 128 - code if code < 0 else code
