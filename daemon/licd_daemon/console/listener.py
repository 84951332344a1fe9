"""A web server in the daemon's own loop: its socket, its bounds (R36), and its end.

- The socket is bound before the daemon leads, so that an address in use is known at once.
- A connection has 10 s for a request's head and 10 s for its body, and a client 10 s to go on reading its answer. There
  are at most 128 connections, half of them from one peer; the longest idle goes for a newcomer.
- uvicorn neither takes the process's signals nor says anything of its own.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from typing import Any

from starlette.types import ASGIApp

from licd_kit.web import server

HEAD_WITHIN_S = 10.0
MAX_CONNECTIONS = 128
DRAIN_S = 2


class _Server(server.BoundedServer):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The composition root has the signals."""
        yield


class WebServer:
    """Serves an application on a bound socket, with so many connections at once, and TLS if a context is given."""

    def __init__(
        self,
        app: ASGIApp,
        listener: socket.socket,
        connections: int = MAX_CONNECTIONS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        settings: dict[str, Any] = {"ssl_context_factory": lambda *_: tls} if tls is not None else {}
        bounds = server.Bounds(connections, connections // 2, DRAIN_S, HEAD_WITHIN_S, with_body=False)
        config = server.BoundedConfig(app, bounds, **settings)
        self._server = _Server(config)
        self._listener = listener
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Serve from now on."""
        self._task = asyncio.create_task(self._server.serve([self._listener]))

    async def stop(self) -> None:
        """Take no more connections, and let what is under way end, for 2 s at most. Idempotent."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._listener.close()
