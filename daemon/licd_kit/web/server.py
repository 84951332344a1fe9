"""A web server with bounds: in connections, and in the size of a request's head and the time that it may take to come.

A connection that has not brought its request in time is closed: uvicorn itself waits without end. uvicorn logs nothing
of its own, and believes no header about who the client is.
"""

import asyncio
import socket
from dataclasses import dataclass
from typing import Any, cast

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from licd_kit.addresses import Address

MAX_HEAD_BYTES = 16 * 1024
_IDLE_S = 5


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server bears.

    `connections`: at once; more are answered 503.
    `request_s`: within which a request's head must come, and its body too if `with_body`, counted from the connection's
    beginning or the request's first byte; seconds.
    `drain_s`: what is under way at the end has so many seconds.
    """

    connections: int
    drain_s: int
    request_s: float
    with_body: bool


class _Protocol(H11Protocol):
    """uvicorn's HTTP, with a time within which a request must have come."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._begin_waiting()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        bounds = cast("BoundedConfig", self.config).bounds
        if self.conn.their_state is h11.IDLE or (bounds.with_body and self.conn.their_state is h11.SEND_BODY):
            self._begin_waiting()
        else:
            self._end_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_waiting()
        super().connection_lost(exc)

    def _begin_waiting(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            seconds = cast("BoundedConfig", self.config).bounds.request_s
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class BoundedConfig(uvicorn.Config):
    """uvicorn's settings for an application within bounds; `settings`: more of uvicorn's own."""

    def __init__(self, app: ASGIApp, bounds: Bounds, **settings: Any) -> None:
        super().__init__(
            cast("Any", app),
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=bounds.connections,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=bounds.drain_s,
            **settings,
        )
        self.bounds = bounds


def bind(address: Address, backlog: int) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: The address is in use or not this machine's.
    """
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        listener.listen(backlog)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(scheme: str, listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{Address(host, port)}"
