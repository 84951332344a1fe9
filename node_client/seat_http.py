"""What is asked at a licd-node's socket: HTTP/1.1 with JSON.

- `GET /state`: the state at the instant of the question; nothing is kept (R15).
- `GET /watch`: the state now, and one line more at each change, until either side closes.
- `GET /license`: the Container.lic in force, for programs that verify it themselves (R37).
- Everything is bounded: connections, watchers, how long one may be silent or slow, what the log says of the askers.
"""

import contextlib
import dataclasses
import json
import logging
import pathlib
import select
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

from node_client.node import Node
from node_client.values import Status

_LOG = logging.getLogger("licd-node")
MOST_CONNECTIONS = 256
MOST_WATCHERS = 64
_MOST_TOLD = 64
_LONGEST_WAIT = 1.0
_SLOWEST = 5.0
"""Seconds; a client that says nothing, or does not take what it asked for, is dropped after them."""
_CREDENTIALS = struct.Struct("3i")


class Askers:
    """Tells the log who asks: each program of each user once, and no more than _MOST_TOLD of them."""

    def __init__(self) -> None:
        """Nobody has asked."""
        self._told: set[tuple[str, int, int]] = set()

    def seen(self, connection: socket.socket) -> None:
        """A connection was made."""
        pid, user, group = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        asker = (_program(pid), user, group)
        if asker in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(asker)
        _LOG.info("asked by %s, process %s of user %s, group %s", asker[0], pid, user, group)
        if len(self._told) == _MOST_TOLD:
            _LOG.info("others who ask are not reported any more")


class SeatServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Answers for `node` at the path that `bind` gives the socket.

    Raises:
        OSError: `bind` does.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, node: Node, askers: Askers, bind: Callable[[socket.socket], object], closed: threading.Event
    ) -> None:
        """Listen at once; when `closed` is set, watchers get the last state and an end."""
        self.node = node
        self.closed = closed
        self.watchers = threading.BoundedSemaphore(MOST_WATCHERS)
        self._bind = bind
        self._askers = askers
        self._connections = threading.BoundedSemaphore(MOST_CONNECTIONS)
        super().__init__("", _Handler)

    def server_bind(self) -> None:
        """Put the socket in its place."""
        self._bind(self.socket)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, if there may be another."""
        if not self._connections.acquire(blocking=False):
            self.shutdown_request(request)
            return
        self._askers.seen(request)
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread's body."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client went away, or was too slow: that is no event."""
        _LOG.debug("a client of the socket was dropped", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SLOWEST
    server: SeatServer

    def do_GET(self) -> None:
        if self.path == "/state":
            self._answer(200, content(self.server.node.status()))
        elif self.path == "/watch":
            self._watch()
        elif self.path == "/license":
            self._license(self.server.node.license())
        else:
            self._answer(404, {"error": "ask GET /state, GET /watch or GET /license"})

    def _license(self, license: bytes) -> None:
        if license:
            self._send(200, license, "application/jose")
        else:
            self._answer(404, {"error": "the daemon gave no license; upload it again if a daemon before 0.2 took it"})

    def _watch(self) -> None:
        if not self.server.watchers.acquire(blocking=False):
            self._answer(503, {"error": f"{MOST_WATCHERS} programs watch already; ask GET /state"})
            return
        try:
            self.close_connection = True
            self._begin(200)
            self.send_header("Connection", "close")
            self.end_headers()
            for status in self._changes():
                self.wfile.write(json.dumps(content(status)).encode() + b"\n")
        finally:
            self.server.watchers.release()

    def _changes(self) -> Iterator[Status]:
        node, told = self.server.node, None
        woken, wake = socket.socketpair()
        with woken, wake, node.watching(lambda: _wake(wake)):
            wake.setblocking(False)
            while True:
                closing, status = self.server.closed.is_set(), node.status()
                if told is None or status.differs(told):
                    told = status
                    yield status
                if closing:
                    return
                readable, _, _ = select.select([woken, self.connection], [], [], _LONGEST_WAIT)
                if self.connection in readable:
                    return  # a watcher has nothing to say: it has gone
                if woken in readable:
                    woken.recv(4096)

    def _answer(self, code: int, body: dict[str, object]) -> None:
        self._send(code, json.dumps(body).encode())

    def _send(self, code: int, body: bytes, kind: str = "application/json") -> None:
        self._begin(code, kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _begin(self, code: int, kind: str = "application/json") -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")

    def log_message(self, *_: object) -> None:
        """Say nothing: a question is no event."""


def content(status: Status) -> dict[str, object]:
    """The members of the answer."""
    return {
        "state": status.label,
        "licensed": status.licensed,
        "may_run": status.may_run,
        "failures": [dataclasses.asdict(failure) for failure in status.failures],
        "lease_left": status.lease_left,
        "grace_left": status.grace_left,
    }


def _wake(wake: socket.socket) -> None:
    with contextlib.suppress(OSError):  # full: it is awake; closed: it watches no more
        wake.send(b"!")


def _program(pid: int) -> str:
    try:
        return (pathlib.Path("/proc") / str(pid) / "comm").read_text(errors="replace").strip()
    except OSError:
        return "a program"
