"""The one interceptor: limits, identity, and errors, in this order, around every call.

- An aio interceptor can't abort on its own; it gives a handler of the same arity that does, made once for each method.
- A stream may write bytes: a response that it has serialized itself.
- Every method is served as one whose requests stream, so that it is judged before any byte of a message is asked for
  (R36, `messages`).
- Callers without credentials, and those of each role, have places of their own for messages to come: none takes
  another's (`places`).
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

import grpc
from grpc import aio

from licd_daemon.coordinator.latency import Latency
from licd_daemon.core.evolve import token_of
from licd_daemon.core.model import Role
from licd_daemon.core.refusal import Refused
from licd_daemon.rpc.access import Access
from licd_daemon.rpc.caller import called_by, caller
from licd_daemon.rpc.context import Context, Handler
from licd_daemon.rpc.contract import ACCESS, SMALL_REQUEST
from licd_daemon.rpc.errors import abort, abort_internal
from licd_daemon.rpc.limits import Limits
from licd_daemon.rpc.messages import AWAITED, Requests, decoder
from licd_daemon.rpc.open_streams import IN_BAND, OpenStreams
from licd_daemon.rpc.places import Places
from licd_kit.clock import stopwatch_s

Check = Callable[[Context], Places]
"""Judges a call by its headers; gives where its message may wait."""
_Behaviour = Callable[[Any, Context], Awaitable[Any]]
_Serve = Callable[[Requests, Context], Awaitable[Any]]
_WhileOpen = Callable[[], AbstractContextManager[None]]


class CallGuard(aio.ServerInterceptor):
    """Guards every method of a server. `latency`: of the unary calls that it let pass, by method."""

    def __init__(self, access: Access, limits: Limits, open_streams: OpenStreams) -> None:
        self._access = access
        self._limits = limits
        self.open_streams = open_streams
        self._strangers = Places(AWAITED)
        self._awaited = {role: Places(AWAITED) for role in Role}
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
        if self._access.is_open(method):
            guarded = open_handler(method, handler, self._limits, self._strangers, latency)
        else:
            behind = self._stream_behind(method) if handler.response_streaming else _behind(self._check(method))
            guarded = _guarded(method, handler, behind, latency)
        self._handlers[method] = guarded
        return guarded

    async def unknown(self, context: Context) -> None:
        """Ends a call of no known method."""
        self._limits.take("", context.peer())
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "This daemon has no such method: see its reflection.")

    def _stream_behind(self, method: str) -> Callable[[_Serve], _Behaviour]:
        behind = _behind(self._check(method))
        streams = self.open_streams
        opened = streams.in_use if method.startswith(IN_BAND) else streams.opened
        return lambda serve: behind(_within(lambda: opened(token_of(caller())), serve))

    def _check(self, method: str) -> Check:
        roles = self._access.roles_for(method)

        def check(context: Context) -> Places:
            self._limits.take(method, context.peer())
            actor = self._access.check(roles, context)
            called_by(actor)
            return self._awaited[actor.role]

        return check


def open_handler(method: str, handler: Handler, limits: Limits, awaited: Places, latency: Latency) -> Handler:
    """`handler` for callers without credentials, whose messages wait in `awaited`."""

    def check(context: Context) -> Places:
        limits.take(method, context.peer())
        return awaited

    return _guarded(method, handler, _behind(check), latency)


def _guarded(method: str, handler: Handler, behind: Callable[[_Serve], _Behaviour], latency: Latency) -> Handler:
    access = ACCESS.get(method)
    decode = decoder(handler.request_deserializer, access.max_request_bytes if access else SMALL_REQUEST)
    if handler.response_streaming:
        serve = _stream(handler.stream_stream) if handler.request_streaming else _watch(handler.unary_stream)
        encode = _serializer(handler.response_serializer)
        return grpc.stream_stream_rpc_method_handler(behind(serve), decode, encode)
    serve = _unary(handler.unary_unary, latency)
    return grpc.stream_unary_rpc_method_handler(behind(serve), decode, handler.response_serializer)


def _serializer(serialize: Any) -> Callable[[Any], bytes]:
    def serialized(response: Any) -> bytes:
        return response if type(response) is bytes else serialize(response)

    return serialized


def _behind(check: Check) -> Callable[[_Serve], _Behaviour]:
    """Puts what serves a call behind `check`, with refusals and faults turned into statuses."""

    def behind(serve: _Serve) -> _Behaviour:
        async def behaviour(_: Any, context: Context) -> Any:
            try:
                awaited = check(context)  # before anything reads: until then a stranger's bytes wait outside
                return await serve(Requests(context, awaited), context)
            except aio.AbortError:
                raise
            except Refused as refusal:
                await abort(context, refusal)
            except Exception as error:
                await abort_internal(context, error)

        return behaviour

    return behind


def _within(while_open: _WhileOpen, serve: _Serve) -> _Serve:
    async def open_stream(requests: Requests, context: Context) -> None:
        with while_open():
            await serve(requests, context)

    return open_stream


def _unary(behaviour: Any, latency: Latency) -> _Serve:
    async def serve(requests: Requests, context: Context) -> Any:
        request = await requests.only()
        began = stopwatch_s()
        try:
            return await behaviour(request, context)
        finally:
            latency.observe(stopwatch_s() - began)

    return serve


def _watch(behaviour: Any) -> _Serve:
    async def serve(requests: Requests, context: Context) -> None:
        await _answer(behaviour(await requests.only(), context), context)

    return serve


def _stream(behaviour: Any) -> _Serve:
    async def serve(requests: Requests, context: Context) -> None:
        await _answer(behaviour(requests, context), context)

    return serve


async def _answer(result: Any, context: Context) -> None:
    if isinstance(result, AsyncIterator):
        async for response in result:
            await context.write(response)
    else:
        await result
