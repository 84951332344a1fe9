"""Syncs that are slow or fail under a real daemon: late but right, refused but not lost (R18, R31, R33)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from faults.cluster import Cluster, MakeDaemon, boottime, running
from faults.sync_trap import JOURNAL, SyncTrap, sync_trap
from faults.test_disk import LEASE_S, NOT_SERVING, OPTIONS, SERVING, health
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2, node_service_pb2


@pytest.fixture
def trap() -> Iterator[SyncTrap]:
    with sync_trap() as trap:
        yield trap


@pytest.fixture
def cluster(make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path, trap: SyncTrap) -> Iterator[Cluster]:
    """Two of three seats are held by processes of their own."""
    daemon = make_daemon(*OPTIONS)
    daemon.launcher = trap.launcher
    with running(daemon, vendor, tmp_path, max_nodes=3) as cluster:
        cluster.add("node-0")
        cluster.add("node-1")
        eventually(lambda: cluster.connected() == 2, 20)
        cluster.register()
        eventually(lambda: cluster.licensed() == 2)
        yield cluster


def renewed(cluster: Cluster, began: int, times: int) -> bool:
    """Whether both nodes were renewed so often since the history had `began` bytes."""
    lines = cluster.history.read_text()[began:].splitlines()
    return all(sum(1 for line in lines if name in line) >= times for name in ("node-0", "node-1"))


def told(cluster: Cluster, *kinds: str) -> list[str]:
    """The names of the nodes that events of these kinds were about."""
    request = cluster_service_pb2.ListEventsRequest(page_size=500, kinds=kinds)
    return [event.node_name for event in cluster.admin.stubs.cluster.ListEvents(request).events]


def test_R33_a_slow_disk_answers_late_but_right_and_heartbeats_do_not_wait(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path, trap: SyncTrap
) -> None:
    daemon = make_daemon()
    daemon.launcher = trap.launcher
    with running(daemon, vendor, tmp_path, max_nodes=2) as cluster, ThreadPoolExecutor(1) as pool:
        seated, newcomer = (RawNode(daemon.stubs("node"), name).joined() for name in ("seated", "newcomer"))
        newcomer.leave()
        cluster.register()
        seated.stream.until_state("LICENSED")
        trap.slow(1.5)
        began, caught = boottime(), trap.caught
        joining = pool.submit(RawNode(daemon.stubs("node"), "late").join)
        acknowledged = 0
        while not joining.done():
            seated.stream.beat()
            acknowledged += 1
        assert joining.result().state == node_service_pb2.NODE_STATE_LICENSED
        assert boottime() - began >= 1.5
        assert trap.caught > caught
        assert acknowledged > 5
        assert health(daemon) == SERVING


def test_R18_a_sync_that_takes_longer_than_a_lease_costs_nobody_a_seat(cluster: Cluster, trap: SyncTrap) -> None:
    began, since = cluster.history.stat().st_size, boottime()
    trap.slow(1.5 * LEASE_S, JOURNAL)
    newcomer = RawNode(cluster.daemon.stubs("node"), "newcomer")
    newcomer.join()
    assert boottime() - since >= 1.5 * LEASE_S
    with newcomer.open().beating():
        eventually(lambda: renewed(cluster, began, 4))
        assert '"licensed": false' not in cluster.history.read_text()[began:]
        assert health(cluster.daemon) == SERVING
        trap.heal()
        assert cluster.admin.nodes()["newcomer"] == "LICENSED"
    assert cluster.violations(LEASE_S) == []


def test_R33_failing_syncs_keep_the_seats_refuse_joins_and_are_forgotten(cluster: Cluster, trap: SyncTrap) -> None:
    began = cluster.history.stat().st_size
    trap.fail(JOURNAL)
    newcomer = RawNode(cluster.daemon.stubs("node"), "newcomer")
    with refused(grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE"):
        newcomer.join()
    eventually(lambda: health(cluster.daemon) == NOT_SERVING)
    eventually(lambda: renewed(cluster, began, 6), 20)
    assert '"licensed": false' not in cluster.history.read_text()[began:]
    with refused(grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE"):
        newcomer.join()
    trap.heal()
    eventually(lambda: health(cluster.daemon) == SERVING)
    with newcomer.joined().stream.beating():
        assert cluster.admin.nodes() == {"node-0": "LICENSED", "node-1": "LICENSED", "newcomer": "LICENSED"}
    assert told(cluster, "session_lost") == []
    cluster.note_acknowledged()
    assert cluster.violations(LEASE_S) == []


def test_R31_a_dead_disk_ends_the_proof_of_leadership_and_gives_no_seat_away(cluster: Cluster, trap: SyncTrap) -> None:
    began = cluster.history.stat().st_size
    trap.fail()
    eventually(lambda: health(cluster.daemon) == NOT_SERVING)
    lost = eventually(lambda: [each for each in cluster.daemon.log if each["event"] == "leadership_not_proven"])
    assert "the lock file" in lost[0]["cause"]
    with refused(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER"):
        RawNode(cluster.daemon.stubs("node"), "newcomer").join()
    # Nothing is acknowledged, so both give up by themselves.
    eventually(lambda: cluster.history.read_text()[began:].count('"licensed": false') == 2, 20)
    trap.heal()
    eventually(lambda: health(cluster.daemon) == SERVING)
    eventually(lambda: cluster.licensed() == 2)
    healed = cluster.history.stat().st_size
    eventually(lambda: renewed(cluster, healed, 2))
    assert told(cluster, "session_lost", "session_ended") == []
    assert cluster.violations(LEASE_S) == []
