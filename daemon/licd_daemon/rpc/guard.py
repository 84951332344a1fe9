"""The one interceptor: limits, identity, and errors, in this order, around every call.

- An aio interceptor can't abort on its own; it gives a handler of the same arity that does, made once for each method.
- A stream may write bytes: a response that it has serialized itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from grpc import aio

from licd_daemon.clock import stopwatch_s
from licd_daemon.coordinator.latency import Latency
from licd_daemon.core.refusal import Refused
from licd_daemon.rpc.access import Access
from licd_daemon.rpc.context import Context, Handler
from licd_daemon.rpc.errors import abort, abort_internal
from licd_daemon.rpc.limits import Limits


class Guard(aio.ServerInterceptor):
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
        guarded = _guarded(handler, self._check(method), self.latency.setdefault(method, Latency()))
        self._handlers[method] = guarded
        return guarded

    def _check(self, method: str) -> Callable[[Context], None]:
        roles = None if self._access.is_open(method) else self._access.roles_for(method)

        def check(context: Context) -> None:
            self._limits.take(method, context.peer())
            if roles is not None:
                self._access.check(roles, context)

        return check


def _guarded(handler: Handler, check: Callable[[Context], None], latency: Latency) -> Handler:
    """`handler` behind `check`, with refusals and faults turned into statuses."""
    if handler.response_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        return make(_stream(behaviour, check), handler.request_deserializer, _serializer(handler.response_serializer))
    return grpc.unary_unary_rpc_method_handler(
        _unary(handler.unary_unary, check, latency), handler.request_deserializer, handler.response_serializer
    )


def _serializer(serialize: Any) -> Callable[[Any], bytes]:
    def serialized(response: Any) -> bytes:
        return response if type(response) is bytes else serialize(response)

    return serialized


def _unary(behaviour: Any, check: Callable[[Context], None], latency: Latency) -> Any:
    async def unary(request: Any, context: Context) -> Any:
        began = stopwatch_s()
        try:
            check(context)
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
            result = behaviour(request, context)
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
