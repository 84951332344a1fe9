"""One process of a web server: bounded in connections, and in a request's size and the time that it may take to come.

Rules:

- A connection that has not brought a whole request 10 seconds after it was opened, or after the request's first byte,
  is closed: uvicorn itself waits without end. One that rests between two requests is closed after 5 seconds.
- A request's head has at most 16 KiB. Of 512 connections in a process the longest idle goes for a newcomer, whichever
  peer they are from: a proxy in front is one peer.
- On SIGTERM or SIGINT what is under way has 5 seconds to end.
"""

import contextlib
import signal
import socket
import threading
from collections.abc import Iterator

import anyio.to_thread
from starlette.types import ASGIApp

from licd_kit.addresses import Address
from licd_kit.web import server
from licd_vendor.errors import RefusedError

REQUEST_SECONDS = 10.0
MAX_CONNECTIONS = 512
# as many as the pool of the database has connections: more would only wait for one
_THREADS = 16
_GRACE_SECONDS = 5


class Server(server.BoundedServer):
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
    bounds = server.Bounds(MAX_CONNECTIONS, MAX_CONNECTIONS, _GRACE_SECONDS, request_seconds, with_body=True)
    return Server(server.BoundedConfig(app, bounds))


def listen(address: Address, option: str = "--listen") -> socket.socket:
    """Listen on an address; port 0 takes a free one.

    Raises:
        RefusedError: When that can't be done; it names the option.
    """
    try:
        return server.bind(address)
    except OSError as fault:
        raise RefusedError(f"{option} {address}: {fault.strerror}; choose another") from None


def url_of(listener: socket.socket) -> str:
    """Give the URL of a listening socket."""
    return server.url_of("http", listener)
