"""The one interceptor: limits, identity, and errors, in this order, around every call.

- An aio interceptor can't abort on its own; it gives a handler of the same arity that does, made once for each method.
- A stream may write bytes: a response that it has serialized itself.
- What can't be decoded is no exception in gRPC's own hands, which would be UNKNOWN and a traceback: it becomes
  `UNDECODABLE`, and the call is refused after its limits and its identity were judged.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc import aio

from licd_daemon.coordinator.latency import Latency
from licd_daemon.core.refusal import Refused
from licd_daemon.operations.fields import invalid_field
from licd_daemon.rpc.access import Access
from licd_daemon.rpc.caller import called_by
from licd_daemon.rpc.context import Context, Handler
from licd_daemon.rpc.errors import abort, abort_internal
from licd_daemon.rpc.limits import Limits
from licd_kit.clock import stopwatch_s

UNDECODABLE = object()
"""A request, or a message of a stream, that is none of its type."""


class CallGuard(aio.ServerInterceptor):
    """Guards every method of a server. `latency`: of its unary methods, by name, refused calls included."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self._access = access
        self._limits = limits
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
        guarded = guarded_handler(handler, self._check(method), self.latency.setdefault(method, Latency()))
        self._handlers[method] = guarded
        return guarded

    def _check(self, method: str) -> Callable[[Context], None]:
        roles = None if self._access.is_open(method) else self._access.roles_for(method)

        def check(context: Context) -> None:
            self._limits.take(method, context.peer())
            if roles is not None:
                called_by(self._access.check(roles, context))

        return check


def guarded_handler(handler: Handler, check: Callable[[Context], None], latency: Latency) -> Handler:
    """`handler` behind `check`, with refusals and faults turned into statuses."""
    if handler.response_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        decode = _decoder(handler.request_deserializer)
        return make(_stream(behaviour, check), decode, _serializer(handler.response_serializer))
    return grpc.unary_unary_rpc_method_handler(
        _unary(handler.unary_unary, check, latency), _decoder(handler.request_deserializer), handler.response_serializer
    )


def _decoder(decode: Any) -> Callable[[bytes], Any]:
    def decoded(message: bytes) -> Any:
        try:
            return decode(message)
        except DecodeError:
            return UNDECODABLE

    return decoded


def _refuse_undecodable(request: Any) -> None:
    if request is UNDECODABLE:
        raise invalid_field("message", "is not of the type that this method takes", "Send what the protos describe.")


async def _decodable(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        _refuse_undecodable(request)
        yield request


def _serializer(serialize: Any) -> Callable[[Any], bytes]:
    def serialized(response: Any) -> bytes:
        return response if type(response) is bytes else serialize(response)

    return serialized


def _unary(behaviour: Any, check: Callable[[Context], None], latency: Latency) -> Any:
    async def unary(request: Any, context: Context) -> Any:
        began = stopwatch_s()
        try:
            check(context)
            _refuse_undecodable(request)
            return await behaviour(request, context)
        except aio.AbortError:
            raise
        except Refused as refusal:
            await abort(context, refusal)
        except Exception as error:
            await abort_internal(context, error)
        finally:
            latency.observe(stopwatch_s() - began)

    return unary


def _stream(behaviour: Any, check: Callable[[Context], None]) -> Any:
    async def stream(request: Any, context: Context) -> None:
        try:
            check(context)
            _refuse_undecodable(request)
            # A behaviour that reads by its context never looks at the iterator.
            result = behaviour(_decodable(request) if isinstance(request, AsyncIterator) else request, context)
            if isinstance(result, AsyncIterator):
                async for response in result:
                    await context.write(response)
            else:
                await result
        except aio.AbortError:
            raise
        except Refused as refusal:
            await abort(context, refusal)
        except Exception as error:
            await abort_internal(context, error)

    return stream
