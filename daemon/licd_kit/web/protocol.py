"""uvicorn's HTTP, with an end to every wait for the client (R36): uvicorn itself waits without end.

- A request's head must come within a time, its body too where that is asked for, and an answer must be read.
- What is left of a body that nobody reads (the answer was given before it came) is thrown away up to 64 KiB, so that
  the client can read the answer; more ends the connection.
- Of requests that do not wait for the answer before, 4 in a row are answered: the others would be work for a client
  that may have gone long ago.
- Bytes that are no request are answered 400, or end the connection where an answer has begun; no line of a log.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from licd_kit.web.room import Stage

if TYPE_CHECKING:
    from licd_kit.web.server import BoundedConfig

MAX_UNREAD_BODY_BYTES = 64 * 1024
MAX_PIPELINED = 4


class BoundedProtocol(H11Protocol):
    """One connection; `peer`, `since` and `stage`: see `room.Guest`. `gone` is called when it has ended."""

    peer = ""
    since = 0.0
    gone: Callable[["BoundedProtocol"], None]
    connecting: asyncio.Task[None] | None = None
    had_its_turn = False
    _deadline: asyncio.TimerHandle | None = None
    _thrown_away = 0
    _pipelined = 0

    @property
    def stage(self) -> Stage:
        """At this instant."""
        if not self.had_its_turn:
            return Stage.NEW
        if self.cycle is None or self.cycle.response_complete:
            return Stage.NO_REQUEST
        return Stage.WAITS_FOR_CLIENT if self.cycle.more_body or self.flow.write_paused else Stage.AT_WORK

    def expel(self) -> None:
        """End the connection at once, in the middle of its TLS handshake too."""
        if self.transport is not None:
            self.transport.abort()
        elif self.connecting is not None:
            self.connecting.cancel()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._begin_waiting()
        self.had_its_turn = False
        # Two turns of the loop, in which what the client has sent with its connection is read: or a storm of newcomers
        # would drive out a request before anybody has looked at it.
        self.loop.call_soon(self.loop.call_soon, self._have_had_its_turn)

    def _have_had_its_turn(self) -> None:
        self.had_its_turn = True

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        requests = self.cycle
        super().data_received(data)
        if self.cycle is not requests:
            self.since = self.loop.time()
        if self._answered_early():
            self._throw_away(len(data))
        elif self.conn.their_state is h11.IDLE or (self._with_body() and self.conn.their_state is h11.SEND_BODY):
            self._begin_waiting()
        elif not self.flow.write_paused:
            self._end_waiting()

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().pause_writing()
        self._begin_waiting()

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        super().resume_writing()
        self._end_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end_waiting()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)
        self.gone(self)

    def on_response_complete(self) -> None:
        """An answer was handed to the transport, which may still hold it."""
        self._pipelined = self._pipelined + 1 if self.conn.trailing_data[0] else 0
        if self._pipelined > MAX_PIPELINED:
            self.transport.close()
        super().on_response_complete()
        self.since = self.loop.time()
        self._thrown_away = 0
        if self.transport.is_closing() or self._answered_early():
            self._begin_waiting()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing came after an answer."""
        if self.transport.get_write_buffer_size():
            self._begin_waiting()  # the answer is not read yet, and `close` would wait for it without end
        else:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request."""
        if self.cycle is not None and not self.cycle.response_complete:
            # Its application must find nobody to answer: h11 would raise, and uvicorn log it.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
            self._begin_waiting()
        else:
            self.transport.abort()

    def shutdown(self) -> None:
        """The server ends."""
        try:
            super().shutdown()
        except h11.LocalProtocolError:
            self.transport.abort()

    def _with_body(self) -> bool:
        return cast("BoundedConfig", self.config).bounds.with_body

    def _answered_early(self) -> bool:
        return self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY

    def _throw_away(self, count: int) -> None:
        self._thrown_away += count
        if self._thrown_away > MAX_UNREAD_BODY_BYTES:
            self.transport.abort()

    def _begin_waiting(self) -> None:
        if self._deadline is None:
            seconds = cast("BoundedConfig", self.config).bounds.request_s
            self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _end_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
