"""R17 over raw gRPC: who gets a seat that silence freed."""

from scenarios.test_sessions import registered, short_leases, state_of
from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import RawNode
from support.vendor import TestVendor
from support.waiting import eventually


@short_leases
def test_R17_a_waiting_node_gets_the_seat_with_one_heartbeat_of_a_living_holder(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    living, silent = registered(daemon, admin, vendor, 2, max_nodes=2)
    with living.stream.beating():
        eventually(lambda: silent.name not in admin.nodes(), 20)
    new = RawNode(daemon.stubs("node"), "new")
    assert state_of(new.join()) == "WAITING"
    new.open()
    with new.stream.beating():
        living.stream.beat()
        new.stream.until_state("LICENSED")


@short_leases
def test_R17_newcomers_alone_get_nothing_that_silence_freed(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    registered(daemon, admin, vendor, 1, max_nodes=2)
    seated, waiting = (RawNode(daemon.stubs("node"), name) for name in ("seated", "waiting"))
    assert state_of(seated.join()) == "LICENSED"
    assert state_of(waiting.join()) == "WAITING"
    for node in (seated, waiting):
        node.open()
    with seated.stream.beating(), waiting.stream.beating():
        waiting.stream.until_state("PENDING", 20)
        assert admin.state == "RECOVERING"
        assert admin.nodes() == {"seated": "LICENSED", "waiting": "PENDING"}
