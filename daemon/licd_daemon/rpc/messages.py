"""R36: the messages of a request: none is asked for before the call was judged, none is larger than its method takes.

- A unary method is served as one that streams: gRPC hands over a call with its headers, and takes no more bytes of a
  message than a stream's first window holds (`server.options`) until the handler reads.
- What can't be decoded is no exception in gRPC's own hands, which would be UNKNOWN and a traceback: it becomes an
  `Unusable`, and the call is refused in words.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.message import DecodeError
from grpc import aio

from licd_daemon.operations.fields import invalid_field
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.places import Places

FIRST_MESSAGE_S = 10
AWAITED = 128
"""Messages that callers of one role, or those without credentials, may keep the daemon waiting for at once.

Each costs 26 KiB and what has come of it.
"""


class Unusable:
    """In place of a message: `refusal` says why it is none."""

    def __init__(self, problem: str, remedy: str) -> None:
        self.refusal = invalid_field("message", problem, remedy)


_UNDECODABLE = Unusable("is not of the type that this method takes", "Send what the protos describe.")


def decoder(decode: Callable[[bytes], Any] | None, most_bytes: int) -> Callable[[bytes], Any]:
    """Decodes by `decode`; gives an `Unusable` for what it can't, and for what has over `most_bytes`."""

    def decoded(message: bytes) -> Any:
        if len(message) > most_bytes:
            return Unusable(f"has {len(message)} bytes", f"Give at most {most_bytes}.")
        try:
            return message if decode is None else decode(message)
        except DecodeError:
            return _UNDECODABLE

    return decoded


class Requests:
    """The messages of one call, by `only`, `first` or iterating. `awaited`: where they wait."""

    def __init__(self, context: Context, awaited: Places) -> None:
        self._context = context
        self._awaited = awaited

    async def only(self) -> Any:
        """The message of a call that takes one.

        Raises:
            Refused: INVALID_FIELD: it is missing, did not come in time, or can't be used.
        """
        message = await self.first()
        return _usable(Unusable("is missing", "Send one.") if message is aio.EOF else message)

    async def first(self) -> Any:
        """The first message of a stream; `aio.EOF`: there is none.

        Raises:
            Refused: INVALID_FIELD: it did not come in time, or can't be used.
        """
        return await self._next(FIRST_MESSAGE_S)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self._next(None)) is not aio.EOF:
            yield message

    async def _next(self, seconds: float | None) -> Any:
        try:
            async with self._awaited.place(seconds):
                message = await self._context.read()
        except TimeoutError:
            message = Unusable("did not come whole in time", "Send it with the call.")
        return _usable(message)


def _usable(message: Any) -> Any:
    if isinstance(message, Unusable):
        raise message.refusal
    return message
