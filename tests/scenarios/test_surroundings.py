"""What surrounds a daemon may stand still, be closed or send signals: it serves on (R34-R36)."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon, running
from support.raw_node import RawNode
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2 as cluster

MakeDaemon = Callable[..., Daemon]


@contextmanager
def unread(daemon: Daemon) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """Starts a daemon whose log goes into a pipe that is full from the first byte on; gives the pipe's other end."""
    source, sink = os.pipe()
    os.set_blocking(sink, False)
    while True:
        try:
            os.write(sink, bytes(1))
        except BlockingIOError:
            break
    os.set_blocking(sink, True)
    command = [sys.executable, "-m", "licd_daemon", "serve", "--data-dir", str(daemon.data_dir), *daemon.options]
    process = subprocess.Popen(command, stderr=sink, env=daemon.env)
    os.close(sink)
    try:
        yield process, source
    finally:
        process.kill()
        process.wait()
        os.close(source)


def found(daemon: Daemon) -> None:
    """Waits until it serves, by the file that tells local commands where."""
    file = daemon.data_dir / "address"
    eventually(file.exists, 20)
    daemon.address = file.read_text().strip()


def test_R36_a_log_that_nobody_reads_stops_nothing(make_daemon: MakeDaemon, vendor: TestVendor) -> None:
    daemon = make_daemon("--lease-ttl", "6s", "--heartbeat-interval", "2s")
    with unread(daemon) as (process, source):
        found(daemon)
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        node = RawNode(daemon.stubs("node")).joined()
        with node.stream.beating():
            admin.register()
            since = _last_beat(admin)
            for _ in range(40):
                process.send_signal(signal.SIGHUP)
                admin.nodes()
            eventually(lambda: _last_beat(admin) - since > 8, 30)
            assert admin.nodes() == {"report-1": "LICENSED"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert fcntl.ioctl(source, termios.FIONREAD, bytes(4)) != bytes(4), "what fitted into the pipe is still there"


def test_R34_a_hangup_reads_vendor_keys_and_token_files_again_and_ends_nothing(
    make_daemon: MakeDaemon, vendor: TestVendor, tmp_path: Path
) -> None:
    with running(make_daemon()) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        node = RawNode(daemon.stubs("node")).joined()
        admin.register()
        another = TestVendor()
        keys = Path(daemon.options[daemon.options.index("--vendor-keys") + 1])
        before = keys.read_text()
        added = json.loads(another.write_keys(tmp_path / "other.json").read_text())["keys"][0]
        keys.write_text(json.dumps({"keys": [*json.loads(before)["keys"], {**added, "kid": "key-2"}]}))
        fresh = "licd_" + "rotated" * 6
        (daemon.data_dir / "tokens" / "viewer.token").write_text(fresh + "\n")
        assert daemon.process is not None
        daemon.process.send_signal(signal.SIGHUP)
        viewer = Admin(daemon.stubs(token=fresh), vendor)
        eventually(lambda: _answers(viewer))
        theirs = another.lic(key_id="key-2")
        assert admin.try_upload(theirs).effect.ends_registration, "a license of the other vendor is read"
        keys.write_text("no keys")
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: any(entry["event"] == "vendor_keys_not_reloaded" for entry in daemon.log))
        assert admin.try_upload(theirs).effect.ends_registration, "the keys before stay"
        node.stream.beat()
        assert admin.nodes() == {"report-1": "LICENSED"}
        assert daemon.process.poll() is None


def _last_beat(admin: Admin) -> float:
    """When the node was heard last, in seconds."""
    (node,) = admin.stubs.cluster.ListNodes(cluster.ListNodesRequest()).nodes
    return node.last_heartbeat_at.ToNanoseconds() / 1e9


def _answers(admin: Admin) -> bool:
    try:
        return bool(admin.nodes())
    except grpc.RpcError:
        return False


@pytest.mark.parametrize("closed", ["0<&- 1>&- 2>&-", "2>&-", "0<&-"])
def test_R36_a_daemon_that_is_started_with_closed_descriptors_serves(
    make_daemon: MakeDaemon, vendor: TestVendor, closed: str
) -> None:
    daemon = make_daemon()
    command = [sys.executable, "-m", "licd_daemon", "serve", "--data-dir", str(daemon.data_dir), *daemon.options]
    process = subprocess.Popen(["sh", "-c", f'exec "$@" {closed}', "sh", *command], env=daemon.env)
    try:
        found(daemon)
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        RawNode(daemon.stubs("node")).joined()
        assert admin.register().nodes_licensed == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
