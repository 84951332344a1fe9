"""R36: nothing that comes from outside is UNKNOWN, INTERNAL or a traceback, from any sender to any method."""

import random
import re
import socket
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon, running
from support.raw_http2 import RawHttp2
from support.raw_node import RawNode
from support.vendor import TestVendor

from licd.v1 import node_service_pb2
from licd_daemon.rpc.contract import SERVICES

METHODS = {
    f"/{service}/{method.name}": method
    for service in (*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME)
    for method in descriptor_pool.Default().FindServiceByName(service).methods
}
FAULTS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
GARBAGE = (b"\xff\xff", b"\x0a\x05ab", b"\x0b", b"\x0a\x02\xff\xfe", bytes(64), b"\x07" * 1000)
ROUNDS = 12
INTEGERS = (0, 1, 99, 2**31 - 1, 2**63 - 1, 2**63, 2**64 - 1, -1, -(2**31), -(2**63))
TEXTS = ("", "x", "\0", "x" * 70_000, "\u202e", "1", "9" * 40, "-1", "\ud7ff", "../..", "{}", "%s", "2024-02-30")

MakeDaemon = Callable[..., Daemon]


def call(daemon: Daemon, path: str, requests: Iterable[bytes], token: str = "") -> grpc.StatusCode:
    """Sends raw bytes; gives the status, OK also where a stream simply goes on."""
    method = METHODS[path]
    channel = daemon.stubs(token=token).channel
    name = f"{'stream' if method.client_streaming else 'unary'}_{'stream' if method.server_streaming else 'unary'}"
    sent = iter(requests) if method.client_streaming else next(iter(requests))
    # A stream that is content says nothing, so it is not waited for.
    made = getattr(channel, name)(path)(sent, timeout=0.5 if method.server_streaming else 5)
    try:
        if method.server_streaming:
            with suppress(StopIteration):
                next(made)
            made.cancel()
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def status(*arguments: Any, **more: Any) -> grpc.StatusCode:
    try:
        return call(*arguments, **more)
    except grpc.RpcError as error:
        return error.code()


def faults(daemon: Daemon) -> list[str]:
    """Lines of the log that tell of a fault of the daemon's own, or are none of its own."""
    lines = [str(entry.get("event", "")) for entry in daemon.log]
    return [line for line in lines if line == "call_failed" or re.search("Traceback|Error|Exception", line)]


@pytest.mark.parametrize("role", [None, "node", "viewer", "admin"])
def test_R36_bytes_that_are_no_message_are_refused_and_leave_no_line(daemon: Daemon, role: str | None) -> None:
    token = daemon.token(role) if role else ""
    before = len(daemon.log)
    found = {
        path: [code.name for code in (status(daemon, path, [junk], token) for junk in GARBAGE) if code in FAULTS]
        for path in METHODS
    }
    assert {path: codes for path, codes in found.items() if codes} == {}
    assert daemon.log[before:] == [] if role is None else not faults(daemon)


def test_R36_garbage_in_the_middle_of_a_stream_ends_the_stream_in_words(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node")).joined()
    admin.register()
    other = RawNode(daemon.stubs("node"), "report-2")
    other.join()
    channel: Any = daemon.stubs("node").channel
    path = "/licd.v1.NodeService/KeepAlive"
    answers = channel.stream_stream(path)(iter([other.opening().SerializeToString(), b"\xff\xff"]), timeout=10)
    told = [node_service_pb2.KeepAliveResponse.FromString(answer) for answer in answers]
    assert told[-1].ended.reason == node_service_pb2.END_REASON_REFUSED
    node.stream.beat()
    assert admin.nodes()["report-1"] == "LICENSED"
    assert not faults(daemon)


LIST_NODES = "/licd.v1.ClusterService/ListNodes"
UNNAMED = "/licd.v1.N\udce3/Join"
"""A method whose name is no UTF-8."""


def test_R36_a_method_whose_name_is_no_text_is_unimplemented_and_ends_nothing(
    make_daemon: MakeDaemon, vendor: TestVendor
) -> None:
    with running(make_daemon("--insecure")) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        node = RawNode(daemon.stubs("node")).joined()
        admin.register()
        before = len(daemon.log)
        for _ in range(3):
            with closing(RawHttp2(daemon.address)) as client:
                stream = client.open(UNNAMED)
                assert client.wait(stream) == 0
                assert b"no such method" in client.headers[stream]
        node.stream.beat()
        assert admin.nodes() == {"report-1": "LICENSED"}
        assert daemon.log[before:] == []


def test_R36_a_header_that_is_no_text_is_refused_like_no_credentials_and_fills_no_log(make_daemon: MakeDaemon) -> None:
    with running(make_daemon("--insecure")) as daemon, closing(RawHttp2(daemon.address)) as client:
        before = len(daemon.log)
        for _ in range(60):
            stream = client.open(LIST_NODES, "\udce3\udcff", more="\udce3")
            client.wait(stream)
            assert b"No valid credentials" in client.headers[stream]
        assert not faults(daemon)
        assert len(daemon.log) - before < 50
        assert status(daemon, LIST_NODES, [b""], daemon.token("viewer")) is grpc.StatusCode.OK


def exchanged(url: str, content: bytes) -> bytes:
    """Raw bytes on a connection of their own, and what comes back until it is closed or rests."""
    where = urlsplit(url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(content)
        connection.settimeout(0.5)
        received = b""
        with suppress(TimeoutError, ConnectionError):
            while piece := connection.recv(4096):
                received += piece
        return received


PIPELINED = (
    b"GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n" + b"\xff" * 40,
    b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n\0\0\0",
    b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\nGET / HT\xff",
    b"POST /api/login HTTP/1.1\r\nhost: x\r\nx-licd: 1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
)


@pytest.mark.parametrize("port", ["ops", "console"])
def test_R36_bytes_behind_a_request_that_are_none_leave_no_line(make_daemon: MakeDaemon, port: str) -> None:
    with running(make_daemon("--insecure")) as daemon:
        before = len(daemon.log)
        answers = [
            exchanged(getattr(daemon, port), content).partition(b"\r\n")[0] for content in PIPELINED for _ in range(5)
        ]
        assert not [answer for answer in answers if b" 5" in answer]
        assert b"200 OK" in exchanged(daemon.ops, b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        assert daemon.log[before:] == []


def extreme(descriptor: Any, chance: random.Random, depth: int = 0) -> Message:
    """A message of the type whose fields are as far out as they can be."""
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        if chance.random() < 0.3 or depth > 4:
            continue
        for _ in range(chance.randint(0, 3) if field.is_repeated else 1):
            _set(message, field, chance, depth)
    return message


def _set(message: Message, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return
    target: Any = getattr(message, field.name)
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        value = extreme(field.message_type, chance, depth + 1)
        target.add().CopyFrom(value) if field.is_repeated else target.CopyFrom(value)
        return
    value = _scalar(field, chance)
    with suppress(ValueError, TypeError):  # an integer that this width can't hold
        target.append(value) if field.is_repeated else setattr(message, field.name, value)


def _scalar(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        text = chance.choice(TEXTS)
        return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return chance.choice((0.0, -1.0, float("inf"), float("nan")))
    return chance.choice(INTEGERS)


@pytest.mark.parametrize("role", ["node", "viewer", "admin"])
def test_R36_extreme_values_of_every_field_are_refused_or_taken_and_never_a_fault(
    make_daemon: MakeDaemon, vendor: TestVendor, role: str
) -> None:
    with running(make_daemon("--ntp-server", "127.0.0.1:9")) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        chance = random.Random(36)
        found = []
        for _ in range(ROUNDS):
            for path, method in METHODS.items():
                request = extreme(method.input_type, chance)
                code = status(daemon, path, [request.SerializeToString()], daemon.token(role))
                if code in FAULTS:
                    found.append((path, str(request)[:300]))
        assert found == []
        assert faults(daemon) == []


@pytest.mark.parametrize("origin", ["http://[", "null", "", "://", "http://", "x" * 5000, "http://evil.example"])
def test_R36_an_origin_of_any_form_that_is_not_the_consoles_is_foreign(daemon: Daemon, origin: str) -> None:
    console = Console(daemon.console, daemon.ca)
    console.log_in(daemon.token("admin"))
    assert console.post("/api/challenge", origin=origin).refused == "WRONG_ROLE"
    assert not faults(daemon)
