"""A listening socket's accept loop: asyncio's own takes everybody, and knows nobody before the TLS handshake is done.

- A connection counts from when it is accepted, in the middle of its TLS handshake too, which must end in time.
- Handshakes are computed in the event loop, so only so many begin in a second; the others wait in the kernel.
- A descriptor that can't be had is taken from a connection that can go, and the next try is 0.1 s later.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from licd_kit.rate_limit import RateLimit
from licd_kit.web.protocol import BoundedProtocol
from licd_kit.web.room import Room

LOOKS = 64
HANDSHAKE_S = 5.0
HANDSHAKES_A_SECOND = 200
_TLS_SHUTDOWN_S = 2.0
_PAUSE_S = 0.1


class Door:
    """Lets connections in until `close`; `wait_closed` ends those that are left."""

    def __init__(
        self,
        listener: socket.socket,
        room: Room[BoundedProtocol],
        make_protocol: Callable[[], BoundedProtocol],
        tls: ssl.SSLContext | None,
    ) -> None:
        """`listener`: bound and non-blocking; `room`: shared with nobody; `tls`: None: plaintext."""
        self._listener = listener
        self._room = room
        self._make_protocol = make_protocol
        self._tls = tls
        self._pace = RateLimit(per_second=HANDSHAKES_A_SECOND, burst=HANDSHAKES_A_SECOND)
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Let nobody in any more. Idempotent."""
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()

    async def wait_closed(self) -> None:
        """End every connection that is left."""
        for protocol in self._room.everybody():
            protocol.expel()

    def _open(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _rest(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._pause = self._loop.call_later(seconds, self._open)

    def _accept(self) -> None:
        left = self._room.at_once
        for _ in range(LOOKS):
            if self._tls is not None and (wait_ms := self._pace.take("")):
                self._rest(wait_ms / 1000)
                return
            try:
                connection, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptor or no memory for it
                self._make_room("")
                self._rest(_PAUSE_S)
                return
            left -= self._admit(connection, str(address[0]))
            if not left:  # the others in the loop have their turn
                return

    def _admit(self, connection: socket.socket, peer: str) -> bool:
        if _has_gone(connection) or (self._room.full(peer) and not self._make_room(peer)):
            connection.close()
            return False
        connection.setblocking(False)
        protocol = self._make_protocol()
        protocol.peer, protocol.since, protocol.gone = peer, self._loop.time(), self._room.remove
        protocol.had_its_turn = self._tls is not None  # its handshake is the client's turn
        self._room.add(protocol)
        protocol.connecting = self._loop.create_task(self._connect(connection, protocol))
        return True

    def _make_room(self, peer: str) -> bool:
        leaving = self._room.first_to_go(peer)
        if leaving is None:
            return False
        self._room.remove(leaving)  # now: the transport will report its end only later
        leaving.expel()
        return True

    async def _connect(self, connection: socket.socket, protocol: BoundedProtocol) -> None:
        limits = {} if self._tls is None else _TLS_LIMITS
        try:
            await self._loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls, **limits)
        except (OSError, asyncio.CancelledError):  # no handshake, or expelled in the middle of it
            self._room.remove(protocol)
            connection.close()


_TLS_LIMITS = {"ssl_handshake_timeout": HANDSHAKE_S, "ssl_shutdown_timeout": _TLS_SHUTDOWN_S}


def _has_gone(connection: socket.socket) -> bool:
    """Whether the client has hung up already: one that only connects shall cost no more than this."""
    with contextlib.suppress(BlockingIOError):
        try:
            return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except ConnectionError:
            return True
    return False
