"""A node under `licd-node run`: it asks the socket LICD_NODE_SOCKET and takes no seat of its own.

Each question goes to the socket: an answer kept here could outlive the seat, which licd-node gives up the moment it
acknowledges a loss (R13). So a process forked from this one may ask as well: the seat is the process tree's.
"""

import asyncio
import http.client
import json
import os
import socket
import struct
import sys
import threading
from typing import Any

from node_client import clock
from node_client.callbacks import Callbacks, OnChange
from node_client.node import Node
from node_client.proof import DRIFT
from node_client.values import GRACE, Failure, NodeState, Status
from node_client.verifier import Verifier

_TIMEOUT = 1.0
"""Seconds; an answer that takes longer counts as none."""
_LARGEST = 64 * 1024 + 1
"""Bytes of an answer."""
_POLL = 0.25
# How an answer that is none shows; a ValueError is what `ask` raises.
_NO_STATUS = (http.client.HTTPException, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_UNTRUSTED = "The socket is not of a licd-node that this program may believe"
_TRUSTED = "Run licd-node as root or as the user of this program."
_CREDENTIALS = struct.Struct("3i")


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("licd-node", timeout=_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT)
        self.sock.connect(self._path)
        _refuse_untrusted(self.sock, self._path)


class UntrustedError(ValueError):
    """Another user's process serves the socket."""


def _refuse_untrusted(connection: socket.socket, path: str) -> None:
    """R37: anyone may serve a path that anyone may write; only root and this user are believed."""
    if sys.platform != "linux":
        message = f"the user behind {path} cannot be known on this system"
        raise UntrustedError(message)
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(credentials)
    if user not in (0, os.geteuid()):
        message = f"user {user} serves {path}, and this program is of user {os.geteuid()}"
        raise UntrustedError(message)


def ask(path: str) -> Status:
    """Ask the socket at `path` for the state of the seat.

    Raises:
        OSError: nobody answers there.
        ValueError: what answers there is not licd-node; UntrustedError: another user's process does.
    """
    try:
        return _status(json.loads(_get(path, "/state")[1]))
    except _NO_STATUS as error:
        message = f"no licd-node at {path}"
        raise ValueError(message) from error


def ask_license(path: str) -> bytes:
    """Ask the socket at `path` for the Container.lic in force; empty: it has none to hand on, as before 0.2.

    Raises:
        OSError: nobody answers there.
        ValueError: what answers there is not licd-node; UntrustedError: another user's process does.
    """
    try:
        code, body = _get(path, "/license")
    except _NO_STATUS as error:
        message = f"no licd-node at {path}"
        raise ValueError(message) from error
    return body if code == http.client.OK else b""


def _get(path: str, what: str) -> tuple[int, bytes]:
    connection = _Connection(path)
    try:
        connection.request("GET", what)
        response = connection.getresponse()
        return response.status, response.read(_LARGEST)
    finally:
        connection.close()


def _status(reported: dict[str, Any]) -> Status:
    in_grace = reported["state"] == GRACE
    state = NodeState.JEOPARDY if in_grace else NodeState(reported["state"])
    licensed = reported["licensed"] is True and state is NodeState.LICENSED
    failures = tuple(Failure(**failure) for failure in reported["failures"])
    lease_left = float(reported["lease_left"]) if licensed else 0.0
    # A licd-node before 0.2 knows no grace.
    grace_left = float(reported["grace_left"]) if in_grace else 0.0
    return Status(state, licensed, failures, lease_left, grace_left)


class LocalNode(Node):
    """The seat of the process tree, seen from inside it."""

    _poll = _POLL

    def __init__(self, path: str, on_change: OnChange | None, verifier: Verifier | None = None) -> None:
        """Start a thread that watches the socket if somebody is to be called."""
        super().__init__()
        self._path = path
        self._verifier = verifier
        self._closed = threading.Event()
        self._callbacks = Callbacks(self, on_change) if on_change else None
        if self._callbacks is not None:
            self._watcher = threading.Thread(
                target=self._watch, args=(self._callbacks,), name="licd-node-local", daemon=True
            )
            self._watcher.start()

    def status(self) -> Status:
        """What licd-node says at the instant of the call; not licensed if it does not answer within a second."""
        if self._closed.is_set():
            return Status(NodeState.CLOSED, licensed=False)
        try:
            return self._verified(ask(self._path))
        except UntrustedError as error:
            return Status(NodeState.CONNECTING, False, (Failure("UNTRUSTED_SOCKET", _UNTRUSTED, str(error), _TRUSTED),))
        except (OSError, ValueError) as error:
            title, remedy = "licd-node does not answer", "Restart licd-node; this program lives under it."
            return Status(NodeState.CONNECTING, False, (Failure("UNREACHABLE", title, str(error), remedy),))

    def license(self) -> bytes:
        """The Container.lic that licd-node hands on."""
        try:
            return ask_license(self._path)
        except (OSError, ValueError):
            return b""

    def _verified(self, status: Status) -> Status:
        """R37: a socket is believed no more than a daemon."""
        if self._verifier is None or not status.may_run:
            return status
        proof = self._verifier.judge(ask_license(self._path))
        return proof.applied(status, proof.left(clock.wall_ns() / 1e9, DRIFT))

    def close(self) -> None:
        """Stop asking; the seat stays with licd-node until its command ends."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._notify_watchers()
        if self._callbacks is not None:
            self._callbacks.changed()
            self._callbacks.stop(timeout=0.5)

    async def _status_async(self) -> Status:
        return await asyncio.to_thread(self.status)

    def _watch(self, callbacks: Callbacks) -> None:
        before = Status(NodeState.CONNECTING, licensed=False)
        while not self._closed.wait(_POLL):
            now = self.status()
            if now.differs(before):
                self._notify_watchers()
                callbacks.changed()
            before = now
