"""A real cluster under faults: a daemon, node processes behind a proxy, an administrator; and what it did, in files.

`Cluster` starts, stops and disturbs the processes and keeps what the checker needs: who was killed or stopped when, and
which entries of the journal an administrator was told of.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
from faults import history
from support.admin import Admin
from support.daemon import Daemon, Stubs
from support.proxy import Network
from support.skew import Skew
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2, registration_service_pb2

MakeDaemon = Callable[..., Daemon]
LEASE_S = 1.5
OPTIONS = ("--lease-ttl", "1500ms", "--heartbeat-interval", "500ms", "--recovery-window", "20s")
ROOT = Path(__file__).parents[2]


def boottime() -> float:
    """Seconds of boottime."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class NodeProcess:
    """One process of nodes, behind a link of its own."""

    def __init__(self, cluster: "Cluster", names: list[str], clock: Skew | None) -> None:
        self.names = names
        self.clock = clock
        self.link = cluster.network.proxy(cluster.daemon.address)
        command = [
            sys.executable, "-m", "faults.node_process", str(cluster.history), self.link.address,
            str(cluster.ca), cluster.daemon.token("node"), *names,
        ]  # fmt: skip
        path = os.pathsep.join((str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")))
        env = {**os.environ, **(clock.env if clock else {}), "PYTHONPATH": path}
        self.process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
        self.stopped_at: float | None = None

    @property
    def alive(self) -> bool:
        """Whether it runs, or is stopped."""
        return self.process.poll() is None


class Cluster:
    """See the module."""

    def __init__(self, daemon: Daemon, vendor: TestVendor, folder: Path, max_nodes: int) -> None:
        self.daemon = daemon
        self.vendor = vendor
        self.history = folder / "history.jsonl"
        self.history.touch()
        self.ca = folder / "ca.crt"
        self.max_nodes = max_nodes
        self.network = Network()
        self.nodes: list[NodeProcess] = []
        self.deposed: list[subprocess.Popen[str]] = []
        self.killed: dict[int, float] = {}
        self.stops: list[history.Stop] = []
        self.acknowledged: list[tuple[int, str]] = []
        self._asked: tuple[subprocess.Popen[str] | None, Stubs] | None = None
        self._license = vendor.license(max_nodes=max_nodes)

    def start_daemon(self) -> None:
        """Starts the daemon; nodes reach it through the proxy, wherever it listens."""
        self.daemon.start()
        self.ca.write_bytes(self.daemon.ca)
        for node in self.nodes:
            node.link.aim(self.daemon.address)

    @property
    def admin(self) -> Admin:
        """An administrator of the present daemon."""
        return Admin(self._stubs(), self.vendor)

    def _stubs(self) -> Stubs:
        # A daemon's end closes its channels; one that is down is asked in vain, on a channel made for that.
        if self._asked is None or self.daemon.process is None or self._asked[0] is not self.daemon.process:
            self._asked = self.daemon.process, self.daemon.stubs("admin")
        return self._asked[1]

    def register(self) -> None:
        """Upload and registration."""
        eventually(self._registered, 40)
        self.note_acknowledged()

    def _registered(self) -> bool:
        """A daemon that can't prove for a moment that it leads, or has lost a node for one, is asked again."""
        admin = self.admin
        try:
            admin.upload(self.vendor.lic(self._license))
            admin.register()
        except grpc.RpcError as error:
            if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.FAILED_PRECONDITION):
                raise
            return False
        return True

    def note_acknowledged(self) -> None:
        """What the daemon shows in its journal now must be there for ever."""
        with suppress(grpc.RpcError):
            request = cluster_service_pb2.ListEventsRequest(page_size=500, newest_first=True)
            events = self.admin.stubs.cluster.ListEvents(request, timeout=3).events
            self.acknowledged += [(event.position, event.digest) for event in events]

    def add(self, *names: str, clock: Skew | None = None) -> NodeProcess:
        """A process of nodes; `clock`: its wall clock."""
        node = NodeProcess(self, list(names), clock)
        self.nodes.append(node)
        return node

    def licensed(self) -> int:
        """How many nodes the daemon says are licensed; -1: it can't say now."""
        return self._counted("nodes_licensed")

    def connected(self) -> int:
        """How many nodes the daemon says are connected; -1: it can't say now."""
        return self._counted("nodes_connected")

    def _counted(self, what: str) -> int:
        try:
            request = registration_service_pb2.GetRegistrationRequest()
            return int(getattr(self._stubs().registration.GetRegistration(request, timeout=3).registration, what))
        except grpc.RpcError:
            return -1

    # Faults

    def kill(self, node: NodeProcess) -> None:
        """kill -9."""
        node.process.kill()
        node.process.wait()
        self.killed[node.process.pid] = boottime()

    def stop(self, node: NodeProcess) -> None:
        """SIGSTOP."""
        if node.alive and node.stopped_at is None:
            node.stopped_at = boottime()
            node.process.send_signal(signal.SIGSTOP)

    def go_on(self, node: NodeProcess) -> None:
        """SIGCONT."""
        if node.stopped_at is not None:
            self.stops.append(history.Stop(node.process.pid, node.stopped_at, boottime()))
            node.stopped_at = None
            node.process.send_signal(signal.SIGCONT)

    def move_folder(self) -> None:
        """The data directory of a daemon that is down stands elsewhere from now on."""
        moved = self.daemon.data_dir.with_name(f"{self.daemon.data_dir.name}-moved")
        self.daemon.data_dir = self.daemon.data_dir.rename(moved)

    def take_volume(self) -> subprocess.Popen[str] | None:
        """The daemon is stopped, its volume goes over to a new one: gives the old one, to go on with (R31)."""
        old = self.daemon.process
        if old is not None:
            old.send_signal(signal.SIGSTOP)
            self.deposed.append(old)
            data = self.daemon.data_dir
            lost = data.with_name(f"{data.name}-lost-{len(self.deposed)}")
            shutil.copytree(data, lost.with_name("copy"))
            data.rename(lost)
            lost.with_name("copy").rename(data)
            self.start_daemon()
        return old

    def heal(self) -> None:
        """Every fault is over."""
        for node in self.nodes:
            self.go_on(node)
            node.link.heal()
            if node.clock is not None:
                node.clock.set("+0s")
        for process in self.deposed:
            process.kill()
            process.wait()
        if self.daemon.process is None:
            self.start_daemon()
        else:
            self.daemon.process.send_signal(signal.SIGCONT)

    # What it showed

    def at_rest(self, timeout: float = 40) -> None:
        """Whoever may have a seat has one."""
        living = sum(len(node.names) for node in self.nodes if node.alive)
        eventually(lambda: self.licensed() == min(self.max_nodes, living), timeout)
        self.note_acknowledged()

    def violations(self, lease_s: float = LEASE_S) -> list[str]:
        """What was violated; ends the daemon, whose journal is read at rest."""
        self.daemon.kill()
        found = history.beliefs(self.history, self.killed, self.stops, boottime())
        records = history.read_journal(self.daemon.data_dir / "journal.db")
        return [
            *history.seats(found, self.max_nodes),
            *history.leases(self.history, lease_s),
            *history.journal(records, self.acknowledged),
            *self._not_verified(),
        ]

    def _not_verified(self) -> list[str]:
        command = [sys.executable, "-m", "licd_daemon", "journal", "verify", "--data-dir", str(self.daemon.data_dir)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return [] if done.returncode == 0 else [f"licd journal verify: {done.stderr}"]

    def end(self) -> None:
        """No process is left behind."""
        for node in self.nodes:
            node.process.kill()
            node.process.wait()
        for process in self.deposed:
            process.kill()
            process.wait()
        self.daemon.kill()
        self.network.close()


@contextmanager
def running(daemon: Daemon, vendor: TestVendor, folder: Path, max_nodes: int) -> Iterator[Cluster]:
    """A cluster with its daemon started; ended whatever happens."""
    cluster = Cluster(daemon, vendor, folder, max_nodes)
    try:
        cluster.start_daemon()
        yield cluster
    finally:
        cluster.end()
