"""R35: what a token opened ends with it: streams, seats, logins. Real daemons, and what their callers see."""

import hashlib
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon
from support.raw_node import APPLICATION, RawNode
from support.refusal import read_refusal, refused
from support.vendor import TestVendor
from support.waiting import eventually

import node_client
from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import node_service_pb2 as node_pb
from licd.v1 import registration_service_pb2 as registration
from licd.v1 import token_service_pb2 as pb
from node_client import Node, NodeState

UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
LEASE_S = 6.0
SHORT = ("--lease-ttl", f"{LEASE_S}s", "--heartbeat-interval", "2s")
short_leases = pytest.mark.parametrize("daemon", [SHORT], indirect=True, ids=["short_leases"])


def made(admin: Admin, role: str, name: str = "", **end: Any) -> pb.CreateTokenResponse:
    request = pb.CreateTokenRequest(role=f"ROLE_{role.upper()}", name=name, **end)
    return admin.stubs.tokens.CreateToken(request)


def revoke(admin: Admin, token: pb.CreateTokenResponse) -> None:
    admin.stubs.tokens.RevokeToken(pb.RevokeTokenRequest(token_id=token.token.token_id))


def listed(admin: Admin) -> dict[str, pb.Token]:
    """The tokens in force, by name."""
    tokens = admin.stubs.tokens.ListTokens(pb.ListTokensRequest()).tokens
    return {token.name: token for token in tokens}


def ended(node: RawNode) -> str:
    """Why the node's stream ended."""
    return node_pb.EndReason.Name(node.stream.until("ended").reason).removeprefix("END_REASON_")


class Watch:
    """A stream of answers, read until it ends."""

    def __init__(self, call: Any) -> None:
        self.answers: list[Any] = []
        self.error: Any = None
        self._call = call
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        eventually(lambda: self.answers)

    def _read(self) -> None:
        try:
            for answer in self._call:
                self.answers.append(answer)
        except grpc.RpcError as error:
            self.error = error

    @property
    def open(self) -> bool:
        return self._thread.is_alive()

    def refusal(self) -> tuple[grpc.StatusCode | None, str]:
        """How it was ended."""
        eventually(lambda: not self.open)
        found = read_refusal(self.error)
        return found.code, found.reason


WATCHES: dict[str, Callable[[Any], Any]] = {
    "events": lambda stubs: stubs.cluster.WatchEvents(cluster.WatchEventsRequest(after_position=0)),
    "registration": lambda stubs: stubs.registration.WatchRegistration(registration.WatchRegistrationRequest()),
}


@contextmanager
def seats(daemon: Daemon, admin: Admin, vendor: TestVendor, token: str) -> Iterator[tuple[RawNode, RawNode, RawNode]]:
    """Two seats, held by a node of `token` and one of the daemon's own; a third node waits. All send heartbeats."""
    admin.upload(vendor.lic(max_nodes=2))
    own = RawNode(daemon.stubs(token=token), "own").joined()
    other = RawNode(daemon.stubs("node"), "other").joined()
    with own.stream.beating(), other.stream.beating():
        admin.register()
        own.stream.until_state("LICENSED")
        other.stream.until_state("LICENSED")
        waiting = RawNode(daemon.stubs("node"), "waiting").joined()
        with waiting.stream.beating():
            waiting.stream.until_state("WAITING")
            yield own, other, waiting


@pytest.mark.parametrize("watch", sorted(WATCHES))
def test_R35_a_revoked_tokens_stream_ends_and_no_other(daemon: Daemon, admin: Admin, watch: str) -> None:
    stays = Watch(WATCHES[watch](daemon.stubs("viewer")))
    thief = made(admin, "viewer", "thief")
    ends = Watch(WATCHES[watch](daemon.stubs(token=thief.secret)))
    revoke(admin, thief)
    assert ends.refusal() == (UNAUTHENTICATED, "NO_CREDENTIALS")
    seen = len(ends.answers)
    made(admin, "viewer", "after-the-revocation")
    assert stays.open
    assert len(ends.answers) == seen


@short_leases
def test_R35_a_revoked_nodes_seat_drains_and_the_next_gets_it(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    thief = made(admin, "node", "thief")
    with seats(daemon, admin, vendor, thief.secret) as (own, _, waiting):
        own.stream.beat()
        believed_until = time.monotonic() + LEASE_S
        revoke(admin, thief)
        assert ended(own) == "REVOKED"
        assert admin.nodes() == {"other": "LICENSED", "waiting": "WAITING"}
        waiting.stream.until_state("LICENSED", 3 * LEASE_S)
        assert time.monotonic() > believed_until - 0.5 * LEASE_S  # never while its last holder may believe in it
        with refused(UNAUTHENTICATED, "NO_CREDENTIALS"):
            own.resume()
        with refused(grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED") as refusal:
            own.resume(daemon.stubs("node"))
        assert refusal.metadata["ended"] == "REVOKED"


def test_R35_a_token_ends_by_itself_with_all_that_it_opened(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    admin.upload(vendor.lic(max_nodes=2))
    RawNode(daemon.stubs("node"), "other").joined()
    short = made(admin, "node", "short", expires_in={"seconds": 4})
    looks = made(admin, "viewer", "looks", expires_in={"seconds": 4})
    assert listed(admin)["short"].ends_at.seconds - listed(admin)["short"].created_at.seconds in (4, 5)
    own = RawNode(daemon.stubs(token=short.secret), "own").joined()
    watch = Watch(WATCHES["events"](daemon.stubs(token=looks.secret)))
    assert ended(own) == "REVOKED"
    assert watch.refusal() == (UNAUTHENTICATED, "NO_CREDENTIALS")
    assert {"short", "looks"}.isdisjoint(listed(admin))
    with refused(UNAUTHENTICATED, "NO_CREDENTIALS"):
        own.join()


def test_R35_a_rotated_tokens_streams_and_sessions_go_on(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    admin.upload(vendor.lic(max_nodes=2))
    first = made(admin, "node", "rotated")
    own = RawNode(daemon.stubs(token=first.secret), "own").joined()
    rotated = admin.stubs.tokens.RotateToken(
        pb.RotateTokenRequest(token_id=first.token.token_id, overlap={"seconds": 3600})
    )
    assert listed(admin)["rotated"].former_ends_at.seconds > first.token.created_at.seconds
    for secret in (rotated.secret, first.secret):
        own.resume(daemon.stubs(token=secret))
        own.open().beat()
    last = admin.stubs.tokens.RotateToken(pb.RotateTokenRequest(token_id=first.token.token_id, overlap={}))
    own.stream.beat()
    for secret in (first.secret, rotated.secret):
        with refused(UNAUTHENTICATED, "NO_CREDENTIALS"):
            own.resume(daemon.stubs(token=secret))
    own.resume(daemon.stubs(token=last.secret))


def test_R35_the_last_use_of_a_token_is_shown(daemon: Daemon, admin: Admin) -> None:
    looks = made(admin, "viewer", "looks")
    assert not listed(admin)["looks"].HasField("last_used_at")
    watch = Watch(WATCHES["registration"](daemon.stubs(token=looks.secret)))
    used = listed(admin)["looks"].last_used_at.ToNanoseconds()
    assert eventually(lambda: listed(admin)["looks"].last_used_at.ToNanoseconds() > used)
    assert watch.open


def test_R35_a_join_token_does_nothing_but_enroll(daemon: Daemon, admin: Admin) -> None:
    join = made(admin, "join", "rack", uses=2, expires_in={"seconds": 3600})
    stubs = daemon.stubs(token=join.secret)
    denied = grpc.StatusCode.PERMISSION_DENIED
    with refused(denied, "WRONG_ROLE") as refusal:
        RawNode(stubs).join()
    assert refusal.metadata["role"] == "join"
    with refused(denied, "WRONG_ROLE"):
        stubs.cluster.ListNodes(cluster.ListNodesRequest())
    browser = Console(daemon.console, daemon.ca)
    assert browser.log_in(join.secret).status == 403
    own = "licd_" + "x" * 43
    request = pb.EnrollRequest(node_name="report-1", token_hash=hashlib.sha256(own.encode()).digest())
    enrolled = [stubs.tokens.Enroll(request).token for _ in range(2)]
    assert enrolled[0].token_id == enrolled[1].token_id
    assert (listed(admin)["rack"].uses_left, listed(admin)["report-1"].enrolled_by) == (1, join.token.token_id)
    node = RawNode(daemon.stubs(token=own), "report-1").joined()
    revoke(admin, join)
    node.stream.beat()
    with refused(denied, "WRONG_ROLE"):
        daemon.stubs("node").tokens.Enroll(request)


@pytest.fixture
def connect(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Node]]:
    """Connects nodes to the daemon, and closes them."""
    monkeypatch.delenv("LICD_NODE_SOCKET", raising=False)
    nodes: list[Node] = []

    def joined(name: str, **options: Any) -> Node:
        application = node_client.Application(**APPLICATION)
        ca = daemon.data_dir / "tls" / "ca.crt"
        node = node_client.connect(daemon.address, application=application, node_name=name, ca=ca, **options)
        nodes.append(node)
        return node

    yield joined
    for node in nodes:
        node.close()


def pending(node: Node) -> bool:
    return node.state is NodeState.PENDING


def test_R35_nodes_enroll_with_a_join_token_and_one_is_revoked_alone(
    daemon: Daemon, admin: Admin, connect: Callable[..., Node]
) -> None:
    join = made(admin, "join", "rack", uses=2)
    one, two = (connect(name, token=join.secret) for name in ("report-1", "report-2"))
    eventually(lambda: pending(one) and pending(two), 30)
    tokens = listed(admin)
    assert "rack" not in tokens  # used up
    admin.stubs.tokens.RevokeToken(pb.RevokeTokenRequest(token_id=tokens["report-1"].token_id))
    eventually(lambda: "NO_CREDENTIALS" in [failure.reason for failure in one.failures], 30)
    assert admin.nodes() == {"report-2": "PENDING"}
    assert pending(two)


def test_R35_a_node_keeps_its_own_token_over_restarts_and_no_revoked_one_comes_back(
    daemon: Daemon, admin: Admin, connect: Callable[..., Node], tmp_path: Path
) -> None:
    join, own = made(admin, "join", "rack", uses=9), tmp_path / "own.token"
    first = connect("report-1", token=join.secret, credential_file=own)
    eventually(lambda: pending(first), 30)
    assert stat.S_IMODE(own.stat().st_mode) == 0o600
    first.close()
    again = connect("report-1", token=join.secret, credential_file=str(own))
    eventually(lambda: pending(again), 30)
    assert listed(admin)["rack"].uses_left == 8
    token_id = listed(admin)["report-1"].token_id
    admin.stubs.tokens.RevokeToken(pb.RevokeTokenRequest(token_id=token_id))
    eventually(lambda: "NO_CREDENTIALS" in [failure.reason for failure in again.failures], 30)
    assert "report-1" not in listed(admin)


def test_R35_an_enrolment_whose_answer_was_lost_is_the_same_one(
    daemon: Daemon, admin: Admin, connect: Callable[..., Node], tmp_path: Path
) -> None:
    """The file is written before the daemon is told: what is left is a file whose token is enrolled, or is not."""
    join, own = made(admin, "join", "rack"), tmp_path / "own.token"
    own.write_text("licd_" + "y" * 43)
    not_enrolled = connect("report-1", token=join.secret, credential_file=own)
    eventually(lambda: pending(not_enrolled), 30)
    not_enrolled.close()
    assert listed(admin)["report-1"].enrolled_by == join.token.token_id
    enrolled = connect("report-1", token=join.secret, credential_file=own)
    eventually(lambda: pending(enrolled), 30)


def test_R35_a_login_at_the_console_and_its_live_page_end_with_the_token(daemon: Daemon, admin: Admin) -> None:
    token = made(admin, "viewer", "person")
    browser = Console(daemon.console, daemon.ca)
    assert browser.log_in(token.secret).status == 200
    connection = browser.connect()
    connection.request("GET", "/api/live?topic=events", headers={"cookie": browser.cookie})
    live = connection.getresponse()
    assert live.status == 200
    revoke(admin, token)
    while live.readline():  # ends, or the connection's time is up
        continue
    connection.close()
    assert browser.get("/api/registration").status == 401


def test_R35_restarts_keep_ends_revocations_and_whose_the_sessions_are(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    admin.upload(vendor.lic(max_nodes=2))
    kept = made(admin, "node", "kept", expires_in={"seconds": 3600})
    gone = made(admin, "viewer", "gone")
    revoke(admin, gone)
    own = RawNode(daemon.stubs(token=kept.secret), "own").joined()
    daemon.kill()
    daemon.start()
    again = Admin(daemon.stubs("admin"), vendor)
    assert listed(again)["kept"].ends_at == kept.token.ends_at
    assert "gone" not in listed(again)
    own.resume(daemon.stubs(token=kept.secret))
    own.open().until("state")
    revoke(again, kept)
    assert ended(own) == "REVOKED"


@pytest.mark.parametrize(
    "end",
    [{"expires_in": {"seconds": 0}}, {"expires_in": {"seconds": 2**62}}, {"ends_at": {"seconds": 1}},
     {"ends_at": {"seconds": 2**62}}, {"expires_in": {"seconds": -5}}],
    ids=str,
)  # fmt: skip
def test_R35_an_end_that_is_none_is_refused(admin: Admin, end: dict[str, Any]) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"):
        made(admin, "node", "never", **end)
