"""R35: who did it, as the events of a real daemon say it: a token, a certificate, a person at the console."""

import hashlib
import json
import re
import ssl
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import grpc
from support.admin import Admin
from support.certificates import Authority
from support.console import Console
from support.daemon import Daemon, Stubs, running
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import clock_service_pb2 as clock_pb
from licd.v1 import cluster_service_pb2 as pb
from licd.v1 import token_service_pb2 as tokens
from licd_daemon.operations.refused_credentials import SAY_EVERY_S

MakeDaemon = Callable[..., Daemon]
NOBODY = "nobody"


def events(stubs: Stubs) -> list[pb.Event]:
    return list(stubs.cluster.ListEvents(pb.ListEventsRequest(page_size=1000)).events)


def who(event: pb.Event) -> str:
    """Such as `admin.token ADMIN TOKEN 127.0.0.1`."""
    if not event.HasField("actor"):
        return NOBODY
    by = event.actor
    assert by.id
    kind = pb.ActorKind.Name(by.kind).removeprefix("ACTOR_KIND_")
    return f"{by.name} {tokens.Role.Name(by.role).removeprefix('ROLE_')} {kind} {by.address}"


def causes(told: list[pb.Event]) -> dict[str, set[str]]:
    """Who has caused events of each kind."""
    found = defaultdict(set)
    for event in told:
        found[event.kind].add(who(event))
    return dict(found)


def live(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    """Each thing that somebody can do is done once: at the console by the token `anna`, otherwise by local tokens."""
    made = admin.stubs.tokens.CreateToken(tokens.CreateTokenRequest(role=tokens.ROLE_ADMIN, name="anna"))
    guest = admin.stubs.tokens.CreateToken(tokens.CreateTokenRequest(role=tokens.ROLE_VIEWER, name="guest"))
    admin.stubs.tokens.RevokeToken(tokens.RevokeTokenRequest(token_id=guest.token.token_id))
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "LICENSE_REFUSED"):
        admin.upload(b"nonsense")
    admin.upload(vendor.lic(max_nodes=1))
    held, waits = (RawNode(daemon.stubs("node"), name).joined() for name in ("report-1", "report-2"))
    console = Console(daemon.console, daemon.ca)
    assert console.log_in(made.secret).status == 200
    admin.stubs.cluster.EvictNode(pb.EvictNodeRequest(session_id=waits.session_id))
    challenge = admin.challenge()
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_CODE"):
        admin.submit(challenge, admin.wrong_code(challenge))
    code = {"challenge_id": challenge.challenge_id, "code": vendor.code(challenge.url)}
    assert console.post("/api/code", code).json["registration"]["nodes_licensed"] == 1
    last = RawNode(daemon.stubs("node"), "report-3").joined()
    held.leave()
    eventually(lambda: admin.nodes() == {"report-3": "LICENSED"})
    assert console.post("/api/evict", {"session_id": last.session_id}).json == {}
    RawNode(daemon.stubs("node"), "report-4").joined()
    admin.stubs.clock.ConfirmClock(clock_pb.ConfirmClockRequest())
    admin.register()
    assert not console.post("/api/reset").refused
    assert not console.post("/api/release").refused


ADMIN, NODE = "admin.token ADMIN TOKEN 127.0.0.1", "node.token NODE TOKEN 127.0.0.1"
ANNA = "anna ADMIN CONSOLE 127.0.0.1"
CAUSED = {
    "license_installed": {ADMIN},
    "project_key_drawn": {ADMIN},
    "upload_refused": {ADMIN},
    "challenge_created": {ADMIN},
    "code_attempted": {ADMIN, ANNA},
    "code_rejected": {ADMIN},
    "code_matched": {ADMIN, ANNA},
    "registered": {ADMIN, ANNA},
    "registration_reset": {NOBODY, ANNA},  # the first follows from the eviction of the last node
    "license_released": {ANNA},
    "session_joined": {NODE},
    "session_ended": {NODE, ADMIN, ANNA},
    "token_created": {NOBODY, ADMIN},
    "token_revoked": {ADMIN},
}


def test_R35_events_name_who_caused_them_before_and_after_a_restart(
    make_daemon: MakeDaemon, vendor: TestVendor
) -> None:
    daemon = make_daemon()
    with running(daemon):
        live(daemon, Admin(daemon.stubs("admin"), vendor), vendor)
        viewed = events(daemon.stubs("viewer"))
        found = causes(viewed)
        assert {kind: found.get(kind) for kind in CAUSED} == CAUSED
        assert {kind for kind in found.keys() - CAUSED.keys() if found[kind] != {NOBODY}} == set()
        assert all("actor" not in event.attributes for event in viewed)
        daemon.stop()
        daemon.start()
        assert events(daemon.stubs("viewer"))[: len(viewed)] == viewed


def test_R35_first_tokens_come_from_files_and_from_nobody(daemon: Daemon, admin: Admin) -> None:
    assert causes(events(admin.stubs))["token_created"] == {NOBODY}


def test_R35_a_watcher_is_told_who(daemon: Daemon, admin: Admin) -> None:
    watch = daemon.stubs("viewer").cluster.WatchEvents(
        pb.WatchEventsRequest(kinds=["session_joined"], after_position=0)
    )
    RawNode(daemon.stubs("node")).join()
    assert who(next(watch).event) == NODE


def test_R35_who_resumes_is_named_and_who_brings_a_copy_to_light(daemon: Daemon) -> None:
    node = RawNode(daemon.stubs("node")).joined()
    daemon.stop()
    daemon.start()
    node.resume(daemon.stubs("node"))
    node.open().beat()
    copy = node.copied()
    copy.resume()
    copy.open().beat()
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "STALE_RESUME") as refusal:
        node.resume()
    with refused(grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED"):
        node.resume(stale_nonce=refusal.metadata["nonce"])
    found = causes(events(daemon.stubs("viewer")))
    assert (found["session_returned"], found["session_ended"]) == ({NODE}, {NODE})


def test_R35_a_certificate_is_named_by_its_subject_and_fingerprint(make_daemon: MakeDaemon, tmp_path: Path) -> None:
    authority = Authority("clients' CA")
    (tmp_path / "clients.crt").write_bytes(authority.pem)
    pair = authority.client("licd:role/node", name="node-7")
    with running(make_daemon("--client-ca", str(tmp_path / "clients.crt"))) as daemon:
        RawNode(daemon.mtls_stubs(pair)).join()
        (joined,) = [event for event in events(daemon.stubs("viewer")) if event.kind == "session_joined"]
    assert who(joined) == "CN=node-7 NODE CERTIFICATE 127.0.0.1"
    assert joined.actor.id == hashlib.sha256(ssl.PEM_cert_to_DER_cert(pair[0].decode())).hexdigest()


def refusals(daemon: Daemon) -> dict[str, float]:
    """The counter of refused credentials, by reason."""
    page = Console(daemon.ops).get("/metrics").content.decode()
    found = re.findall(r'^licd_credentials_refused_total{reason="(\w+)"} (\S+)$', page, re.MULTILINE)
    return {reason: float(count) for reason, count in found}


def test_R35_a_thousand_guesses_are_three_events_and_few_lines_of_the_log(daemon: Daemon, admin: Admin) -> None:
    strangers, began = daemon.stubs(None), time.monotonic()
    for number in range(1_000):
        with refused(grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS"):
            guess = [("authorization", f"Bearer licd_hunter2-{number}")]
            strangers.cluster.GetLeader(pb.GetLeaderRequest(), metadata=guess)
    with refused(grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS"):
        strangers.cluster.GetLeader(pb.GetLeaderRequest())
    with refused(grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE"):
        daemon.stubs("node").cluster.GetLeader(pb.GetLeaderRequest())
    took = time.monotonic() - began
    assert refusals(daemon) == {"missing": 1, "unknown": 1_000, "wrong_role": 1}

    def recorded() -> list[pb.Event]:
        return [event for event in events(admin.stubs) if event.kind == "credentials_refused"]

    eventually(lambda: len(recorded()) == 3)
    found = recorded()
    assert [(e.attributes["count"], e.attributes["addresses"]) for e in found] == [
        (count, '["127.0.0.1"]') for count in ("10", "100", "1000")
    ]
    lines = [entry for entry in daemon.log if entry["event"] == "credentials_refused"]
    assert 1 <= len(lines) <= 2 + took / SAY_EVERY_S
    assert lines[0]["addresses"] == ["127.0.0.1"]
    assert "hunter2" not in json.dumps(daemon.log) + str(found)


def test_R35_guesses_at_the_consoles_login_count_as_well(daemon: Daemon) -> None:
    console = Console(daemon.console, daemon.ca)
    for token in ("licd_wrong", daemon.token("node")):
        assert console.log_in(token).status in (401, 403)
    assert console.post("/api/login", {"link": "guessed"}).status == 401
    assert console.get("/api/nodes").status == 401  # a browser whose session is over guesses nothing
    assert console.log_in(daemon.token("viewer")).status == 200
    assert console.post("/api/reset").status == 403
    assert refusals(daemon) == {"missing": 0, "unknown": 2, "wrong_role": 2}
