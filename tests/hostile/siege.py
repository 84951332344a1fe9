"""A daemon with three licensed nodes under attack, and what can be seen of it meanwhile."""

import http.client
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import grpc
from hostile.attacks import as_line, target_of
from support.admin import Admin
from support.daemon import Daemon, running
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2
from node_client import Node, connect
from node_client.values import Application

TESTS = Path(__file__).parent.parent
APPLICATION = Application("report-server", "10.0", "2024-05-01", "sales")
LOOKS_EVERY_S = 0.02


@dataclass
class Seen:
    """What an onlooker saw: times in seconds, and what should not have been."""

    probes: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    looks: int = 0


@contextmanager
def licensed(folder: Path) -> Iterator[tuple[Daemon, list[Node]]]:
    """A daemon without TLS, and three nodes of a registered cluster."""
    vendor = TestVendor()
    daemon = Daemon(folder / "data", vendor.write_keys(folder / "keys.json"), "--insecure")
    with ExitStack() as stack:
        stack.enter_context(running(daemon))
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        nodes = [stack.enter_context(_node(daemon, f"honest-{number}")) for number in range(3)]
        eventually(lambda: len(admin.nodes()) == len(nodes))
        admin.register()
        eventually(lambda: all(node.is_licensed() for node in nodes))
        yield daemon, nodes


def _node(daemon: Daemon, name: str) -> Node:
    token = daemon.token("node")
    return connect(daemon.address, application=APPLICATION, node_name=name, token=token, insecure=True)


@contextmanager
def watched(daemon: Daemon, nodes: Sequence[Node]) -> Iterator[Seen]:
    """Looks at nodes, probes and an honest call until the block ends."""
    seen, over = Seen(), threading.Event()
    stub = daemon.stubs("viewer").cluster

    def look() -> None:
        for node in nodes:
            if not node.is_licensed():
                seen.wrong.append(f"{node.status()}")
        seen.looks += 1
        time.sleep(LOOKS_EVERY_S)

    def probe() -> None:
        where = urlsplit(daemon.ops)
        for path in ("/livez", "/readyz"):
            connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=20)
            began = time.monotonic()
            try:
                connection.request("GET", path)
                status = connection.getresponse().status
                if status != 200:
                    seen.wrong.append(f"{path}: {status}")
            except OSError as error:
                seen.wrong.append(f"{path}: {error!r}")
            finally:
                connection.close()
            seen.probes.append(time.monotonic() - began)

    def call() -> None:
        began = time.monotonic()
        try:
            stub.ListNodes(cluster_service_pb2.ListNodesRequest(page_size=10), timeout=20)
        except grpc.RpcError as error:
            seen.wrong.append(f"ListNodes: {error!r}")
        seen.calls.append(time.monotonic() - began)
        time.sleep(LOOKS_EVERY_S)

    def until_over(act: Callable[[], None]) -> None:
        while not over.is_set():
            act()

    threads = [threading.Thread(target=until_over, args=(act,)) for act in (look, probe, call)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


@contextmanager
def besieged(daemon: Daemon, attacks: Sequence[str]) -> Iterator[None]:
    """All attacks at once, each in a process of its own, until the block ends."""
    command = [sys.executable, "-m", "hostile.attacks"]
    with ExitStack() as stack:
        for name in attacks:
            process = subprocess.Popen([*command, name], cwd=TESTS, stdin=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            assert process.stdin is not None
            process.stdin.write(as_line(target_of(daemon)))
            process.stdin.flush()
        yield


def peak_mib(daemon: Daemon) -> float:
    """The most memory that the daemon ever had resident."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
