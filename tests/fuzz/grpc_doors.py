"""The doors of gRPC: messages of every method from every role, and HTTP/2 beneath them."""

import asyncio
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import grpc
from fuzz.door import Door
from fuzz.servers import ANSWER_S, entering, exchanged, trouble_of, with_cluster
from google.protobuf import descriptor_pool
from google.protobuf.message_factory import GetMessageClass
from grpc import aio
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection
from support import raw_http2 as http2
from support.raw_http2 import frame, header_block

from licd.v1 import node_service_pb2
from licd_daemon.rpc.contract import SERVICES
from licd_kit.addresses import Address

METHODS = [
    (f"/{service}/{method.name}", method)
    for service in (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    for method in descriptor_pool.Default().FindServiceByName(service).methods
]
ROLES = ("", "node", "viewer", "admin")
UNEXPECTED = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
OF_THE_CLIENT = "Internal error from Core"
"""What grpc.aio's own client makes of a stream that was refused while it still writes (grpc issue 36066)."""
CONTENT_S = 0.1
"""A stream that is content says nothing, so it is not waited for."""


def calls(stack: ExitStack) -> Door:
    """Messages: the first byte of an input chooses the method, the second one the role."""
    daemon = with_cluster(stack)
    metadata = [[("authorization", f"Bearer {daemon.token(role)}")] if role else [] for role in ROLES]
    channels: list[Any] = []

    async def enter_one(content: bytes) -> str:
        if not channels:  # a channel belongs to the loop in which it is made
            channels.append(aio.insecure_channel(daemon.address))
        chosen = content[:2].ljust(2, b"\0")
        path, method = METHODS[chosen[0] % len(METHODS)]
        role = chosen[1] % len(ROLES)
        try:
            await _called(channels[0], path, method, content[2:], metadata[role])
        except aio.AioRpcError as error:
            if error.code() in UNEXPECTED and error.details() != OF_THE_CLIENT:
                return f"{path} as {ROLES[role] or 'a stranger'}: {error.code().name} {error.details()}"
        return ""

    seeds = [
        bytes([at, role]) + _filled(method.input_type)
        for at, (_, method) in enumerate(METHODS)
        for role in range(len(ROLES))
    ]
    words = (b"\x0a", b"\x12\xff\xff\xff\xff\x0f", b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f")
    return Door(seeds, words, entering(stack, enter_one, partial(trouble_of, daemon)))


def _filled(descriptor: Any) -> bytes:
    """A message of a type with something in each plain field."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        for value in (1, "x", b"x" * 32):
            with suppress(TypeError, ValueError, AttributeError):  # the field is of another type, or of many values
                setattr(message, field.name, value)
    return message.SerializeToString()


async def _called(channel: Any, path: str, method: Any, content: bytes, metadata: Any) -> None:
    if not method.server_streaming:
        await channel.unary_unary(path)(content, timeout=ANSWER_S, metadata=metadata)
        return
    call: Any
    if method.client_streaming:
        call = channel.stream_stream(path)(timeout=ANSWER_S, metadata=metadata)
        with suppress(asyncio.InvalidStateError):  # it was refused before it was written to
            await call.write(content)
    else:
        call = channel.unary_stream(path)(content, timeout=ANSWER_S, metadata=metadata)
    try:
        async with asyncio.timeout(CONTENT_S):
            await call.read()
    except TimeoutError:
        pass
    finally:
        call.cancel()


def frames(stack: ExitStack) -> Door:
    """HTTP/2 at the port of gRPC: whatever becomes of the connection, the daemon goes on and logs no fault."""
    daemon = with_cluster(stack)
    address = Address.parse(daemon.address)

    async def enter_one(content: bytes) -> str:
        await exchanged(address, content)
        return ""

    join = node_service_pb2.JoinRequest(node_name="n", instance_id="i", resume_secret=bytes(32)).SerializeToString()
    block = header_block("/licd.v1.NodeService/Join", daemon.token("node"))
    begun = http2.PREFACE + frame(http2.SETTINGS, 0, 0)
    called = frame(http2.HEADERS, http2.END_HEADERS, 1, block) + frame(http2.DATA, 1, 1, http2.message(join))
    words = (
        frame(http2.HEADERS, http2.END_HEADERS, 3, block),
        frame(http2.RST_STREAM, 0, 1, bytes(4)),
        frame(http2.PING, 0, 0, bytes(8)),
        frame(http2.GOAWAY, 0, 0, bytes(8)),
        frame(http2.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"),
        frame(http2.CONTINUATION, http2.END_HEADERS, 1),
        frame(http2.SETTINGS, 0, 0, b"\0\4" + bytes(4)),
    )
    return Door((begun + called, begun), words, entering(stack, enter_one, partial(trouble_of, daemon)))
