"""Probes and metrics: each tells the truth, through a daemon's whole life."""

import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon, running
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import registration_service_pb2 as pb


def answer(daemon: Daemon, path: str) -> tuple[int, str]:
    """Status and text; (0, "") when nobody answers."""
    try:
        got = Console(daemon.ops).get(path)
    except OSError:
        return 0, ""
    return got.status, got.content.decode().strip()


def metrics(daemon: Daemon) -> dict[str, float]:
    """The samples by name and labels."""
    page = Console(daemon.ops).get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    pairs = (line.rsplit(" ", 1) for line in page.content.decode().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


class Poller:
    """Asks a path again and again, and keeps what it was told."""

    def __init__(self, daemon: Daemon, path: str) -> None:
        self.seen: list[tuple[int, str]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, args=(daemon, path), daemon=True)
        self._thread.start()

    def _poll(self, daemon: Daemon, path: str) -> None:
        while not self._stop.wait(0.01):
            self.seen.append(answer(daemon, path))

    def end(self) -> list[tuple[int, str]]:
        """All answers."""
        self._stop.set()
        self._thread.join()
        return self.seen


@contextmanager
def full_disk(daemon: Daemon) -> Iterator[None]:
    """Files of the daemon can't grow."""
    assert daemon.process is not None
    size = (daemon.data_dir / "journal.db-wal").stat().st_size
    before = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (max(size, 4096), before[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, before)


def test_the_probes_tell_the_truth_through_a_daemons_life(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    assert answer(daemon, "/livez") == (200, "ok")
    assert answer(daemon, "/readyz") == (200, "ok"), "whatever the registration, or no node could join"
    alive, ready = Poller(daemon, "/livez"), Poller(daemon, "/readyz")
    health = health_pb2_grpc.HealthStub(daemon.stubs(None).channel)
    with full_disk(daemon):
        with refused(grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE"):
            admin.upload(vendor.lic())
        assert eventually(lambda: answer(daemon, "/readyz")) == (503, "the journal can't be written")
        eventually(lambda: _health(health) == health_pb2.HealthCheckResponse.NOT_SERVING)
        assert metrics(daemon)["licd_journal_writable"] == 0
        assert answer(daemon, "/livez") == (200, "ok"), "a full disk is no reason to restart it"
    eventually(lambda: answer(daemon, "/readyz") == (200, "ok"))
    assert admin.upload(vendor.lic()).HasField("license")
    watch = admin.stubs.registration.WatchRegistration(pb.WatchRegistrationRequest())
    next(watch)
    assert daemon.process is not None
    daemon.process.terminate()
    eventually(lambda: (503, "stopping") in ready.seen)
    assert daemon.stop() == 0
    eventually(lambda: (0, "") in ready.seen and (0, "") in alive.seen)
    seen = ready.end()
    assert {status for status, _ in alive.end()} == {200, 0}
    refusals = [text for status, text in seen if status == 503]
    assert set(refusals) - {"the journal can't be written"} <= {"stopping", "stopping; leadership is not proven"}
    assert {status for status, _ in seen[seen.index((503, "stopping")) :]} == {503, 0}


def _health(stub: health_pb2_grpc.HealthStub) -> int:
    return int(stub.Check(health_pb2.HealthCheckRequest(service="licd.v1.NodeService"), timeout=5).status)


def test_R31_a_daemon_whose_volume_was_taken_is_not_ready(make_daemon: Callable[..., Daemon]) -> None:
    with running(make_daemon("--heartbeat-interval", "200ms", "--lease-ttl", "1s")) as daemon:

        def taken() -> bool:
            # Again and again: a proof under way may write its own line over it.
            (daemon.data_dir / "lock").write_bytes(b"99 somebody-else\n".ljust(4096))
            return answer(daemon, "/readyz") == (503, "leadership is not proven")

        eventually(taken)
        assert metrics(daemon)["licd_leader"] == 0


def test_the_ops_port_is_read_only_and_open(daemon: Daemon) -> None:
    ops = Console(daemon.ops)
    assert {ops.request(method, "/livez", b"").status for method in ("POST", "PUT", "DELETE")} == {405}
    assert ops.get("/").status == 404
    assert ops.get("/api/registration").status == 404
    assert daemon.token("admin") not in ops.get("/metrics").content.decode()


def test_metrics_follow_the_story(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    first = metrics(daemon)
    assert first['licd_registration_state{state="UNLICENSED"}'] == 1
    assert not {"licd_license_expires_timestamp_seconds", "licd_outage_grace_seconds"} & set(first)
    node = RawNode(daemon.stubs("node"), clock_ms=7000).joined()
    assert node.stream is not None
    for _ in range(5):
        node.stream.beat()
    license = vendor.license(max_nodes=2)
    admin.upload(vendor.lic(license))
    challenge = admin.challenge()
    for _ in range(6):
        try:
            admin.submit(challenge, admin.wrong_code(challenge))
        except grpc.RpcError:
            continue
    told = metrics(daemon)
    assert told["licd_license_expires_timestamp_seconds"] == license.expires_at
    assert told["licd_outage_grace_seconds"] == 900
    assert told["licd_max_nodes"] == 2
    assert told["licd_heartbeats_total"] == 5
    assert told["licd_joins_total"] == 1
    assert told["licd_wrong_codes_total"] == 6
    assert told["licd_lockouts_total"] == 1
    assert 890 < told["licd_lockout_until_timestamp_seconds"] - time.time() <= 901
    assert told['licd_nodes{state="REJECTED"}'] == told["licd_nodes_drifted"] == 1
    label = f'{{node="report-1",session="{node.session_id}"}}'
    assert abs(told[f"licd_node_clock_offset_seconds{label}"] - 7) < 0.1
    # A call is counted when it is over, which its caller may know a moment before.
    eventually(lambda: metrics(daemon)['licd_rpc_seconds_count{method="licd.v1.RegistrationService/SubmitCode"}'] == 6)
    assert told["licd_journal_append_seconds_count"] >= 8
    assert told["licd_journal_append_seconds_sum"] > 0


def test_two_nodes_of_one_name_are_two_series(daemon: Daemon) -> None:
    for _ in range(2):
        stream = RawNode(daemon.stubs("node"), "twin").joined().stream
        assert stream is not None
        for _ in range(3):
            stream.beat()
    offsets = [name for name in metrics(daemon) if name.startswith("licd_node_clock_offset_seconds")]
    assert len(offsets) == len(set(offsets)) == 2
