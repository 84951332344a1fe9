"""R36: identity comes before bytes. What a caller makes the daemon hold, as ceilings of its memory."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon
from support.raw_http2 import RawHttp2, message
from support.raw_node import RawNode
from support.vendor import TestVendor

STREAMS = 100
DECLARED = 80_000
UPLOAD = "/licd.v1.RegistrationService/UploadLicense"
JOIN = "/licd.v1.NodeService/Join"
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


def half_a_message(client: RawHttp2, path: str, token: str = "") -> int:
    return client.send(client.open(path, token), message(bytes(DECLARED - 1000), DECLARED), patience_s=0.02)


@pytest.mark.parametrize("daemon", [("--insecure", "--lease-ttl", "60s")], indirect=True)
@pytest.mark.parametrize("path", [UPLOAD, JOIN, WATCH])
def test_R36_half_messages_of_strangers_are_not_taken(daemon: Daemon, licensed: RawNode, path: str) -> None:
    before = daemon.resident_kib()
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(RawHttp2(daemon.address))) for _ in range(4)]
        taken = sum(half_a_message(client, path) for client in clients for _ in range(STREAMS))
        assert daemon.resident_kib() - before < 8 * 1024
    assert taken < 1024 * 4 * STREAMS


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
