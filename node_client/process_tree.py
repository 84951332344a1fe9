"""The program's process tree as licd-node sees it: what it has the guardian do, and what the guardian reports (R38)."""

import dataclasses
import json
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn, Self

from node_client import cgroup, linux
from node_client.cgroup import ControlGroup
from node_client.guardian import LONGEST_MESSAGE, Guardian
from node_client.loss import KILL_AFTER
from node_client.tree import Tree

_LOG = logging.getLogger("licd-node")


@dataclasses.dataclass(frozen=True, slots=True)
class Started:
    """CMD runs as process `pid`."""

    pid: int


@dataclasses.dataclass(frozen=True, slots=True)
class NotStarted:
    """CMD cannot be run, for the reason `errno`."""

    errno: int


@dataclasses.dataclass(frozen=True, slots=True)
class Exited:
    """CMD's first process has ended with `code`: its own, or 128 + signal; `others` live on."""

    code: int
    others: bool


@dataclasses.dataclass(frozen=True, slots=True)
class Emptied:
    """No process of the tree is left."""


@dataclasses.dataclass(frozen=True, slots=True)
class Unguarded:
    """The guardian has ended, and the tree is licd-node's own."""


Report = Started | NotStarted | Exited | Emptied | Unguarded


class ProcessTree:
    """Runs `command` and whatever it starts, under a guardian; a context manager.

    Make it in the main thread, before any other thread starts: a fork copies the thread that calls it, and no lock that
    another holds is ever released in the copy.
    """

    def __init__(self, command: Sequence[str]) -> None:
        """Fork the guardian."""
        linux.adopt_orphans()  # the tree's, should the guardian be killed
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control_group = cgroup.make()
        if os.fork() == 0:
            self._socket.close()
            _guard(theirs, command, self._control_group)
        theirs.close()
        self._closing = False

    def listen(self, put: Callable[[Report], object]) -> None:
        """Call `put` with each report, in a thread."""
        threading.Thread(target=self._listen, args=(put,), name="licd-node-tree", daemon=True).start()

    def start(self, environment: Mapping[str, str]) -> None:
        """Start the command with these variables besides licd-node's own."""
        self._order("start", dict(environment))

    def pass_on(self, number: signal.Signals) -> None:
        """Forward a signal to those that have not got it."""
        self._order("pass", number)

    def stop(self, number: signal.Signals) -> None:
        """Signal every process; with SIGKILL until none is left."""
        self._order("stop", number)

    def end(self) -> None:
        """Stop what the guardian has left behind, and return when nothing is left."""
        Tree({os.getpgrp()}, self._control_group).end(KILL_AFTER)

    def close(self) -> None:
        """Let the guardian go: it stops what still runs."""
        if self._control_group is not None:
            self._control_group.remove()
        self._closing = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Self:
        """The tree itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _order(self, order: str, argument: object) -> None:
        try:
            self._socket.send(json.dumps({order: argument}).encode())
        except ConnectionError:
            return  # the guardian's end is reported by the thread that reads

    def _listen(self, put: Callable[[Report], object]) -> None:
        while not self._closing:
            try:
                message = self._socket.recv(LONGEST_MESSAGE)
            except OSError:
                message = b""
            if not message:
                put(Unguarded())
                return
            put(_report(message))


def _report(message: bytes) -> Report:
    ((what, value),) = json.loads(message).items()
    if what == "started":
        return Started(value)
    if what == "failed":
        return NotStarted(value)
    if what == "exited":
        status, others = value
        code = os.waitstatus_to_exitcode(status)
        return Exited(128 - code if code < 0 else code, others)
    return Emptied()


def _guard(agent: socket.socket, command: Sequence[str], control_group: ControlGroup | None) -> NoReturn:
    # Whatever happens, the copy of licd-node does not go on with licd-node's own work.
    try:
        Guardian(agent, command, control_group, in_terminal=_has_terminal()).run()
    except BaseException:
        _LOG.exception("a fault of licd-node's guardian")
    finally:
        os._exit(1)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
