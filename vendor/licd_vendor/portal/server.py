"""One process of a web server: bounded in connections, and in a request's size and the time that it may take to come.

Rules:

- A connection that has not brought a whole request 10 seconds after it was opened, or after the request's first byte,
  is closed: uvicorn itself waits without end. One that rests between two requests is closed after 5 seconds.
- A request's head has at most 16 KiB. More connections than 512 at once in a process are answered 503.
- On SIGTERM or SIGINT what is under way has 5 seconds to end.
"""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any, cast

import anyio.to_thread
import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from licd_vendor.errors import RefusedError

REQUEST_SECONDS = 10.0
MAX_CONNECTIONS = 512
# as many as the pool of the database has connections: more would only wait for one
_THREADS = 16
_IDLE_SECONDS = 5
_GRACE_SECONDS = 5
_MAX_HEAD_BYTES = 16 * 1024


class _ImpatientProtocol(H11Protocol):
    """uvicorn's HTTP, with a time within which a request must be there in full."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._begin_waiting()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._begin_waiting()
        else:
            self._end_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def _begin_waiting(self) -> None:
        if self._deadline is None:
            seconds = getattr(self.config, "request_seconds", REQUEST_SECONDS)
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class Config(uvicorn.Config):
    """uvicorn's settings, and how long a request may take to come."""

    def __init__(self, app: ASGIApp, request_seconds: float) -> None:
        super().__init__(
            cast("Any", app),
            access_log=False,
            log_config=None,
            lifespan="off",
            http=_ImpatientProtocol,
            ws="none",
            h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
            limit_concurrency=MAX_CONNECTIONS,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_IDLE_SECONDS,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self.request_seconds = request_seconds


class Server(uvicorn.Server):
    """Ends on a signal instead of raising it again."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve."""
        anyio.to_thread.current_default_thread_limiter().total_tokens = _THREADS
        await super().startup(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT for the order to end; in another thread than the main one there are none to take."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def make(app: ASGIApp, request_seconds: float = REQUEST_SECONDS) -> Server:
    """Make a server for one process; `run(sockets=[...])` serves until a signal comes."""
    return Server(Config(app, request_seconds))


def listen(host: str, port: int, option: str = "--listen") -> socket.socket:
    """Listen on an address; port 0 takes a free one.

    Raises:
        RefusedError: When that can't be done; it names the option.
    """
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(MAX_CONNECTIONS)
    except OSError as fault:
        listener.close()
        raise RefusedError(f"{option} {host}:{port}: {fault.strerror}; choose another") from None
    return listener


def url_of(listener: socket.socket) -> str:
    """Give the URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
