"""grpc.aio's server, made so that no call ends it (R36).

grpcio (1.84 to 1.85.1 at least) reads the name of a method that nobody has registered as UTF-8 in the one loop that
takes all calls in: a name that is none, from anybody, ends that loop and closes the port for good. So the methods that
are served are registered, and the calls of all others are answered here, where no name is looked at.

`_request_call` and `_ServicerContext` are no public interface: a test sends such a name to a real daemon.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

from grpc import aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its stubs leave it out

from licd_daemon.core.refusal import Refused
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.errors import abort

Answer = Callable[[Context], Awaitable[None]]


def make(
    interceptors: Sequence[aio.ServerInterceptor], options: Sequence[tuple[str, int]], unknown: Answer
) -> aio.Server:
    """A server that serves registered methods alone.

    Args:
        interceptors: Around their calls.
        options: Channel arguments.
        unknown: Answers the calls of all other methods, without a message of theirs: raises Refused or aborts.
    """
    server: Any = aio.server()
    server._server = _Calls(asyncio.get_running_loop(), interceptors, options, unknown)  # noqa: SLF001 (see above)
    made: aio.Server = server
    return made


class _Calls(cygrpc.AioServer):  # type: ignore[misc]  # untyped
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        interceptors: Sequence[aio.ServerInterceptor],
        options: Sequence[tuple[str, int]],
        unknown: Answer,
    ) -> None:
        super().__init__(loop, None, (), interceptors, tuple(options), None)
        self._running = loop
        self._unknown = unknown
        self._answers: set[asyncio.Task[None]] = set()

    async def _request_call(self) -> None:
        """Take in the calls of methods that are not registered, and give none to grpcio's own loop."""
        while True:
            call = await super()._request_call()
            context = cygrpc._ServicerContext(call, None, None, self._running)  # noqa: SLF001 (see above)
            answer = self._running.create_task(self._answer(context))
            self._answers.add(answer)  # the event loop alone does not keep a task
            answer.add_done_callback(self._answers.discard)

    async def _answer(self, context: Context) -> None:
        # ExecuteBatchError: the caller is gone, so nobody waits for the answer.
        with suppress(aio.AbortError, cygrpc.ExecuteBatchError):
            try:
                await self._unknown(context)
            except Refused as refusal:
                await abort(context, refusal)
