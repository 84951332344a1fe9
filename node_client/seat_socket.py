"""The Unix socket at which every program under licd-node asks for the seat: `GET /state`, HTTP with a JSON answer.

- The answer is judged at the instant of the question; nothing is kept (R15).
- The socket is the user's own (0600, in a directory 0700): other users of the machine learn nothing.
- A container's probe does not inherit the variable LICD_NODE_SOCKET, so running() finds the sockets of this user.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import socketserver
import stat
import tempfile
import threading
from http.server import BaseHTTPRequestHandler
from typing import Self

from node_client import local
from node_client.node import Node
from node_client.values import Status

_PREFIX = "licd-node-"
_NAME = "node.sock"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, path: pathlib.Path, node: Node) -> None:
        self.node = node
        super().__init__(str(path), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 5
    server: _Server

    def do_GET(self) -> None:
        if self.path != "/state":
            self._answer(404, {"error": "ask GET /state"})
            return
        self._answer(200, _content(self.server.node.status()))

    def _answer(self, code: int, content: dict[str, object]) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing: a question is no event."""


def _content(status: Status) -> dict[str, object]:
    return {
        "state": status.label,
        "licensed": status.licensed,
        "may_run": status.may_run,
        "failures": [dataclasses.asdict(failure) for failure in status.failures],
        "lease_left": status.lease_left,
        "grace_left": status.grace_left,
    }


class SeatSocket:
    """Answers for `node` until it is closed; a context manager.

    Raises:
        OSError: the directory for temporary files cannot hold a socket.
    """

    def __init__(self, node: Node) -> None:
        """Listen at once."""
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.path = self._directory / _NAME
        try:
            self._server = _Server(self.path, node)
        except OSError:
            shutil.rmtree(self._directory, ignore_errors=True)
            raise
        self.path.chmod(0o600)
        self._thread = threading.Thread(target=self._server.serve_forever, name="licd-node-socket", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening and remove the socket."""
        self._server.shutdown()
        self._server.server_close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Self:
        """The socket itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


def running() -> list[str]:
    """The sockets of this user's living licd-nodes that use the same directory for temporary files."""
    found = pathlib.Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/{_NAME}")
    return [str(path) for path in found if _is_own(path) and _answers(str(path))]


def _is_own(path: pathlib.Path) -> bool:
    try:
        directory, socket = path.parent.lstat(), path.lstat()
    except OSError:
        return False
    return directory.st_uid == socket.st_uid == os.geteuid() and stat.S_ISSOCK(socket.st_mode)


def _answers(path: str) -> bool:
    try:
        local.ask(path)
    except (OSError, ValueError):
        return False
    return True
