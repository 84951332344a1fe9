"""kill -9 of the daemon under 200 nodes: every one LICENSED again by itself, and nobody's seat is another's (R18)."""

import time
from pathlib import Path

from faults import history
from faults.cluster import MakeDaemon, boottime, running
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2

NODES = 200
PROCESSES = 4
WITHIN_S = 10.0


def test_R18_200_nodes_are_licensed_again_within_10_s_of_a_start(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    with running(make_daemon(), vendor, tmp_path, max_nodes=NODES) as cluster:
        each = NODES // PROCESSES
        for process in range(PROCESSES):
            cluster.add(*(f"node-{process}-{number}" for number in range(each)))
        eventually(lambda: cluster.connected() == NODES, 60)
        cluster.register()
        eventually(lambda: cluster.licensed() == NODES, 20)
        cluster.add("stranger")
        eventually(lambda: cluster.connected() == NODES + 1, 30)
        cluster.daemon.kill()
        began = time.monotonic()
        cluster.start_daemon()
        eventually(lambda: cluster.connected() == NODES + 1 and cluster.licensed() == NODES, 2 * WITHIN_S)
        took = time.monotonic() - began
        print(f"200 nodes: {took:.2f} s from the daemon's start")
        request = cluster_service_pb2.ListEventsRequest(page_size=500, kinds=["session_lost", "session_ended"])
        assert list(cluster.admin.stubs.cluster.ListEvents(request).events) == []
        now = boottime()
        found = history.beliefs(cluster.history, {}, [], now)
        assert history.seats(found, NODES) == []
        assert sum(1 for belief in found if belief.end == now) == NODES
        assert "stranger" not in {belief.node for belief in found}
        assert took < WITHIN_S
