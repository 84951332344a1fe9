"""A web server with bounds (R36): connections, in all and of one peer, and the time that a client may let it wait.

Too many connections refuse nobody: idle ones go (`room`). uvicorn logs nothing of its own, and believes no header about
who the client is.
"""

import socket
from dataclasses import dataclass
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from licd_kit.addresses import Address
from licd_kit.web.door import Door
from licd_kit.web.protocol import BoundedProtocol
from licd_kit.web.room import Room

MAX_HEAD_BYTES = 16 * 1024
BACKLOG = 1024
_IDLE_S = 5
_RECEIVE_BYTES = 32 * 1024  # of the kernel for each connection: what comes before it was judged is held no larger


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a server bears.

    `connections`: at once; `of_peer`: of them from one host.
    `request_s`: within which a request's head must come, and its body too if `with_body`, counted from the connection's
    beginning or the request's first byte; and within which a client must go on to read an answer; seconds.
    `drain_s`: what is under way at the end has so many seconds.
    """

    connections: int
    of_peer: int
    drain_s: int
    request_s: float
    with_body: bool


class BoundedConfig(uvicorn.Config):
    """uvicorn's settings for an application within bounds; `settings`: more of uvicorn's own."""

    def __init__(self, app: ASGIApp, bounds: Bounds, **settings: Any) -> None:
        super().__init__(
            cast("Any", app),
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
            timeout_keep_alive=_IDLE_S,
            timeout_graceful_shutdown=bounds.drain_s,
            **settings,
        )
        self.bounds = bounds


class BoundedServer(uvicorn.Server):
    """uvicorn's server behind doors of its own."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve on these listening sockets from now on."""
        config = cast("BoundedConfig", self.config)
        bounds = config.bounds

        def make_protocol() -> BoundedProtocol:
            return BoundedProtocol(config, self.server_state, {})

        doors = [
            Door(listener, Room(bounds.connections, bounds.of_peer), make_protocol, config.ssl)
            for listener in sockets or []
        ]
        self.servers = cast("Any", doors)
        self.started = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let what is under way end within its time; then end every connection that is left."""
        await super().shutdown(sockets)
        for door in self.servers:
            await door.wait_closed()


def bind(address: Address) -> socket.socket:
    """A listening socket; port 0 takes a free one.

    Raises:
        OSError: The address is in use or not this machine's.
    """
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        listener.bind(where)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def url_of(scheme: str, listener: socket.socket) -> str:
    """The URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"{scheme}://{Address(host, port)}"
