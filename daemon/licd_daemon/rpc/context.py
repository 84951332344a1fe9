"""What gRPC hands to every call, and to interceptors: names for types that only checkers can subscript."""

from typing import TYPE_CHECKING, Any

import grpc
from grpc import aio

if TYPE_CHECKING:
    Context = aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Context = aio.ServicerContext
    Handler = grpc.RpcMethodHandler
