"""grpc.health.v1: each watcher is sent each change, regardless of who else comes and goes, and how many (R36)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc
from support.admin import Admin
from support.daemon import Daemon
from support.health import Watcher
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd_daemon.rpc.health import MAX_OF_A_PEER


@contextmanager
def connection(daemon: Daemon) -> Iterator[grpc.Channel]:
    """A connection of its own."""
    credentials = grpc.ssl_channel_credentials(daemon.ca)
    with grpc.secure_channel(daemon.address, credentials, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


def test_each_watcher_is_sent_each_change_whoever_else_leaves(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    with connection(daemon) as leaving, connection(daemon) as staying:
        first, second = Watcher(leaving, "registered"), Watcher(staying, "registered")
        eventually(lambda: first.seen and second.seen)
        first.call.cancel()
        third = Watcher(staying, "registered")
        eventually(lambda: third.seen)
        admin.upload(vendor.lic())
        node = RawNode(daemon.stubs("node")).joined()
        admin.register()
        eventually(lambda: second.seen[-1] == third.seen[-1] == "SERVING")
        third.call.cancel()
        node.leave()
        eventually(lambda: second.seen == ["NOT_SERVING", "SERVING", "NOT_SERVING"])


def test_a_watch_of_an_unknown_service_stays_open_and_all_end_with_the_daemon(daemon: Daemon) -> None:
    with connection(daemon) as channel:
        unknown, known = Watcher(channel, "unknown"), Watcher(channel, "licd.v1.NodeService")
        eventually(lambda: unknown.seen == ["SERVICE_UNKNOWN"] and known.seen == ["SERVING"])
        assert not unknown.ended.is_set()
        assert daemon.stop() == 0
        assert known.ended.wait(10)
        assert unknown.ended.wait(10)
        assert known.seen == ["SERVING", "NOT_SERVING"]


def test_R36_watchers_of_one_peer_are_bounded(daemon: Daemon, admin: Admin) -> None:
    with connection(daemon) as one, connection(daemon) as other:
        half = MAX_OF_A_PEER // 2
        watchers = [Watcher(channel, "") for channel in (one, other) for _ in range(half)]
        eventually(lambda: all(watcher.seen for watcher in watchers))
        stub: Any = health_pb2_grpc.HealthStub(one)
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED"):
            next(stub.Watch(pb.HealthCheckRequest()))
        assert stub.Check(pb.HealthCheckRequest()).status == pb.HealthCheckResponse.SERVING
        watchers[0].call.cancel()
        eventually(lambda: _watches(stub))


def _watches(stub: Any) -> bool:
    try:
        next(stub.Watch(pb.HealthCheckRequest(), timeout=5))
    except grpc.RpcError:
        return False
    return True
