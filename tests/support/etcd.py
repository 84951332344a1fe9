"""Real etcd servers, one or several, each in a process of its own on free ports outside the ephemeral range."""

import json
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.ports import free_port
from support.waiting import eventually


class EtcdMember:
    """One server: its ports, its data, and its process between `start` and `kill`."""

    def __init__(self, name: str, folder: Path, *options: str, scheme: str = "http") -> None:
        self.name = name
        self.folder = folder / name
        self.scheme = scheme
        self.client, self.peer = free_port(), free_port()
        self.options: Sequence[str] = options
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where clients reach it."""
        return f"127.0.0.1:{self.client}"

    def start(self, cluster: str) -> None:
        """Starts it; `cluster` lists all members."""
        client, peer = f"{self.scheme}://{self.endpoint}", f"http://127.0.0.1:{self.peer}"
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                ["etcd", "--name", self.name, "--data-dir", str(self.folder / "data"), "--logger", "zap",
                 "--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer,
                 "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
                 "--initial-cluster-state", "new", *self.options],
                stdout=log, stderr=log,
            )  # fmt: skip

    def healthy(self) -> bool:
        """Whether it serves, which takes a majority."""
        try:
            with urllib.request.urlopen(f"{self.scheme}://{self.endpoint}/health", timeout=1) as answer:
                return bool(json.load(answer)["health"] == "true")
        except (OSError, urllib.error.URLError):
            return False

    def signal(self, number: signal.Signals) -> None:
        """SIGSTOP or SIGCONT, say."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9. Idempotent."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


class EtcdCluster:
    """Members that know each other."""

    def __init__(self, folder: Path, size: int, *options: str) -> None:
        self.members = [EtcdMember(f"etcd{number}", folder, *options) for number in range(size)]
        self.members_list = ",".join(f"{member.name}=http://127.0.0.1:{member.peer}" for member in self.members)

    def start(self, *members: EtcdMember) -> None:
        """Starts these, or all, and waits until they serve."""
        chosen = members or tuple(self.members)
        for member in chosen:
            member.start(self.members_list)
        for member in chosen:
            eventually(member.healthy, 60)

    def url(self, prefix: str, **values: str) -> str:
        """What `--journal` takes."""
        query = "&".join(f"{name.replace('_', '-')}={value}" for name, value in values.items())
        endpoints = ",".join(member.endpoint for member in self.members)
        return f"etcd://{endpoints}/{prefix}" + (f"?{query}" if query else "")

    def leader(self) -> EtcdMember:
        """The member that leads etcd itself."""
        for member in self.members:
            if member.process is None:
                continue
            with urllib.request.urlopen(f"http://{member.endpoint}/metrics", timeout=2) as answer:
                if b"\netcd_server_is_leader 1" in answer.read():
                    return member
        raise LookupError("no member leads")

    def kill(self) -> None:
        """Ends all of them."""
        for member in self.members:
            member.kill()


@contextmanager
def etcd_cluster(folder: Path, size: int = 1, *options: str) -> Iterator[EtcdCluster]:
    """Servers for as long as the block runs; what they kept is gone afterwards."""
    cluster = EtcdCluster(folder, size, *options)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.kill()
        shutil.rmtree(folder, ignore_errors=True)
