"""Runs one command while a seat is held: the work of `licd-node run`.

- CMD starts once the node is licensed, and not before.
- Signals are passed on. One that a terminal sent has reached CMD already, which stands in the same foreground group:
  its si_code tells, so the signals are waited for rather than handled.
- When the license is lost for longer than the grace: SIGTERM, KILL_AFTER seconds later SIGKILL, and exit code LOST.
- Otherwise the exit code is CMD's own, 128 + signal if one ended it.
"""

import dataclasses
import logging
import os
import queue
import signal
import threading
from collections.abc import Mapping, Sequence

from node_client import clock
from node_client.node import Node
from node_client.values import FINAL, Status

_LOG = logging.getLogger("licd-node")
LOST = 75
"""Exit code after the loss of the license (EX_TEMPFAIL: a later start may well succeed)."""
KILL_AFTER = 10.0
"""Seconds from SIGTERM to SIGKILL."""
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


@dataclasses.dataclass(frozen=True, slots=True)
class Loss:
    """How a loss of the license goes on: pure, with time passed in (seconds of boottime).

    Attributes:
        grace: seconds that CMD may go on; None: for ever.
        since: when the license was lost; None while it is there.
        stopped: when SIGTERM was sent; a license that comes back later no longer helps.
        killed: whether SIGKILL was sent.
    """

    grace: float | None
    since: float | None = None
    stopped: float | None = None
    killed: bool = False

    def seen(self, now: float, *, licensed: bool) -> tuple["Loss", signal.Signals | None]:
        """After a look at the license: what is so from now on, and the signal to send."""
        if self.stopped is not None:
            if self.killed or now < self.stopped + KILL_AFTER:
                return self, None
            return dataclasses.replace(self, killed=True), signal.SIGKILL
        if licensed:
            return dataclasses.replace(self, since=None), None
        since = now if self.since is None else self.since
        if self.grace is None or now < since + self.grace:
            return dataclasses.replace(self, since=since), None
        return dataclasses.replace(self, since=since, stopped=now), signal.SIGTERM

    def next_at(self, now: float) -> float:
        """When to look again, at the latest."""
        instants = [now + _LONGEST_WAIT]
        if self.stopped is not None:
            instants.append(self.stopped + KILL_AFTER)
        elif self.since is not None and self.grace is not None:
            instants.append(self.since + self.grace)
        return min(instants)


class Supervisor:
    """Runs `command` under a node's seat; make it in the main thread, before any other thread starts."""

    def __init__(self, command: Sequence[str], grace: float | None) -> None:
        """Blocks the signals, so that every later thread leaves them to the one that waits for them."""
        self._command = command
        self._loss = Loss(grace)
        self._events: queue.SimpleQueue[Signalled | Exited | None] = queue.SimpleQueue()
        signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED)
        threading.Thread(target=self._listen, name="licd-node-signals", daemon=True).start()

    def changed(self, node: Node) -> None:
        """The node's on_change: says so in the log and looks at the license."""
        _log_status(node.status())
        self._events.put(None)

    def run(self, node: Node, environment: Mapping[str, str]) -> int:
        """Waits for the license, runs the command, and gives the exit code."""
        ended = self._wait_licensed(node)
        if ended is not None:
            return ended
        try:
            pid = os.posix_spawnp(
                self._command[0],
                list(self._command),
                dict(environment),
                setsigmask=(),
                # Python ignores these two; a program expects them as they are by default.
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
            )
        except OSError as error:
            _LOG.error("cannot run %s: %s", self._command[0], error.strerror)
            return 127 if isinstance(error, FileNotFoundError) else 126
        _LOG.info("licensed; %s runs as process %s", self._command[0], pid)
        threading.Thread(target=self._watch, args=(pid,), name="licd-node-child", daemon=True).start()
        return self._supervise(pid, node)

    def _wait_licensed(self, node: Node) -> int | None:
        while not (status := node.status()).licensed:
            if status.state in FINAL:
                return LOST
            event = self._next(_LONGEST_WAIT)
            if isinstance(event, Signalled) and event.number in _ENDING:
                return 128 + event.number
        return None

    def _supervise(self, pid: int, node: Node) -> int:
        while True:
            now = clock.boottime()
            self._loss, number = self._loss.seen(now, licensed=node.is_licensed())
            if number is not None:
                _LOG.error("the license was lost; %s to process %s", number.name, pid)
                os.kill(pid, number)
            event = self._next(self._loss.next_at(now) - now)
            if isinstance(event, Exited):
                return self._exit_code(pid)
            if isinstance(event, Signalled) and not event.by_terminal:
                os.kill(pid, event.number)

    def _exit_code(self, pid: int) -> int:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if self._loss.stopped is not None:
            return LOST
        return 128 - code if code < 0 else code

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


def _log_status(status: Status) -> None:
    level = logging.INFO if status.licensed else logging.WARNING
    reasons = "".join(f"; {failure.title}: {failure.detail} {failure.remedy}" for failure in status.failures)
    _LOG.log(level, "%s%s", status.state, reasons)
