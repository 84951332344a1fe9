"""A web server in the daemon's own loop: its socket, its bounds (R36), and its end.

- The socket is bound before the daemon leads, so that an address in use is known at once.
- A connection has 10 s for a request's head and 10 s between the parts of its body; there are at most 128 of them.
- uvicorn neither takes the process's signals nor says anything of its own.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from licd_kit.addresses import split_address

HEAD_WITHIN_S = 10.0
MAX_CONNECTIONS = 128
MAX_HEAD_BYTES = 16 * 1024
DRAIN_S = 2


def bind(address: str) -> socket.socket:
    """A listening socket at `host:port`; port 0 takes a free one.

    Raises:
        OSError: the address is in use or not this machine's.
    """
    host, port = split_address(address)
    family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
        0
    ]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(MAX_CONNECTIONS)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


class _Protocol(H11Protocol):
    """Ends a connection that takes too long over a request's head: uvicorn would wait without end."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._arm()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._disarm()
        elif self._deadline is None and not self.transport.is_closing():
            self._arm()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._disarm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _arm(self) -> None:
        self._deadline = self.loop.call_later(HEAD_WITHIN_S, self.transport.close)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The composition root has the signals."""
        yield


class WebServer:
    """Serves an application on a bound socket, with TLS if a context is given."""

    def __init__(self, app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        settings: dict[str, Any] = {"ssl_context_factory": lambda *_: tls} if tls is not None else {}
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_graceful_shutdown=DRAIN_S,
            **settings,
        )
        self._server = _Server(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serves from now on."""
        self._task = asyncio.create_task(self._server.serve([self._listener]))

    async def stop(self) -> None:
        """Takes no more connections, and lets what is under way end, for 2 s at most. Idempotent."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()
