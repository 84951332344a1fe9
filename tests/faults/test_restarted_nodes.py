"""R17 with real processes and kill -9: all at once asks for a code, one after another does not."""

from pathlib import Path

from faults.cluster import OPTIONS, MakeDaemon, running
from support.vendor import TestVendor
from support.waiting import eventually

LEASE_S = 10.0
LONG = ("--lease-ttl", f"{LEASE_S}s", "--heartbeat-interval", "500ms", "--recovery-window", "60s")
"""Long enough for new processes to join before it ends."""


def test_R17_kill_9_of_all_and_new_ones_within_a_lease_asks_for_a_code(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    with running(make_daemon(*LONG), vendor, tmp_path, max_nodes=4) as cluster:
        old = [cluster.add(name) for name in ("a", "b", "c")]
        eventually(lambda: cluster.connected() == 3, 30)
        cluster.register()
        eventually(lambda: cluster.licensed() == 3, 20)
        for node in old:
            cluster.kill(node)
        for name in ("a2", "b2", "c2"):
            cluster.add(name)
        eventually(lambda: cluster.connected() == 6, 30)
        eventually(lambda: cluster.admin.state == "RECOVERING" and cluster.connected() == 3, 40)
        cluster.register()
        eventually(lambda: cluster.licensed() == 3, 20)
        assert cluster.admin.state == "REGISTERED"
        assert cluster.violations(LEASE_S) == []


def test_R17_kill_9_of_one_after_another_keeps_the_registration(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    with running(make_daemon(*OPTIONS), vendor, tmp_path, max_nodes=2) as cluster:
        old = [cluster.add(name) for name in ("a", "b")]
        eventually(lambda: cluster.connected() == 2, 30)
        cluster.register()
        eventually(lambda: cluster.licensed() == 2, 20)
        registered_at = cluster.admin.registration().registered_at
        for node in old:
            cluster.kill(node)
            cluster.add(f"{node.names[0]}2")
            eventually(lambda: cluster.connected() == cluster.licensed() == 2, 30)
        assert cluster.admin.registration().registered_at == registered_at
        assert cluster.violations() == []
