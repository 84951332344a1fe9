"""The servers that are measured: licd, bare grpcio and etcd, each started here, on a disk, and ended here.

- licd runs as users run it: roles, the SQLite journal (synchronous=FULL), clock samples; TLS unless the row says not.
  Its cluster is registered before the load, so that a join is granted a seat.
- licd over etcd is the same with `--journal etcd://`, on an etcd of its own that is started as the yardstick is.
- bare grpcio is `bench/bare.py`; etcd is Debian's, one member, its defaults, fsync included.
- All three show the same certificate.
"""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from support.daemon import Daemon
from support.vendor import TestVendor
from support.waiting import eventually

from bench import etcd_messages
from bench.http2 import Connection, Loop, frame, header_block, message
from bench.process import check_owner, cpu_s, rss_kb
from licd.v1 import node_service_pb2 as node
from licd.v1 import registration_service_pb2 as registration
from licd_daemon.cli.serve.certificates import ensure_certificates
from licd_daemon.cli.serve.config import GRPC_ENVIRONMENT
from licd_kit.clock import wall_ms

NODES = "/licd.v1.NodeService/"
_REGISTRATION = "/licd.v1.RegistrationService/"
START_S = 20
TRIES = 5
APPLICATION = node.Application(name="report-server", version="10.0.19", build_date="2024-05-01", content="sales")


def _generator_tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    return context


_TLS = _generator_tls()


class Server:
    """A server that this run started. `kind`: licd, grpcio or etcd."""

    kind = ""

    def __init__(self, folder: Path, *, tls: bool, ttl_s: int) -> None:
        self.folder = folder
        self.secure = tls
        self.ttl_s = ttl_s
        self.pid = 0
        self.port = 0
        self.token = ""

    def start(self) -> None:
        """Starts it and returns when it serves."""
        raise NotImplementedError

    def stop(self) -> None:
        """Kills it."""
        raise NotImplementedError

    def held(self) -> int:
        """How many members it says that it holds."""
        raise NotImplementedError

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return "127.0.0.1", self.port

    @property
    def tls_context(self) -> ssl.SSLContext | None:
        """The generator's side of TLS: it encrypts as any client does, and checks no name."""
        return _TLS if self.secure else None

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return cpu_s(self.pid)

    def rss(self) -> int:
        """Resident KiB."""
        return rss_kb(self.pid)

    def guard(self) -> None:
        """See `process.check_owner`."""
        check_owner(self.pid, self.port)

    def ask(self, path: str, body: bytes, token: str = "") -> bytes:
        """One unary call on a connection of its own."""
        loop = Loop()
        try:
            call = _Call(loop, self, header_block(path, tls=self.secure, token=token), body)
            loop.until(lambda: call.answer is not None, START_S)
            return call.answer or b""
        finally:
            loop.close()


class _Call(Connection):
    def __init__(self, loop: Loop, server: Server, headers: bytes, body: bytes) -> None:
        self.answer: bytes | None = None
        self._request = frame(1, 4, 1, headers) + message(1, body, 1)
        super().__init__(loop, server.address, server.tls_context)

    def opened(self) -> None:
        self.send(self._request)

    def received(self, stream: int, body: bytes) -> None:
        self.answer = body


class Licd(Server):
    """`licd serve`, with a license for many nodes and a registered cluster."""

    kind = "licd"

    def __init__(self, folder: Path, *, tls: bool, ttl_s: int) -> None:
        super().__init__(folder, tls=tls, ttl_s=ttl_s)
        self._vendor = TestVendor()
        keys = self._vendor.write_keys(folder / "keys.json")
        options = ("--lease-ttl", f"{ttl_s}s", "--heartbeat-interval", f"{min(5, ttl_s / 3):.3f}s")
        insecure = () if tls else ("--insecure",)
        self._daemon = Daemon(folder / "data", keys, *options, *insecure, *self.journal())

    def journal(self) -> Sequence[str]:
        """The option that says where the journal is."""
        return ()

    def start(self) -> None:
        """Starts the daemon; the first time it registers the cluster too."""
        first = not self.token
        self._daemon.start()
        self.started()
        assert self._daemon.process is not None
        self.pid, self.port = self._daemon.process.pid, int(self._daemon.address.rpartition(":")[2])
        self.token = self._daemon.token("node")
        if first:
            self._register()

    def started(self) -> None:
        """Returns when the daemon leads."""

    def _register(self) -> None:
        """Upload, one node, a challenge, the code that the phone would show."""
        admin = self._daemon.token("admin")
        lic = self._vendor.lic(max_nodes=1_000_000)
        upload = registration.UploadLicenseRequest(content=lic, auth_method=registration.AUTH_METHOD_LOCAL_CONTAINER)
        self.ask(_REGISTRATION + "UploadLicense", upload.SerializeToString(), admin)
        for _ in range(TRIES):
            # Refused, where on a busy machine the first node's lease ended meanwhile.
            with contextlib.suppress(TimeoutError):
                self._scan(admin)
                return
        raise RuntimeError("the cluster could not be registered")

    def _scan(self, admin: str) -> None:
        self._join_first()
        answer = self.ask(_REGISTRATION + "CreateChallenge", b"", admin)
        challenge = registration.CreateChallengeResponse.FromString(answer).challenge
        code = self._vendor.code(challenge.url)
        submit = registration.SubmitCodeRequest(challenge_id=challenge.challenge_id, code=code)
        self._join_first()
        self.ask(_REGISTRATION + "SubmitCode", submit.SerializeToString(), admin)

    def _join_first(self) -> None:
        """The node that the cluster is registered with; joining again renews its lease, so that it stays."""
        join = node.JoinRequest(
            node_name="first", instance_id="first", resume_secret=bytes(32), application=APPLICATION
        )
        self.ask(NODES + "Join", join.SerializeToString(), self.token)

    def stop(self) -> None:
        """Kills it with -9."""
        self._daemon.kill()

    def held(self) -> int:
        """Licensed nodes, as an administrator sees them; the one that registered the cluster is not counted."""
        self._join_first()
        answer = self.ask(_REGISTRATION + "GetRegistration", b"", self._daemon.token("viewer"))
        licensed = registration.GetRegistrationResponse.FromString(answer).registration.nodes_licensed
        return licensed - 1


class Bare(Server):
    """See `bare`. It holds nothing, so it can't say what it holds."""

    kind = "grpcio"
    _process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        """Starts it and reads its port."""
        tls = ("--tls", str(certificate(self.folder))) if self.secure else ()
        command = [sys.executable, "-m", "bench.bare", *tls]
        environment = os.environ | GRPC_ENVIRONMENT
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert self._process.stdout is not None
        self.pid, self.port = self._process.pid, int(self._process.stdout.readline())

    def stop(self) -> None:
        """Kills it."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    def held(self) -> int:
        """Nothing is held."""
        return 0


class Etcd(Server):
    """Debian's etcd-server."""

    kind = "etcd"
    _process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts one member on free ports; on its old data if it ran before."""
        self.port, peer = _free_port(), _free_port()
        scheme = "https" if self.secure else "http"
        client, member = f"{scheme}://127.0.0.1:{self.port}", f"http://127.0.0.1:{peer}"
        command = [
            shutil.which("etcd") or "etcd", "--data-dir", str(self.folder / "etcd"), "--log-level", "error",
            "--logger", "zap", "--listen-client-urls", client, "--advertise-client-urls", client,
            "--listen-peer-urls", member,
            "--initial-advertise-peer-urls", member, "--initial-cluster", f"default={member}",
        ]  # fmt: skip
        if self.secure:
            folder = certificate(self.folder)
            command += ["--cert-file", str(folder / "server.crt"), "--key-file", str(folder / "server.key")]
        with (self.folder / "etcd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self.pid = self._process.pid
        deadline = time.monotonic() + START_S
        while True:
            try:
                self.held()
                return
            except TimeoutError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise

    def stop(self) -> None:
        """Kills it with -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def held(self) -> int:
        """The keys that stand."""
        return etcd_messages.count(self.ask(etcd_messages.RANGE, etcd_messages.range_count()))


class LicdOverEtcd(Licd):
    """`licd serve --journal etcd://`. Its processor time is the daemon's and etcd's."""

    def journal(self) -> Sequence[str]:
        """Starts etcd, whose address it needs."""
        self._etcd = Etcd(self.folder, tls=self.secure, ttl_s=self.ttl_s)
        self._etcd.start()
        ca = f"?ca={certificate(self.folder) / 'ca.crt'}" if self.secure else ""
        return "--journal", f"etcd://127.0.0.1:{self._etcd.port}/licd{ca}"

    def started(self) -> None:
        """The daemon follows first; it leads once it is elected."""
        eventually(lambda: any(entry["event"] == "serving" for entry in self._daemon.log), START_S)

    def stop(self) -> None:
        """Kills both with -9."""
        super().stop()
        self._etcd.stop()

    def cpu(self) -> float:
        """Seconds of processor time of both so far."""
        return super().cpu() + self._etcd.cpu()


def certificate(folder: Path) -> Path:
    """A folder with a server certificate as licd makes them."""
    tls = folder / "tls"
    if not tls.exists():
        from datetime import UTC, datetime

        ensure_certificates(tls, [], datetime.fromtimestamp(wall_ms() / 1000, UTC))
    return tls


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """Starts a server, guards its port, and ends it whatever happens."""
    try:
        server.start()
        server.guard()
        yield server
    finally:
        server.stop()
