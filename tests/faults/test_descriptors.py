"""R36: connections up to the limit of open files take no seat, no probe and no lead, however low that limit is."""

import resource
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon, running
from support.raw_node import RawNode
from support.vendor import TestVendor
from support.waiting import eventually

import node_client
from licd_daemon.cli.serve.descriptors import LEAST, Connections, TooFewFiles, share_out
from licd_kit.addresses import Address

FILES = 256
PRESSED = 400
PRESSED_S = 8.0
APPLICATION = node_client.Application("report-server", "10.0.19", "2024-05-01", "sales")


@contextmanager
def many_files() -> Iterator[None]:
    """This process may open as many as it can."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def pressed(address: Address) -> Iterator[None]:
    """So many idle connections, opened again as fast as they are closed."""
    over, held = threading.Event(), deque[socket.socket]()

    def press() -> None:
        while not over.is_set():
            with suppress(OSError):
                held.append(socket.create_connection(address, timeout=1))
            if len(held) > PRESSED:
                held.popleft().close()

    thread = threading.Thread(target=press, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for each in held:
            each.close()


def limited(daemon: Daemon, files: int) -> Daemon:
    daemon.launcher = ("sh", "-c", f'ulimit -n {files} && exec "$@"', "sh")
    return daemon


def test_R36_floods_at_every_port_take_no_seat_no_probe_and_no_lead(
    make_daemon: Callable[..., Daemon], vendor: TestVendor
) -> None:
    options = ("--lease-ttl", "4s", "--heartbeat-interval", "1s")
    with many_files(), running(limited(make_daemon(*options), FILES)) as daemon, ExitStack() as floods:
        admin, newcomers = Admin(daemon.stubs("admin"), vendor), daemon.stubs("node")
        admin.upload(vendor.lic())
        node = node_client.connect(
            daemon.address,
            application=APPLICATION,
            node_name="held",
            token=daemon.token("node"),
            ca=daemon.data_dir / "tls" / "ca.crt",
        )
        floods.callback(node.close)
        eventually(lambda: "held" in admin.nodes())
        RawNode(newcomers, "first").join()
        admin.register()
        assert node.wait_licensed(20)
        for url in (f"grpc://{daemon.address}", daemon.console, daemon.ops):
            floods.enter_context(pressed(Address.parse(url.partition("://")[2])))
        most, end = 0, time.monotonic() + PRESSED_S
        while time.monotonic() < end:
            assert node.is_licensed()
            assert Console(daemon.ops).get("/readyz").status == 200
            assert RawNode(newcomers, "newcomer").join().session_id
            assert daemon.process is not None
            most = max(most, len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir())))
        assert most < FILES
        assert {"leadership_not_proven", "journal_unavailable"} & {entry["event"] for entry in daemon.log} == set()
        assert [warning.title for warning in admin.registration().warnings] == ["Few open files are allowed"]
        assert [entry["limit"] for entry in daemon.log if entry["event"] == "few_file_descriptors"] == [FILES]


def test_R36_too_few_files_are_one_clear_word_at_the_start(make_daemon: Callable[..., Daemon]) -> None:
    daemon = limited(make_daemon(), LEAST - 1)
    with pytest.raises(RuntimeError, match="are too few"):
        daemon.start()


@pytest.mark.parametrize(
    ("limit", "listeners", "shared"),
    [
        (256, 1, Connections(256, 120, 20)),
        (1024, 2, Connections(1024, 348, 116)),
        (65_536, 1, Connections(65_536, 65_184, 128)),
        (10**9, 1, Connections(10**9, 999_648, 128)),
    ],
)
def test_R36_connections_of_all_ports_together_leave_a_reserve(limit: int, listeners: int, shared: Connections) -> None:
    assert share_out(limit, listeners) == shared
    with pytest.raises(TooFewFiles):
        share_out(LEAST - 1, listeners)


@pytest.mark.parametrize(("limit", "max_nodes", "told"), [(511, 1, 1), (1024, 3, 0), (1024, 1000, 1)])
def test_R36_too_few_connections_for_the_license_are_told(
    vendor: TestVendor, limit: int, max_nodes: int, told: int
) -> None:
    assert len(share_out(limit, 1).warnings(vendor.license(max_nodes=max_nodes))) == told
    assert not share_out(1024, 1).warnings(None)
