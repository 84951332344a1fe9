"""The journal can't be written (R33): new joins are refused clearly, held seats live on, and it heals by itself."""

from pathlib import Path

import grpc
import pytest
from faults.cluster import MakeDaemon, running
from faults.nemesis import fill, free
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.daemon import Daemon
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd_daemon.cli.serve.roles import _submit_patiently
from licd_daemon.core import commands as c
from licd_daemon.core.model import Role
from licd_daemon.core.refusal import Reason, Refused

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
LEASE_S = 4.0
OPTIONS = ("--lease-ttl", "4s", "--heartbeat-interval", "1300ms")


def health(daemon: Daemon) -> int:
    stub = health_pb2_grpc.HealthStub(daemon.stubs(None).channel)
    request = health_pb2.HealthCheckRequest(service="licd.v1.NodeService")
    return int(stub.Check(request, timeout=5).status)


def test_R33_a_full_disk_keeps_the_seats_refuses_joins_and_is_forgotten(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    with running(make_daemon(*OPTIONS), vendor, tmp_path, max_nodes=2) as cluster:
        daemon, admin = cluster.daemon, cluster.admin
        node = cluster.add("node-0")
        eventually(lambda: cluster.connected() == 1, 20)
        cluster.register()
        eventually(lambda: cluster.licensed() == 1)
        assert daemon.process is not None
        fill(daemon.process.pid)
        newcomer = RawNode(daemon.stubs("node"), "newcomer")
        with refused(grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE"):
            newcomer.join()
        eventually(lambda: health(daemon) == NOT_SERVING)
        assert admin.registration().journal_unavailable
        began = cluster.history.stat().st_size
        # The held seat is renewed, two leases long: its history grows, and never says that it is lost.
        eventually(lambda: cluster.history.read_text()[began:].count('"licensed": true') >= 6, 20)
        assert '"licensed": false' not in cluster.history.read_text()[began:]
        free(daemon.process.pid)
        eventually(lambda: health(daemon) == SERVING)
        assert not admin.registration().journal_unavailable
        with newcomer.joined().stream.beating():
            eventually(lambda: admin.nodes() == {"node-0": "LICENSED", "newcomer": "LICENSED"})
        assert node.alive
        assert cluster.violations(LEASE_S) == []


class _Reluctant:
    """A coordinator whose disk is slow at the start: it refuses `refusals` before it takes a command."""

    def __init__(self, *refusals: Reason) -> None:
        self.refusals = list(refusals)
        self.taken: list[c.Command] = []

    async def submit(self, command: c.Command) -> None:
        if self.refusals:
            raise Refused(self.refusals.pop(0), "not now")
        self.taken.append(command)


async def test_a_slow_disk_at_the_start_is_waited_for() -> None:
    coordinator = _Reluctant(Reason.NOT_LEADER, Reason.JOURNAL_UNAVAILABLE)
    command = c.CreateToken("1", Role.ADMIN, "admin", "0" * 64)
    await _submit_patiently(coordinator, command)  # type: ignore[arg-type]
    assert coordinator.taken == [command]
    with pytest.raises(Refused):
        await _submit_patiently(_Reluctant(Reason.INVALID_FIELD), command)  # type: ignore[arg-type]
