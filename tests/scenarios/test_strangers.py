"""R36: identity comes before bytes. What a caller makes the daemon hold, as ceilings of its memory."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.admin import Admin
from support.daemon import Daemon
from support.raw_http2 import RawHttp2, message
from support.raw_node import RawNode
from support.vendor import TestVendor

from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import node_service_pb2 as node_pb
from licd_daemon.rpc.open_streams import MAX_OF_A_TOKEN

STREAMS = 100
DECLARED = 80_000
REFUSED_STREAM = 7
SERVING = health_pb2.HealthCheckResponse.SERVING
HEALTH = "/grpc.health.v1.Health/Check"
UPLOAD = "/licd.v1.RegistrationService/UploadLicense"
JOIN = "/licd.v1.NodeService/Join"
KEEP_ALIVE = "/licd.v1.NodeService/KeepAlive"
HEALTH_WATCH = "/grpc.health.v1.Health/Watch"
WATCH = "/licd.v1.ClusterService/WatchEvents"


@pytest.fixture
def licensed(daemon: Daemon, admin: Admin, vendor: TestVendor) -> Iterator[RawNode]:
    """An honest node, which stays licensed whatever others do."""
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node")).joined()
    admin.register()
    yield node
    node.stream.beat()
    assert admin.nodes()[node.name] == "LICENSED"


def crowd(daemon: Daemon, stack: ExitStack, number: int) -> list[RawHttp2]:
    """Connections in plaintext that end with the stack."""
    return [stack.enter_context(closing(RawHttp2(daemon.address))) for _ in range(number)]


def half_a_message(client: RawHttp2, path: str, token: str = "") -> int:
    return client.send(client.open(path, token), message(bytes(DECLARED - 1000), DECLARED), patience_s=0.02)


@pytest.mark.parametrize("daemon", [("--insecure", "--lease-ttl", "60s")], indirect=True)
@pytest.mark.parametrize("path", [UPLOAD, JOIN, WATCH])
def test_R36_half_messages_of_strangers_are_not_taken(daemon: Daemon, licensed: RawNode, path: str) -> None:
    before = daemon.resident_kib()
    with ExitStack() as stack:
        clients = crowd(daemon, stack, 4)
        taken = sum(half_a_message(client, path) for client in clients for _ in range(STREAMS))
        assert daemon.resident_kib() - before < 8 * 1024
    assert taken < 1024 * 4 * STREAMS


@pytest.mark.parametrize("daemon", [("--insecure", "--lease-ttl", "60s")], indirect=True)
def test_R36_half_messages_to_what_is_open_to_strangers_are_few_and_health_answers(
    daemon: Daemon, licensed: RawNode
) -> None:
    health = health_pb2_grpc.HealthStub(daemon.stubs(None).channel)
    health.Check(health_pb2.HealthCheckRequest(), timeout=20)
    before = daemon.resident_kib()
    with ExitStack() as stack:
        for client in crowd(daemon, stack, 20):
            for _ in range(STREAMS // 4):
                half_a_message(client, HEALTH)
            assert health.Check(health_pb2.HealthCheckRequest(), timeout=20).status == SERVING
        assert daemon.resident_kib() - before < 24 * 1024


@pytest.mark.parametrize("daemon", [("--insecure", "--lease-ttl", "60s")], indirect=True)
def test_R36_half_messages_of_one_token_keep_no_other_call_waiting(daemon: Daemon, licensed: RawNode) -> None:
    before, token = daemon.resident_kib(), daemon.token("node")
    with ExitStack() as stack:
        for client in crowd(daemon, stack, 5):
            for _ in range(STREAMS):
                half_a_message(client, JOIN, token)
            RawNode(daemon.stubs("node"), "report-2").joined()
        assert daemon.resident_kib() - before < 32 * 1024


@pytest.mark.parametrize("daemon", [("--insecure",)], indirect=True)
def test_R36_a_connection_has_a_hundred_streams_at_once_and_no_more(daemon: Daemon) -> None:
    with closing(RawHttp2(daemon.address)) as client:
        streams = [client.open(JOIN, daemon.token("node")) for _ in range(STREAMS + 5)]
        assert [client.wait(stream) for stream in streams[STREAMS:]] == [REFUSED_STREAM] * 5
        assert set(client.ended) == set(streams[STREAMS:])


@pytest.mark.parametrize("daemon", [("--insecure", "--lease-ttl", "60s")], indirect=True)
def test_R36_streams_that_nobody_reads_are_few_and_keep_no_other_from_what_changes(
    daemon: Daemon, admin: Admin, licensed: RawNode
) -> None:
    before, token = daemon.resident_kib(), daemon.token("viewer")
    first = cluster.WatchEventsRequest(after_position=0).SerializeToString()
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(RawHttp2(daemon.address, window=0))) for _ in range(8)]
        streams = [(client, client.call(WATCH, first, token)) for client in clients for _ in range(STREAMS // 2)]
        streams += [(client, client.call(HEALTH_WATCH, b"")) for client in clients for _ in range(STREAMS // 4)]
        refused = [client.wait(stream, 0.01) for client, stream in streams]
        assert refused.count(0) >= 8 * STREAMS // 2 - MAX_OF_A_TOKEN
        seen = daemon.stubs("viewer").cluster.WatchEvents(cluster.WatchEventsRequest(after_position=0), timeout=20)
        with pytest.raises(grpc.RpcError) as caught:
            next(seen)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        joins = cluster.WatchEventsRequest(after_position=0, kinds=["session_joined"])
        seen = daemon.stubs("admin").cluster.WatchEvents(joins, timeout=20)
        next(seen)
        RawNode(daemon.stubs("node"), "report-2").joined()
        assert next(seen).event.kind == "session_joined"
        assert daemon.resident_kib() - before < 32 * 1024
    assert [entry for entry in daemon.log if entry.get("level") == "error"] == []


@pytest.mark.parametrize("daemon", [("--insecure", "--lease-ttl", "60s")], indirect=True)
@pytest.mark.parametrize("window", [0, 65_535])
def test_R36_a_flood_of_heartbeats_on_one_stream_waits_outside(daemon: Daemon, licensed: RawNode, window: int) -> None:
    node = RawNode(daemon.stubs("node"), "report-2")
    node.join()
    beat = message(node_pb.KeepAliveRequest(heartbeat=node_pb.Heartbeat(sequence=1)).SerializeToString())
    before = daemon.resident_kib()
    with closing(RawHttp2(daemon.address, window=window)) as client:
        stream = client.open(KEEP_ALIVE, daemon.token("node"))
        client.send(stream, message(node.opening().SerializeToString()))
        taken = client.send(stream, beat * 50_000, patience_s=0.5, within_s=3)
        assert taken < len(beat) * 50_000
        assert daemon.resident_kib() - before < 4 * 1024


@pytest.mark.parametrize("size", [10, 60_000, 200_000])
def test_R36_a_refused_call_says_why_however_much_it_still_has_to_send(daemon: Daemon, size: int) -> None:
    channel: Any = daemon.stubs(None).channel
    join = channel.unary_unary(JOIN, bytes, bytes)
    refused = [join.future(bytes(size), timeout=20).exception() for _ in range(200)]
    assert {error.code() for error in refused} == {grpc.StatusCode.UNAUTHENTICATED}
    assert all("licd" in str(error.trailing_metadata()) for error in refused)


def test_R36_a_message_larger_than_its_method_takes_is_refused_with_the_limit(daemon: Daemon) -> None:
    viewer: Any = daemon.stubs("viewer").channel
    for size, status in ((8_193, "INVALID_ARGUMENT"), (98_305, "RESOURCE_EXHAUSTED")):
        with pytest.raises(grpc.RpcError) as caught:
            viewer.unary_unary("/licd.v1.ClusterService/ListEvents", bytes, bytes)(bytes(size), timeout=20)
        assert caught.value.code().name == status
        assert str(size - 1) in str(caught.value.details())
