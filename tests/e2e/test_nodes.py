"""node_client and licd-node against a real daemon: what a report server and its operator live through."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
from support.admin import Admin
from support.daemon import Daemon, running
from support.vendor import TestVendor
from support.waiting import eventually

import node_client
from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import registration_service_pb2 as registration
from licd_daemon.cli.demo.parts import clock_ahead
from node_client import NodeState

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
APPLICATION = node_client.Application("report-server", "10.0.19", "2024-05-31", "sales")
FIELDS = "name=report-server,version=10.0.19,build_date=2024-05-31,content=sales"
SHORT_LEASES = ("--lease-ttl", "3s", "--heartbeat-interval", "1s")

Connect = Callable[[str], node_client.Node]


@pytest.fixture
def daemon(request: pytest.FixtureRequest, make_daemon, vendor: TestVendor) -> Iterator[Daemon]:
    """A daemon with defaults, or a test's own options, on a port that it keeps over restarts."""
    with running(make_daemon(*getattr(request, "param", ()))) as started:
        started.options[started.options.index("--listen") + 1] = started.address
        yield started


@pytest.fixture
def connect(daemon: Daemon) -> Iterator[Connect]:
    """Connects nodes of this process, and closes them at the end."""
    with ExitStack() as stack:

        def make(name: str) -> node_client.Node:
            node = node_client.connect(
                daemon.address,
                application=APPLICATION,
                node_name=name,
                token=daemon.token("node"),
                ca=daemon.data_dir / "tls" / "ca.crt",
            )
            stack.callback(node.close)
            return node

        yield make


def registered(admin: Admin, vendor: TestVendor, connect: Connect, count: int, **license: Any):
    admin.upload(vendor.lic(**license))
    nodes = [connect(f"report-{number + 1}") for number in range(count)]
    eventually(lambda: admin.registration().nodes_connected == count)
    admin.register()
    for node in nodes:
        assert node.wait_licensed(10)
    return nodes


@pytest.mark.parametrize("daemon", [SHORT_LEASES], indirect=True, ids=["short_leases"])
def test_kill_9_of_the_daemon_and_every_node_is_licensed_again_without_a_human(
    daemon: Daemon, admin: Admin, vendor: TestVendor, connect: Connect
):
    nodes = registered(admin, vendor, connect, 3)
    fourth = connect("report-4")
    eventually(lambda: fourth.state is NodeState.WAITING)
    since = admin.registration().registered_at
    daemon.kill()
    eventually(lambda: not any(node.is_licensed() for node in nodes))
    assert {node.state for node in nodes} == {NodeState.JEOPARDY}
    daemon.start()
    for node in nodes:
        assert node.wait_licensed(20)
    assert not fourth.is_licensed(), "no seat goes to anyone but its recorded holder"
    again = Admin(daemon.stubs("admin"), vendor).registration()
    assert again.state == registration.REGISTRATION_STATE_REGISTERED
    assert again.registered_at == since


def test_a_restart_within_the_lease_interrupts_nobody(
    daemon: Daemon, admin: Admin, vendor: TestVendor, connect: Connect
):
    (node,) = registered(admin, vendor, connect, 1)
    lost: list[NodeState] = []
    watched = node_client.connect(
        daemon.address,
        application=APPLICATION,
        node_name="watched",
        token=daemon.token("node"),
        ca=daemon.data_dir / "tls" / "ca.crt",
        on_change=lambda node: lost.append(node.state),
    )
    with watched:
        assert watched.wait_licensed(10)
        before = len(lost)
        daemon.stop()
        daemon.start()
        assert watched.wait_licensed(10)
        after = Admin(daemon.stubs("admin"), vendor)
        eventually(lambda: after.registration().nodes_connected == 2)
        assert NodeState.JEOPARDY not in lost[before:]
    assert node.is_licensed()


def test_an_evicted_node_frees_its_seat_at_once_and_does_not_come_back(
    daemon: Daemon, admin: Admin, vendor: TestVendor, connect: Connect
):
    first, _ = registered(admin, vendor, connect, 2, max_nodes=2)
    waiting = connect("waiting")
    eventually(lambda: waiting.state is NodeState.WAITING)
    (session,) = [
        node.session_id
        for node in admin.stubs.cluster.ListNodes(cluster.ListNodesRequest()).nodes
        if node.name == "report-1"
    ]
    admin.stubs.cluster.EvictNode(cluster.EvictNodeRequest(session_id=session))
    assert waiting.wait_licensed(10)
    assert first.state is NodeState.EVICTED
    assert set(admin.nodes()) == {"report-2", "waiting"}


def test_when_every_node_has_restarted_the_cluster_needs_a_code_and_the_lic_is_there(
    admin: Admin, vendor: TestVendor, connect: Connect
):
    for node in registered(admin, vendor, connect, 2):
        node.close()
    assert admin.state == "UNREGISTERED"
    fresh = connect("report-1")
    eventually(lambda: fresh.state is NodeState.PENDING)
    admin.register()
    assert fresh.wait_licensed(10)


def test_a_drifting_clock_is_told_to_the_program(
    daemon: Daemon, admin: Admin, vendor: TestVendor, connect: Connect, tmp_path: Path
):
    registered(admin, vendor, connect, 1)
    command = licd_node(daemon, "sleep", "infinity", name="skewed")
    with subprocess.Popen(command, env={**os.environ, **clock_ahead(12)}) as skewed:
        eventually(lambda: admin.nodes().get("skewed") == "REJECTED")
        skewed.terminate()


def licd_node(daemon: Daemon, *command: str, name: str = "wrapped", options: tuple[str, ...] = ()) -> list[str]:
    return [
        str(BIN / "licd-node"), "run", "--application", FIELDS, "--node-name", name, "--address", daemon.address,
        "--ca", str(daemon.data_dir / "tls" / "ca.crt"), "--token-file", str(daemon.data_dir / "tokens/node.token"),
        *options, "--", *command,
    ]  # fmt: skip


def test_licd_node_runs_any_program_under_one_seat_and_exits_75_when_the_license_is_lost(
    daemon: Daemon, admin: Admin, vendor: TestVendor, connect: Connect, tmp_path: Path
):
    registered(admin, vendor, connect, 1)
    marker = tmp_path / "running"
    script = f"touch {marker}; exec sleep infinity"
    command = licd_node(daemon, "sh", "-c", script, options=("--on-loss", "stop", "--loss-grace", "0.5"))
    with subprocess.Popen(command) as wrapped:
        eventually(marker.exists)
        assert admin.nodes()["wrapped"] == "LICENSED"
        admin.stubs.registration.ResetRegistration(registration.ResetRegistrationRequest())
        assert wrapped.wait(15) == 75
    eventually(lambda: "wrapped" not in admin.nodes())


def page(port: int, path: str = "/") -> str:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.read().decode()
    except HTTPError as error:
        with error:
            return error.read().decode()
    except (URLError, ConnectionError):
        return ""


def test_a_pre_forking_server_with_four_workers_takes_one_seat(
    daemon: Daemon, admin: Admin, vendor: TestVendor, connect: Connect, tmp_path: Path
):
    application = vendor.license().application
    admin.upload(vendor.lic(application=dataclasses.replace(application, name="Report Server", content="")))
    fields = "name=Report Server,version=10.0.19,build_date=2024-05-31"
    log = tmp_path / "gunicorn.log"
    gunicorn = ("gunicorn", "-w", "4", "-b", "127.0.0.1:0", "--log-file", str(log), "examples.report_server:app")
    command = licd_node(daemon, str(BIN / gunicorn[0]), *gunicorn[1:])
    command[command.index(FIELDS)] = fields
    with subprocess.Popen(command, cwd=ROOT) as server:
        eventually(lambda: admin.registration().nodes_connected == 1)
        admin.register()
        listening = eventually(
            lambda: re.search(r"127\.0\.0\.1:([0-9]+)", log.read_text()) if log.exists() else None, 20
        )
        port = int(listening[1])
        workers: set[str] = set()

        def all_four_answered() -> bool:
            shown = page(port)
            found = re.search(r"served by process ([0-9]+)", shown)
            if found and "LICENSED" in shown:
                workers.add(found[1])
            return len(workers) == 4

        eventually(all_four_answered, 30)
        eventually(lambda: "North" in page(port, "/report"))
        shown = admin.registration()
        assert (shown.nodes_connected, shown.nodes_licensed) == (1, 1)
        admin.stubs.registration.ResetRegistration(registration.ResetRegistrationRequest())
        eventually(lambda: "No report without a license" in page(port, "/report"))
        server.send_signal(signal.SIGTERM)


def test_the_report_server_alone_shows_its_license_and_refuses_reports_without(
    daemon: Daemon, admin: Admin, vendor: TestVendor
):
    env = {
        **os.environ,
        "LICD_ADDRESS": daemon.address,
        "LICD_CA": str(daemon.data_dir / "tls/ca.crt"),
        "LICD_TOKEN_FILE": str(daemon.data_dir / "tokens/node.token"),
    }
    command = [sys.executable, str(ROOT / "examples/report_server.py"), "--port", "0"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().strip().rstrip("/").rpartition(":")[2])
        eventually(lambda: "PENDING" in page(port))
        assert "No report without a license" in page(port, "/report")
        server.terminate()
        assert server.wait(10) == 0
    eventually(lambda: admin.nodes() == {})


def test_events_are_the_audit_log_of_all_this(admin: Admin, vendor: TestVendor, connect: Connect):
    registered(admin, vendor, connect, 1)
    events = admin.stubs.cluster.ListEvents(cluster.ListEventsRequest(page_size=1000)).events
    kinds = [event.kind for event in events]
    for kind in ("epoch_started", "license_installed", "session_joined", "challenge_created", "code_matched"):
        assert kind in kinds
    (joined,) = [event for event in events if event.kind == "session_joined"]
    assert joined.node_name == "report-1"
    assert json.loads(joined.attributes["application"])["name"] == "report-server"
    assert time.time() - joined.at.seconds < 60
