"""How big a daemon gets: 200 nodes, each on its own TLS connection."""

import pytest
from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import RawNode
from support.vendor import TestVendor

MIB = 1024


@pytest.mark.parametrize("daemon", [("--lease-ttl", "60s")], indirect=True)
def test_200_nodes_on_one_daemon_stay_under_150_mib(daemon: Daemon, admin: Admin, vendor: TestVendor):
    admin.upload(vendor.lic(max_nodes=200))
    nodes = [RawNode(daemon.stubs("node"), f"report-{number}").joined() for number in range(200)]
    for node in nodes:
        node.stream.beat()
    assert admin.register().nodes_licensed == 200
    for node in nodes:
        node.stream.until_state("LICENSED")
    assert daemon.resident_kib() < 150 * MIB
