"""The one interceptor: limits, identity, and errors, in this order, around every call.

- An aio interceptor can't abort on its own; it gives a handler of the same arity that does, made once for each method.
- A stream may write bytes: a response that it has serialized itself.
- Every method is served as one whose requests stream, so that it is judged before any byte of a message is asked for
  (R36, `messages`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import grpc
from grpc import aio

from licd_daemon.coordinator.latency import Latency
from licd_daemon.core.evolve import token_of
from licd_daemon.core.refusal import Refused
from licd_daemon.rpc.access import Access
from licd_daemon.rpc.caller import called_by, caller
from licd_daemon.rpc.context import Context, Handler
from licd_daemon.rpc.contract import ACCESS, SMALL_REQUEST
from licd_daemon.rpc.errors import abort, abort_internal
from licd_daemon.rpc.limits import Limits
from licd_daemon.rpc.messages import decoder, only_message, usable_messages
from licd_daemon.rpc.open_streams import IN_BAND, OpenStreams
from licd_kit.clock import stopwatch_s

_WhileOpen = Callable[[], AbstractContextManager[None]]
_Behaviour = Callable[[Any, Context], Awaitable[Any]]


class CallGuard(aio.ServerInterceptor):
    """Guards every method of a server. `latency`: of the unary calls that it let pass, by method."""

    def __init__(self, access: Access, limits: Limits, open_streams: OpenStreams) -> None:
        self._access = access
        self._limits = limits
        self.open_streams = open_streams
        self._handlers: dict[str, Handler] = {}
        self.latency: dict[str, Latency] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See `grpc.aio.ServerInterceptor`."""
        method = handler_call_details.method
        guarded = self._handlers.get(method)
        if guarded is not None:
            return guarded
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        latency = self.latency.setdefault(method, Latency())
        guarded = guarded_handler(method, handler, self._check(method), latency, self._while_open(method))
        self._handlers[method] = guarded
        return guarded

    async def unknown(self, context: Context) -> None:
        """Ends a call of no known method."""
        try:
            self._limits.take("", context.peer())
        except Refused as refusal:
            await abort(context, refusal)
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "This daemon has no such method: see its reflection.")

    def _while_open(self, method: str) -> _WhileOpen:
        if self._access.is_open(method):
            return nullcontext
        streams = self.open_streams
        opened = streams.in_use if method.startswith(IN_BAND) else streams.opened
        return lambda: opened(token_of(caller()))

    def _check(self, method: str) -> Callable[[Context], None]:
        roles = None if self._access.is_open(method) else self._access.roles_for(method)

        def check(context: Context) -> None:
            self._limits.take(method, context.peer())
            if roles is not None:
                called_by(self._access.check(roles, context))

        return check


def guarded_handler(
    method: str,
    handler: Handler,
    check: Callable[[Context], None],
    latency: Latency,
    while_open: _WhileOpen = nullcontext,
) -> Handler:
    """`handler` behind `check`, with refusals and faults turned into statuses; a stream within `while_open`."""
    access = ACCESS.get(method)
    decode = decoder(handler.request_deserializer, access.max_request_bytes if access else SMALL_REQUEST)
    if handler.response_streaming:
        serve = _stream(handler.stream_stream) if handler.request_streaming else _watch(handler.unary_stream)
        encode = _serializer(handler.response_serializer)
        return grpc.stream_stream_rpc_method_handler(_behind(check, _within(while_open, serve)), decode, encode)
    serve = _unary(handler.unary_unary, latency)
    return grpc.stream_unary_rpc_method_handler(_behind(check, serve), decode, handler.response_serializer)


def _serializer(serialize: Any) -> Callable[[Any], bytes]:
    def serialized(response: Any) -> bytes:
        return response if type(response) is bytes else serialize(response)

    return serialized


def _behind(check: Callable[[Context], None], serve: _Behaviour) -> _Behaviour:
    async def behaviour(requests: Any, context: Context) -> Any:
        try:
            check(context)  # before anything reads: until then a stranger's bytes wait outside
            return await serve(requests, context)
        except aio.AbortError:
            raise
        except Refused as refusal:
            await abort(context, refusal)
        except Exception as error:
            await abort_internal(context, error)

    return behaviour


def _within(while_open: _WhileOpen, serve: _Behaviour) -> _Behaviour:
    async def open_stream(requests: Any, context: Context) -> None:
        with while_open():
            await serve(requests, context)

    return open_stream


def _unary(behaviour: Any, latency: Latency) -> _Behaviour:
    async def serve(_: Any, context: Context) -> Any:
        request = await only_message(context)
        began = stopwatch_s()
        try:
            return await behaviour(request, context)
        finally:
            latency.observe(stopwatch_s() - began)

    return serve


def _watch(behaviour: Any) -> _Behaviour:
    async def serve(_: Any, context: Context) -> None:
        await _answer(behaviour(await only_message(context), context), context)

    return serve


def _stream(behaviour: Any) -> _Behaviour:
    async def serve(requests: Any, context: Context) -> None:
        # A behaviour that reads by its context never looks at the iterator.
        await _answer(behaviour(usable_messages(requests), context), context)

    return serve


async def _answer(result: Any, context: Context) -> None:
    if isinstance(result, AsyncIterator):
        async for response in result:
            await context.write(response)
    else:
        await result
