"""R41 with all the real parts: a daemon that is away, three programs under licd-node, nobody with a phone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.admin import Admin
from support.daemon import Daemon, running
from support.proxy import Network
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2
from licd.v1 import registration_service_pb2 as registration
from node_client import Status, local

FIELDS = "name=report-server,version=10.0.19,build_date=2024-05-31,content=sales"
LEASE_S, LOSS_GRACE_S = 3.0, 1.0
SHORT_LEASES = ("--lease-ttl", f"{LEASE_S:g}s", "--heartbeat-interval", "1s")
NAMES = ("report-1", "report-2", "report-3")


class Wrapped:
    """A program under licd-node: each of its starts is a line `PID SOCKET` in a file."""

    def __init__(self, daemon: Daemon, name: str, folder: Path, address: str = "") -> None:
        self.file = folder / name
        command = [
            str(Path(sys.executable).parent / "licd-node"), "run", "--application", FIELDS, "--node-name", name,
            "--address", address or daemon.address, "--ca", str(daemon.data_dir / "tls" / "ca.crt"),
            "--token-file", str(daemon.data_dir / "tokens/node.token"), "--loss-grace", str(LOSS_GRACE_S),
            "--", "sh", "-c", f"echo $$ $LICD_NODE_SOCKET >> {self.file}; exec sleep infinity",
        ]  # fmt: skip
        clean = {key: value for key, value in os.environ.items() if not key.startswith("LICD_")}
        self.process = subprocess.Popen(command, env=clean)

    def starts(self) -> list[list[str]]:
        return [line.split() for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def status(self) -> Status:
        return local.ask(self.starts()[-1][1])

    def first_has_ended(self) -> bool:
        return not Path(f"/proc/{self.starts()[0][0]}").exists()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def daemon(make_daemon) -> Iterator[Daemon]:
    """A daemon with short leases, on a port that it keeps over restarts."""
    with running(make_daemon(*SHORT_LEASES)) as started:
        started.options[started.options.index("--listen") + 1] = started.address
        yield started


@pytest.fixture
def programs(daemon: Daemon, tmp_path: Path) -> Iterator[list[Wrapped]]:
    """Three of them."""
    with ExitStack() as stack:
        made = [Wrapped(daemon, name, tmp_path) for name in NAMES]
        for program in made:
            stack.callback(program.end)
        yield made


def registered(admin: Admin, vendor: TestVendor, programs: list[Wrapped], **license: Any) -> None:
    """The nodes are there first, as at most first registrations."""
    eventually(lambda: admin.registration().nodes_connected == 3, 20)
    admin.upload(vendor.lic(max_nodes=3, **license))
    admin.register()
    eventually(lambda: all(program.starts() for program in programs), 20)


def test_R41_a_daemon_that_is_away_ends_no_program_and_costs_no_scan(
    daemon: Daemon, admin: Admin, vendor: TestVendor, programs: list[Wrapped]
):
    registered(admin, vendor, programs)
    before, pids = admin.registration().registered_at, [program.starts() for program in programs]
    daemon.kill()
    eventually(lambda: all(program.status().label == "GRACE" for program in programs))
    # Beyond lease and loss grace, after which 0.1.0 ended them.
    away = time.monotonic() + 2 * LEASE_S + LOSS_GRACE_S
    eventually(lambda: time.monotonic() > away)
    assert all(program.status().may_run for program in programs)
    assert all(890 - 2 * LEASE_S < program.status().grace_left <= 900 for program in programs)
    daemon.start()
    eventually(lambda: all(program.status().licensed for program in programs), 10)
    assert [program.starts() for program in programs] == pids
    assert [program.process.poll() for program in programs] == [None] * 3
    after = Admin(daemon.stubs("admin"), vendor).registration()
    assert after.state == registration.REGISTRATION_STATE_REGISTERED
    assert after.registered_at == before


def test_R41_beyond_the_grace_they_are_held_and_start_again_without_a_scan(
    daemon: Daemon, admin: Admin, vendor: TestVendor, programs: list[Wrapped]
):
    registered(admin, vendor, programs, outage_grace_seconds=2)
    before = admin.registration().registered_at
    daemon.kill()
    eventually(lambda: all(not program.status().may_run for program in programs), 20)
    for program in programs:
        eventually(program.first_has_ended, 20)
    daemon.start()
    eventually(lambda: all(len(program.starts()) == 2 for program in programs), 20)
    assert Admin(daemon.stubs("admin"), vendor).registration().registered_at == before


def test_R41_a_reset_is_definite_whatever_the_grace(
    daemon: Daemon, admin: Admin, vendor: TestVendor, programs: list[Wrapped]
):
    registered(admin, vendor, programs)
    admin.stubs.registration.ResetRegistration(registration.ResetRegistrationRequest())
    eventually(lambda: all(not program.status().may_run for program in programs))
    for program in programs:
        eventually(program.first_has_ended, 20)
        assert program.process.poll() is None
    admin.register()
    eventually(lambda: all(len(program.starts()) == 2 for program in programs), 20)


def test_R41_the_grace_takes_no_seat_from_the_next_node(
    daemon: Daemon, admin: Admin, vendor: TestVendor, tmp_path: Path
):
    """The node is cut off, not the daemon: its program goes on while another holds the seat, and is stopped after."""
    with ExitStack() as stack:
        network = Network()
        stack.callback(network.close)
        proxy = network.proxy(daemon.address)
        first = Wrapped(daemon, "report-1", tmp_path, proxy.address)
        stack.callback(first.end)
        eventually(lambda: admin.registration().nodes_connected == 1, 20)
        admin.upload(vendor.lic(max_nodes=1))
        admin.register()
        eventually(first.starts, 20)
        second = Wrapped(daemon, "report-2", tmp_path)
        stack.callback(second.end)
        eventually(lambda: admin.nodes().get("report-2") == "WAITING", 20)
        # Its seat goes only to a node that it was heard beside (R17).
        heard = cluster_service_pb2.ListEventsRequest(kinds=["holders_heard"])
        eventually(lambda: admin.stubs.cluster.ListEvents(heard).events, 20)
        proxy.cut()
        eventually(second.starts, 20)
        status = first.status()
        assert (status.label, status.licensed) == ("GRACE", False)
        assert second.status().licensed
        proxy.heal()
        eventually(first.first_has_ended, 20)
        assert admin.nodes() == {"report-1": "WAITING", "report-2": "LICENSED"}
        assert first.process.poll() is None
