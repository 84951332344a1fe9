"""Every released version beside this one, each in processes of its own: its nodes, its daemon, its journals."""

from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon, running
from support.ports import free_port
from support.refusal import refused
from support.releases import RELEASES, Program, environment, programs
from support.vendor import TestVendor
from support.waiting import eventually

import node_client
from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import registration_service_pb2 as pb

# A lease that a restart on a busy machine can't outlast: what is tested is who is admitted, not how fast.
OPTIONS = ("--insecure", "--lease-ttl", "60s", "--heartbeat-interval", "500ms")
MakeDaemon = Callable[..., Daemon]


@pytest.fixture
def serve(make_daemon: MakeDaemon, tmp_path: Path) -> MakeDaemon:
    """Makes daemons of a version on one data directory and address."""
    port = free_port()

    def make(version: str | None) -> Daemon:
        return make_daemon("--listen", f"127.0.0.1:{port}", *OPTIONS, env=environment(version, tmp_path))

    return make


def registered(daemon: Daemon, vendor: TestVendor, nodes: list[Program]) -> Admin:
    """The cluster is registered with those nodes."""
    admin = Admin(daemon.stubs(), vendor)
    admin.upload(vendor.lic())
    eventually(lambda: len(admin.nodes()) == len(nodes))
    admin.register()
    eventually(lambda: all(node.state == "LICENSED" for node in nodes))
    return admin


def sessions(daemon: Daemon) -> dict[str, str]:
    """The session ids of the nodes in sight, by their names."""
    nodes = daemon.stubs().cluster.ListNodes(cluster.ListNodesRequest()).nodes
    return {node.name: node.session_id for node in nodes}


def heard_since_start(daemon: Daemon) -> dict[str, str]:
    """The states of the nodes whose heartbeats came after the daemon's last start."""
    nodes = daemon.stubs().cluster.ListNodes(cluster.ListNodesRequest()).nodes
    return {node.name: str(node.state) for node in nodes if node.HasField("last_heartbeat_at")}


def never_unlicensed(node: Program) -> bool:
    """Whether a node was licensed from its first seat on, and told of no session's end."""
    licensed = [told[1] for told in node.told]
    return all(licensed[licensed.index(True) :])


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("newer", ["daemon", "nodes"])
def test_nodes_and_daemon_of_different_versions(
    release: str, newer: str, serve: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    daemon = serve(None if newer == "daemon" else release)
    env = environment(None if newer == "nodes" else release, tmp_path)
    with running(daemon), programs(daemon, env, "report-1", "report-2") as nodes:
        theirs = nodes[0].file.parents[1]
        assert theirs == (tmp_path / release if newer == "daemon" else Path(node_client.__file__).parents[1])
        registered(daemon, vendor, nodes)
        before = sessions(daemon)
        for end in (daemon.kill, daemon.stop):
            end()
            daemon.start()
            eventually(lambda: len(heard_since_start(daemon)) == 2)
            admin = Admin(daemon.stubs(), vendor)
            assert admin.nodes() == {"report-1": "LICENSED", "report-2": "LICENSED"}
            assert admin.state == "REGISTERED"
            assert sessions(daemon) == before
        assert all(never_unlicensed(node) for node in nodes)
        nodes[1].close()
        eventually(lambda: admin.nodes() == {"report-1": "LICENSED"})


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("end", ["kill", "stop"], ids=["killed", "stopped_with_a_snapshot"])
def test_a_cluster_is_upgraded_while_its_nodes_run(
    release: str, end: str, serve: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    old, new = serve(release), serve(None)
    with running(old), programs(old, environment(release, tmp_path), "report-1", "report-2", "report-3") as nodes:
        admin = registered(old, vendor, nodes)
        registered_at, before = admin.registration().registered_at, sessions(old)
        getattr(old, end)()
        with running(new):
            admin = Admin(new.stubs(), vendor)
            assert admin.registration().registered_at == registered_at
            assert admin.registration().nodes_licensed == 3, "the recorded seats are kept"
            eventually(lambda: len(heard_since_start(new)) == 3)
            assert admin.state == "REGISTERED"
            assert sessions(new) == before
            with programs(new, environment(None, tmp_path), "report-4") as (fourth,):
                eventually(lambda: fourth.state == "WAITING")
            assert all(never_unlicensed(node) for node in nodes)


@pytest.mark.parametrize("release", RELEASES)
def test_an_older_journal_keeps_its_license_and_its_verdicts(
    release: str, serve: MakeDaemon, vendor: TestVendor
) -> None:
    license = vendor.license()
    with running(serve(release)) as old:
        Admin(old.stubs(), vendor).upload(vendor.lic(license))
    with running(serve(None)) as new:
        admin = Admin(new.stubs(), vendor)
        assert admin.registration().state == pb.REGISTRATION_STATE_UNREGISTERED
        assert admin.registration().license.license_id == license.license_id
        older = vendor.license(license_id=license.license_id, issued_at=license.issued_at - 60)
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "LICENSE_OLDER"):
            admin.upload(vendor.lic(older))


@pytest.mark.parametrize("release", RELEASES)
def test_R17_an_older_node_bears_a_reason_that_it_does_not_know(
    release: str, serve: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    daemon = serve(None)
    with running(daemon), programs(daemon, environment(release, tmp_path), "report-1") as nodes:
        admin = registered(daemon, vendor, nodes)
        admin.stubs.registration.ResetRegistration(pb.ResetRegistrationRequest())
        eventually(lambda: nodes[0].told[-1] == ("PENDING", False, ("12",)))
        admin.register()
        eventually(lambda: nodes[0].told[-1] == ("LICENSED", True, ()))


def test_R17_this_versions_node_names_it(serve: MakeDaemon, vendor: TestVendor, tmp_path: Path) -> None:
    daemon = serve(None)
    with running(daemon), programs(daemon, environment(None, tmp_path), "report-1") as nodes:
        admin = registered(daemon, vendor, nodes)
        admin.stubs.registration.ResetRegistration(pb.ResetRegistrationRequest())
        eventually(lambda: nodes[0].told[-1] == ("PENDING", False, ("REGISTRATION_ENDED",)))


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("end", ["kill", "stop"], ids=["killed", "stopped_with_a_snapshot"])
def test_R17_an_older_journal_gives_what_ended_and_what_was_refused(
    release: str, end: str, serve: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    old = serve(release)
    with running(old):
        with programs(old, environment(release, tmp_path), "report-1", "report-2") as nodes:
            admin = registered(old, vendor, nodes)
        eventually(lambda: admin.registration().state == pb.REGISTRATION_STATE_UNREGISTERED)
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "LICENSE_REFUSED"):
            admin.upload(b"holiday pictures")
        getattr(old, end)()
        with running(serve(None)) as new:
            told = Admin(new.stubs(), vendor).registration()
            ended = told.last_registration
            assert ended.cause == pb.END_CAUSE_ALL_GONE
            assert sorted(ended.nodes) == ["report-1", "report-2"]
            assert ended.ended_at.ToMilliseconds() >= ended.registered_at.ToMilliseconds()
            (failure,) = told.last_failures
            assert failure.at.ToMilliseconds() >= ended.ended_at.ToMilliseconds()
