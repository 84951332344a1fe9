"""R18: many nodes are carried over to the next leader, every seat kept; `ha.measure` times a thousand streams."""

import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial

from ha.crowd import Crowd
from support.admin import Admin
from support.daemon import Daemon, Stubs
from support.etcd import EtcdCluster
from support.raw_node import RawNode
from support.several import Several, ending, transfer
from support.vendor import TestVendor

from licd.v1 import node_service_pb2 as pb

NODES = 1000
STREAMS = 100


def test_r18_a_thousand_seats_are_kept(
    etcd: EtcdCluster, make_daemon: Callable[..., Daemon], vendor: TestVendor
) -> None:
    url = etcd.url(secrets.token_hex(4), lease_ttl="6s")
    with ending(Several(make_daemon, vendor, url, 2, "--lease-ttl", "5m")) as several:
        admin = several.admin()
        admin.upload(vendor.lic(max_nodes=NODES))
        stubs = several.leader().stubs("node")
        nodes = [RawNode(stubs, f"node-{number}") for number in range(NODES)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(RawNode.join, nodes))
            assert admin.register().nodes_licensed == NODES
            several.leader().kill()
            stubs = several.leader().stubs("node")

            def resume(node: RawNode, stubs: Stubs = stubs) -> str:
                return pb.NodeState.Name(node.resume(stubs).state)

            assert Counter(pool.map(resume, nodes)) == {"NODE_STATE_LICENSED": NODES}
        registration = several.admin().registration()
        assert (registration.nodes_licensed, registration.nodes_waiting) == (NODES, 0)


def terminate(leader: Daemon) -> None:
    assert leader.process is not None
    leader.process.terminate()


def test_r18_planned_handovers_carry_every_open_stream_over(
    etcd: EtcdCluster, make_daemon: Callable[..., Daemon], vendor: TestVendor
) -> None:
    url = etcd.url(secrets.token_hex(4))
    with (
        ending(Several(make_daemon, vendor, url, 2, "--lease-ttl", "5m")) as several,
        closing(Crowd(several, STREAMS)) as crowd,
    ):
        admin = several.admin()
        admin.upload(vendor.lic(max_nodes=STREAMS))
        assert admin.register().nodes_licensed == STREAMS
        for planned in (transfer, terminate):
            leader = several.await_follower()
            (follower,) = several.followers()
            crowd.moved(partial(planned, leader))
            assert Counter(crowd.told) == {follower.address: STREAMS}
            assert Counter(crowd.seats()) == {True: STREAMS}
            registration = Admin(follower.stubs("admin"), vendor).registration()
            assert (registration.nodes_licensed, registration.nodes_waiting) == (STREAMS, 0)
