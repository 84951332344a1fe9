"""R32, R18: several daemons over etcd, of which one leads; failover and planned handover."""

import http.client
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon, Stubs, running
from support.etcd import EtcdCluster
from support.health import Watcher
from support.raw_http2 import RawHttp2, message
from support.raw_node import RawNode
from support.several import Several, health, leads, transfer
from support.vendor import TestVendor
from support.waiting import eventually

import node_client
from licd.v1 import cluster_service_pb2, node_service_pb2
from licd_daemon.cli.serve import certificates
from node_client import errors

SERVICES = ("NodeService", "RegistrationService", "ClusterService")


class Watched:
    """Looks at a node all the time, and keeps the longest spell without a license."""

    def __init__(self, node: node_client.Node) -> None:
        self._node = node
        self._stop = threading.Event()
        self.longest = 0.0
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        since = time.monotonic()
        while not self._stop.wait(0.002):
            now = time.monotonic()
            if self._node.is_licensed():
                since = now
            self.longest = max(self.longest, now - since)

    def end(self) -> float:
        self._stop.set()
        self._thread.join()
        return self.longest


def follows(daemon: Daemon) -> bool:
    return health(daemon, "") == "SERVING" and health(daemon, "licd.v1.NodeService") == "NOT_SERVING"


def test_r32_one_leads_and_the_other_tells_the_truth(several: Several) -> None:
    leader = several.leader()
    (follower,) = several.followers()
    assert health(follower, "") == "SERVING"
    for service in SERVICES:
        assert health(follower, f"licd.v1.{service}") == "NOT_SERVING"
        assert health(leader, f"licd.v1.{service}") == "SERVING"
    assert health(follower, "registered") == "NOT_SERVING"
    with grpc.insecure_channel(follower.address) as channel:
        watchers = [Watcher(channel, service) for service in ("", "licd.v1.NodeService")]
        eventually(lambda: [watcher.seen for watcher in watchers] == [["SERVING"], ["NOT_SERVING"]])


def test_r32_a_follower_points_to_the_leader(several: Several) -> None:
    leader = several.leader()
    (follower,) = several.followers()
    for stubs in (follower.stubs("viewer"), follower.stubs(None)):
        refusal = eventually(partial(pointing, stubs))
        assert refusal is not None
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_LEADER")
        assert refusal.leader == leader.address
        assert refusal.metadata["leader"] == leader.address


def test_R36_a_follower_goes_on_after_a_method_whose_name_is_no_text(several: Several) -> None:
    several.leader()
    (follower,) = several.followers()
    with closing(RawHttp2(follower.address)) as client:
        stream = client.open("/x\udce3")
        assert client.wait(stream) == 0
        assert b"This daemon follows" in client.headers[stream]
    assert health(follower, "") == "SERVING"


def test_R36_a_follower_takes_no_half_message_and_holds_no_crowd_that_does_not_read(several: Several) -> None:
    several.leader()
    (follower,) = several.followers()
    assert health(follower, "") == "SERVING"
    before = follower.resident_kib()
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(RawHttp2(follower.address, window=0))) for _ in range(6)]
        for client in clients:
            for path in ("/licd.v1.NodeService/Join", "/grpc.health.v1.Health/Check") * 20:
                client.send(client.open(path), message(bytes(79_000), 80_000), patience_s=0.02)
            for _ in range(60):
                client.open("/licd.v1.NodeService/KeepAlive")
        assert health(follower, "") == "SERVING"
        assert follower.resident_kib() - before < 24 * 1024


def test_r32_a_followers_probes_and_console(several: Several) -> None:
    leader = several.leader()
    (follower,) = several.followers()
    assert eventually(partial(pointing, follower.stubs(None)))
    assert fetched(f"{follower.ops}/livez")[0] == fetched(f"{leader.ops}/livez")[0] == 200
    assert (fetched(f"{follower.ops}/readyz")[0], fetched(f"{leader.ops}/readyz")[0]) == (503, 200)
    assert leader.address in fetched(f"{follower.ops}/readyz")[1]
    assert "licd_leader 0.0" in fetched(f"{follower.ops}/metrics")[1]
    assert "licd_leader 1.0" in fetched(f"{leader.ops}/metrics")[1]
    with closing(http.client.HTTPConnection(follower.console.removeprefix("http://"))) as connection:
        connection.request("GET", "/nodes")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["location"]) == (307, f"{leader.console}/nodes")


def fetched(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def pointing(stubs: Stubs) -> errors.Refusal | None:
    """The refusal, once it names a leader: a follower that has just started has not looked yet."""
    with pytest.raises(grpc.RpcError) as caught:
        stubs.cluster.ListNodes(cluster_service_pb2.ListNodesRequest(), timeout=5)
    refusal = errors.read(caught.value)
    return refusal if refusal.leader else None


def test_r32_a_follower_tells_a_stream_to_reconnect_at_the_leader(several: Several) -> None:
    leader = several.leader()
    (follower,) = several.followers()
    assert eventually(partial(pointing, follower.stubs(None)))
    node = RawNode(follower.stubs("node"))
    node.session_id = "0" * 32
    stream = node.open()
    assert stream.until("reconnect").address == leader.address


def test_r18_kill_9_of_the_leader_keeps_seats_and_epochs_rise(several: Several) -> None:
    nodes = several.registered(3)
    epoch = several.admin().registration().leader.epoch
    spells = [Watched(node) for node in nodes]
    several.leader().kill()
    admin = several.admin()
    eventually(lambda: admin.state == "REGISTERED")
    registration = admin.registration()
    assert (registration.nodes_licensed, registration.nodes_waiting) == (3, 0)
    assert registration.leader.epoch > epoch
    # The lease (15 s) outlasts the failover (3 s and what follows): no node noticed.
    assert [spell.end() < 0.5 for spell in spells] == [True] * 3


def test_r9_the_count_of_wrong_codes_goes_on_and_the_challenge_ends(several: Several) -> None:
    admin = several.admin()
    admin.upload(several.vendor.lic())
    several.node()
    eventually(admin.nodes)
    for _ in range(5):
        challenge = admin.challenge()
        with pytest.raises(grpc.RpcError):
            admin.submit(challenge, admin.wrong_code(challenge))
    several.leader().kill()
    admin = several.admin()
    with pytest.raises(grpc.RpcError) as caught:
        admin.submit(challenge, several.vendor.code(challenge.url))
    assert errors.read(caught.value).reason in ("CHALLENGE_EXPIRED", "NO_SUCH_CHALLENGE")
    eventually(admin.nodes, 15)
    challenge = admin.challenge()
    with pytest.raises(grpc.RpcError) as caught:
        admin.submit(challenge, admin.wrong_code(challenge))
    assert errors.read(caught.value).reason == "LOCKED_OUT"


def test_r32_sigterm_hands_over_without_a_node_noticing(several: Several) -> None:
    (node,) = several.registered(1)
    spell = Watched(node)
    assert several.await_follower().stop() == 0
    admin = several.admin()
    eventually(lambda: admin.registration().nodes_licensed == 1)
    assert spell.end() < 0.5


def test_r32_a_transfer_moves_the_lead_and_back(several: Several) -> None:
    (node,) = several.registered(1)
    spell = Watched(node)
    for _ in range(2):
        leader = several.await_follower()
        (follower,) = several.followers()
        assert transfer(leader).result().leader == follower.address
        assert several.leader() is follower
        # The one before follows: it stands ready again.
        eventually(partial(follows, leader))
    admin = several.admin()
    eventually(lambda: admin.registration().nodes_licensed == 1)
    assert spell.end() < 0.5


def test_r32_licd_finds_the_leader_and_moves_the_lead(several: Several) -> None:
    leader = several.await_follower()
    (follower,) = several.followers()
    assert eventually(partial(pointing, follower.stubs(None)))
    command = [sys.executable, "-m", "licd_daemon", "leader", "transfer", "--insecure", "--address", follower.address]
    token = leader.data_dir / "tokens" / "admin.token"
    done = subprocess.run([*command, "--token-file", str(token)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert follower.address in done.stderr + done.stdout
    assert several.leader() is follower


def test_r32_ports_of_a_daemons_own_choice_are_none_that_the_kernel_gives_away(several: Several) -> None:
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    for daemon in several.daemons:
        for url in (daemon.console, daemon.ops):
            assert not first <= int(url.rpartition(":")[2]) <= last


@pytest.mark.parametrize("journal", ["etcd", "sqlite"])
def test_check_warns_of_a_data_directory_that_dies_only_if_the_journal_is_in_it(
    etcd: EtcdCluster, make_daemon: Callable[..., Daemon], vendor: TestVendor, journal: str
) -> None:
    options = ("--journal", etcd.url(secrets.token_hex(4))) if journal == "etcd" else ()
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as folder,
        running(make_daemon("--insecure", *options, name=f"{folder}/data")) as daemon,
    ):
        eventually(partial(leads, daemon))
        Admin(daemon.stubs("admin"), vendor).upload(vendor.lic())
        command = [sys.executable, "-m", "licd_daemon", "check", "--data-dir", str(daemon.data_dir), "--insecure"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ("may not outlive" in done.stderr) == (journal == "sqlite"), done.stderr


def test_r32_without_a_follower_nothing_is_given_up(several: Several) -> None:
    (follower,) = several.followers()
    follower.stop()
    leader = several.leader()
    with pytest.raises(grpc.RpcError) as caught:
        transfer(leader).result()
    assert errors.read(caught.value).reason == "NO_FOLLOWER"
    assert health(leader, "licd.v1.NodeService") == "SERVING"


def test_r14_a_resumed_session_lives_on_at_the_next_leader(several: Several) -> None:
    admin = several.admin()
    admin.upload(several.vendor.lic())
    node = RawNode(several.leader().stubs("node")).joined()
    eventually(admin.nodes)
    admin.register()
    assert node.stream is not None
    node.stream.until_state("LICENSED")
    node.stream.beat()
    several.leader().kill()
    answer = node.resume(several.leader().stubs("node"))
    assert answer.state == node_service_pb2.NODE_STATE_LICENSED


def test_r34_a_follower_serves_tls_as_the_leader_does(
    etcd: EtcdCluster, make_daemon: Callable[..., Daemon], tmp_path: Path
) -> None:
    given = tmp_path / "given"
    certificates.ensure_certificates(given, ["127.0.0.1"], datetime.now(UTC))
    url = etcd.url(secrets.token_hex(4), lease_ttl="3s")
    tls = ("--tls-cert", str(given / "server.crt"), "--tls-key", str(given / "server.key"))
    credentials = grpc.ssl_channel_credentials((given / "ca.crt").read_bytes())
    with ExitStack() as running_daemons:
        for number in range(2):
            daemon = make_daemon("--journal", url, *tls, name=f"tls-{number}")
            running_daemons.enter_context(running(daemon))
            with grpc.secure_channel(daemon.address, credentials) as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                request = health_pb2.HealthCheckRequest(service="licd.v1.NodeService")
                wanted = "NOT_SERVING" if number else "SERVING"
                eventually(partial(says, stub, request, wanted))
            assert daemon.console.startswith("https://")
            page = Console(daemon.ops).get("/metrics").content.decode()
            assert "licd_certificate_expires_timestamp_seconds" in page
            assert f"licd_leader {1 - number}.0" in page
        with grpc.secure_channel(daemon.address, credentials) as channel:
            assert eventually(partial(pointing, Stubs(channel, "")))
        command = [sys.executable, "-m", "licd_daemon", "status", "--address", daemon.address]
        files = ("--ca", str(given / "ca.crt"), "--token-file", str(tmp_path / "tls-0/tokens/admin.token"))
        done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
        assert (done.returncode, "UNLICENSED" in done.stdout) == (0, True), done.stderr


def says(stub: Any, request: health_pb2.HealthCheckRequest, wanted: str) -> bool:
    """Whether it says so; the ports change hands when a daemon is elected."""
    try:
        answer = stub.Check(request, timeout=5, wait_for_ready=True)
    except grpc.RpcError:
        return False
    return bool(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status) == wanted)
