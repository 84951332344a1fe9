"""A real gRPC server that answers licd.v1 as a test has scripted it, and remembers what it was asked.

Its refusals are made with google.rpc's own messages, so that the command line's reading of them is held against those.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from click.testing import Result
from google.protobuf import any_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

import licd.v1.cluster_service_pb2
import licd.v1.registration_service_pb2
import licd.v1.token_service_pb2  # noqa: F401  (imported for their descriptors)
from licd.v1.failure_pb2 import Failure

Licd = Callable[..., Result]
Answer = Callable[[Any, grpc.ServicerContext], Message]


@dataclass
class Daemon(grpc.GenericRpcHandler):
    """Answers by `Service/Method`; what no test has scripted is UNIMPLEMENTED."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    address: str = ""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The scripted handler of a call."""
        path = handler_call_details.method
        if path == "/grpc.health.v1.Health/Check":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: b"")
        name = path.removeprefix("/licd.v1.")
        if name not in self.answers:
            return None
        method = descriptor_pool.Default().FindMethodByName(path.removeprefix("/").replace("/", "."))
        metadata = dict(handler_call_details.invocation_metadata)
        self.tokens.append(str(metadata.get("authorization", "")))

        def answer(request: Message, context: grpc.ServicerContext) -> Any:
            self.asked.append((name, request))
            scripted = self.answers[name]
            return scripted(request, context) if callable(scripted) else scripted

        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        return make(
            answer,
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=lambda response: response.SerializeToString(),
        )

    def requests(self, name: str) -> list[Any]:
        """The requests of one method, in their order."""
        return [request for asked, request in self.asked if asked == name]


@contextmanager
def serving(credentials: grpc.ServerCredentials | None = None) -> Iterator[Daemon]:
    """A daemon on a free port of 127.0.0.1, stopped at the end."""
    daemon = Daemon()
    server = grpc.server(ThreadPoolExecutor(8), handlers=[daemon])
    port = (
        server.add_insecure_port("127.0.0.1:0")
        if credentials is None
        else server.add_secure_port("127.0.0.1:0", credentials)
    )
    daemon.address = f"127.0.0.1:{port}"
    server.start()
    try:
        yield daemon
    finally:
        server.stop(None).wait(5)


def refusing(
    code: grpc.StatusCode,
    reason: str,
    metadata: dict[str, str] | None = None,
    failures: tuple[Failure, ...] = (),
    leader: str | None = None,
) -> Answer:
    """An answer that refuses as DESIGN section 3 wants it."""

    def answer(request: Any, context: grpc.ServicerContext) -> Message:
        info = any_pb2.Any()
        info.Pack(error_details_pb2.ErrorInfo(domain="licd", reason=reason, metadata=metadata or {}))
        details = [info]
        for failure in failures:
            packed = any_pb2.Any()
            packed.Pack(failure)
            details.append(packed)
        status = status_pb2.Status(code=code.value[0], message="in the daemon's words", details=details)
        trailer: list[tuple[str, str | bytes]] = [("grpc-status-details-bin", status.SerializeToString())]
        if leader is not None:
            trailer.append(("licd-leader", leader))
        context.set_trailing_metadata(tuple(trailer))
        context.abort(code, "in the daemon's words")

    return answer
