"""The guardian: the process between licd-node and its program, which outlives licd-node for as long as it takes (R38).

- It starts the program and is its tree's subreaper: orphans are its children, so it knows when the tree is empty.
- When licd-node ends in any way, kill -9 included, the socket between them breaks, and the guardian stops the tree.
  When the guardian is killed, the tree becomes licd-node's, which stops it; the first process gets SIGTERM from the
  kernel in any case.
- It is made by a fork before any thread is started, has one thread, and uses no gRPC.
"""

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from node_client import clock, linux, log, signals
from node_client.cgroup import ControlGroup
from node_client.forwarding import Forwarding
from node_client.loss import KILL_AFTER
from node_client.tree import BETWEEN_KILLS, Tree

_LOG = logging.getLogger("licd-node")
LONGEST_MESSAGE = 65536


class Guardian:
    """Does what licd-node says over `agent`, a socket of messages, and reports what becomes of the tree.

    Orders: {"start": {NAME: VALUE}} with more of the environment, {"pass": SIGNAL}, {"stop": SIGNAL}.
    Reports: {"started": PID}, {"failed": ERRNO}, {"exited": [STATUS, OTHERS]}, {"empty": true}.
    """

    def __init__(
        self, agent: socket.socket, command: Sequence[str], control_group: ControlGroup | None, *, in_terminal: bool
    ) -> None:
        """`in_terminal`: stay in licd-node's process group, the program too."""
        self._agent = agent
        self._command = command
        self._in_terminal = in_terminal
        self._forwarding = Forwarding()
        self._killing = False
        self._running = False
        parents_group = os.getpgrp()
        if not in_terminal:
            os.setpgid(0, 0)
        self._control_group = control_group
        self._tree = Tree({parents_group, os.getpgrp()}, control_group)
        linux.name_process("licd-guardian")
        linux.adopt_orphans()
        self._selector = selectors.DefaultSelector()
        self._selector.register(agent, selectors.EVENT_READ, self._order)
        self._selector.register(self._woken(), selectors.EVENT_READ, self._reap)

    def run(self) -> NoReturn:
        """The process's body."""
        while True:
            for key, _ in self._selector.select(self._patience()):
                key.data()
            for number, reached in self._forwarding.ripe(clock.boottime()):
                self._pass(signal.Signals(number), reached=reached)
            if self._killing:
                self._tree.send(signal.SIGKILL)

    def _woken(self) -> socket.socket:
        """Catch the signals; the socket is readable after one."""
        reading, writing = socket.socketpair()
        reading.setblocking(False)
        writing.setblocking(False)
        self._wakes = reading, writing
        signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        for number in signals.passed() | {signal.SIGCHLD}:
            signal.signal(number, lambda number, _: self._forwarding.seen(number, clock.boottime()))
        return reading

    def _patience(self) -> float | None:
        if self._killing:
            return BETWEEN_KILLS
        next_at = self._forwarding.next_at()
        return None if next_at is None else max(0.0, next_at - clock.boottime())

    # Orders

    def _order(self) -> None:
        try:
            message = self._agent.recv(LONGEST_MESSAGE)
        except ConnectionError:
            message = b""
        if not message:
            self._orphaned()
        ((order, argument),) = json.loads(message).items()
        if order == "start":
            self._start(argument)
        elif order == "pass":
            self._forwarding.asked(argument, clock.boottime())
        elif argument == signal.SIGKILL:
            self._killing = True
        else:
            self._tree.send(argument)

    def _start(self, environment: Mapping[str, str]) -> None:
        try:
            # The object is not waited for: reap() takes every child's end.
            process = subprocess.Popen(
                self._command,
                env={**os.environ, **environment},
                close_fds=False,
                preexec_fn=self._prepare,  # noqa: PLW1509 - the only thread
                process_group=None if self._in_terminal else 0,
            )
        except OSError as error:
            self._report("failed", error.errno)
            return
        self._tree.first, process.returncode = process.pid, 0
        self._running, self._killing = True, False
        self._report("started", process.pid)

    def _prepare(self) -> None:
        """In the new process, before it becomes the program."""
        linux.end_with_parent(signal.SIGTERM)
        if self._control_group is not None:
            self._control_group.enter()

    def _pass(self, number: signal.Signals, *, reached: bool) -> None:
        if number in signals.FOR_GOOD:
            if self._in_terminal or not reached:
                self._tree.send(number, reached=reached)
        elif not reached:
            self._tree.send_first(number)

    def _orphaned(self) -> NoReturn:
        """licd-node has ended, as it does when the tree is empty, or has been killed."""
        if self._running:
            finish = log.write_aside()
            _LOG.error("licd-node was killed: stopping what ran under it")
            self._tree.end(KILL_AFTER)
            if self._control_group is not None:
                self._control_group.remove()
            finish()
        os._exit(0)

    # Reports

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wakes[0].recv(LONGEST_MESSAGE)
        ended, empty = self._tree.reap()
        if ended is not None:
            self._report("exited", [ended, not empty])
        if self._running and empty:
            self._running = self._killing = False
            self._report("empty", True)

    def _report(self, what: str, value: Any) -> None:
        try:
            self._agent.send(json.dumps({what: value}).encode())
        except ConnectionError:
            return  # its end is read next
