"""Every door: credentials (R35), bad input and floods (R36), health, reflection, a second daemon (R31)."""

import json
import resource
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.admin import Admin
from support.daemon import Daemon, Stubs
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import clock_service_pb2 as clock_pb
from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import node_service_pb2 as node_pb
from licd.v1 import registration_service_pb2 as pb
from licd.v1 import token_service_pb2 as token_pb
from licd_daemon.rpc.contract import ACCESS

INVALID = grpc.StatusCode.INVALID_ARGUMENT
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
FAILED = grpc.StatusCode.FAILED_PRECONDITION

CALLS = {
    "join": lambda stubs: RawNode(stubs).join(),
    "get": lambda stubs: stubs.registration.GetRegistration(pb.GetRegistrationRequest()),
    "watch": lambda stubs: next(stubs.registration.WatchRegistration(pb.WatchRegistrationRequest())),
    "check": lambda stubs: stubs.registration.CheckRegistration(pb.CheckRegistrationRequest()),
    "reset": lambda stubs: stubs.registration.ResetRegistration(pb.ResetRegistrationRequest()),
    "challenge": lambda stubs: stubs.registration.CreateChallenge(pb.CreateChallengeRequest()),
    "nodes": lambda stubs: stubs.cluster.ListNodes(cluster.ListNodesRequest()),
    "evict": lambda stubs: stubs.cluster.EvictNode(cluster.EvictNodeRequest(session_id="x")),
    "events": lambda stubs: stubs.cluster.ListEvents(cluster.ListEventsRequest()),
    "confirm": lambda stubs: stubs.clock.ConfirmClock(clock_pb.ConfirmClockRequest()),
    "dry": lambda stubs: stubs.clock.ConfirmClock(clock_pb.ConfirmClockRequest(dry_run=True)),
    "tokens": lambda stubs: stubs.tokens.ListTokens(token_pb.ListTokensRequest()),
}
VIEWER = {"get", "watch", "check", "nodes", "events"}
ALLOWED = {"node": {"join"}, "viewer": VIEWER, "admin": set(CALLS) - {"join"}}


def outcome(call, stubs: Stubs) -> grpc.StatusCode:
    try:
        call(stubs)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("role", ["node", "viewer", "admin"])
def test_R35_each_role_may_do_its_own_calls_and_no_other(daemon: Daemon, role: str):
    stubs = daemon.stubs(role)
    denied = {name for name, call in CALLS.items() if outcome(call, stubs) is DENIED}
    assert denied == set(CALLS) - ALLOWED[role]


FIRST = {"WatchEvents": cluster.WatchEventsRequest(after_position=0)}  # at once an answer, however quiet the journal


def code_of(stubs: Stubs, path: str) -> grpc.StatusCode:
    """What the method at `path` answers to a first message that says nothing."""
    first = FIRST.get(path.rpartition("/")[2])
    content = first.SerializeToString() if first else b""
    call: Any = stubs.channel.stream_stream(path)
    try:
        next(call(iter([content])))
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


@pytest.mark.parametrize("role", ["node", "viewer", "admin"])
def test_R35_every_method_takes_the_roles_that_the_contract_gives_it_and_no_other(daemon: Daemon, role: str):
    stubs = daemon.stubs(role)
    codes = {path: code_of(stubs, path) for path in ACCESS}
    assert {path for path, code in codes.items() if code is not DENIED} == {
        path for path, access in ACCESS.items() if role in access.roles
    }
    assert grpc.StatusCode.UNIMPLEMENTED not in codes.values()


@pytest.mark.parametrize("name", sorted(CALLS))
def test_R35_unknown_or_missing_credentials_are_unauthenticated(daemon: Daemon, name: str):
    for stubs in (daemon.stubs(None), daemon.stubs(token="licd_wrong")):
        with refused(UNAUTHENTICATED, "NO_CREDENTIALS"):
            CALLS[name](stubs)


def test_R35_a_token_is_made_shown_once_and_revoked(daemon: Daemon, admin: Admin):
    request = token_pb.CreateTokenRequest(role=token_pb.ROLE_VIEWER, name="grafana")
    made = admin.stubs.tokens.CreateToken(request)
    assert outcome(CALLS["nodes"], daemon.stubs(token=made.secret)) is grpc.StatusCode.OK
    listed = admin.stubs.tokens.ListTokens(token_pb.ListTokensRequest())
    assert "grafana" in [token.name for token in listed.tokens]
    assert made.secret not in str(listed)
    admin.stubs.tokens.RevokeToken(token_pb.RevokeTokenRequest(token_id=made.token.token_id))
    with refused(UNAUTHENTICATED, "NO_CREDENTIALS"):
        CALLS["nodes"](daemon.stubs(token=made.secret))


def test_R35_a_revoked_token_stays_revoked_while_its_file_is_there(daemon: Daemon, admin: Admin, vendor):
    secret = daemon.token("viewer")
    listed = admin.stubs.tokens.ListTokens(token_pb.ListTokensRequest()).tokens
    (viewer,) = [token for token in listed if token.role == token_pb.ROLE_VIEWER]
    admin.stubs.tokens.RevokeToken(token_pb.RevokeTokenRequest(token_id=viewer.token_id))
    daemon.stop()
    daemon.start()
    with refused(UNAUTHENTICATED, "NO_CREDENTIALS"):
        CALLS["nodes"](daemon.stubs(token=secret))


def test_the_last_admin_token_can_not_be_revoked(admin: Admin):
    listed = admin.stubs.tokens.ListTokens(token_pb.ListTokensRequest()).tokens
    (only,) = [token for token in listed if token.role == token_pb.ROLE_ADMIN]
    with refused(FAILED, "LAST_ADMIN_TOKEN"):
        admin.stubs.tokens.RevokeToken(token_pb.RevokeTokenRequest(token_id=only.token_id))


def test_secrets_are_kept_by_files_that_only_the_daemon_reads(daemon: Daemon, admin: Admin, vendor: TestVendor):
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    admin.register()
    for path in daemon.data_dir.rglob("*"):
        if path.is_file() and path.suffix != ".crt":
            assert path.stat().st_mode & 0o077 == 0, path
    shown = str(admin.stubs.cluster.ListEvents(cluster.ListEventsRequest(page_size=1000)))
    key = vendor.open(admin.challenge().url).project_key.hex()
    assert key not in shown
    told = json.dumps(daemon.log)
    for role in ("admin", "viewer", "node"):
        assert daemon.token(role) not in told + shown


def forged(vendor: TestVendor) -> dict[str, bytes]:
    """Files that a forger would try."""
    good = vendor.lic()
    header, payload, signature = good.split(b".")
    claims = jwt.decode(good, options={"verify_signature": False})
    public = vendor.signing.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    head = {"typ": "container-lic+jwt", "kid": "key-1"}
    return {
        "empty": b"",
        "garbage": bytes(range(256)),
        "truncated": good[:-10],
        "trailing": good + b".",
        "a letter in a new line": good + b"\nA",
        "oversized": good + b"A" * 70_000,
        "somebody else's": TestVendor().lic(),
        "alg none": jwt.encode(claims, "", algorithm="none", headers=head).encode(),
        "alg HS256 with the public key": jwt.encode(claims, public, algorithm="HS256", headers=head).encode(),
        "unknown kid": jwt.encode(claims, vendor.signing, algorithm="EdDSA", headers={**head, "kid": "k2"}).encode(),
        "unknown claim": jwt.encode({**claims, "x": 1}, vendor.signing, algorithm="EdDSA", headers=head).encode(),
        "other payload": b".".join([header, payload[:-2] + b"AA", signature]),
    }


def test_a_forged_or_broken_lic_is_refused_and_changes_nothing(admin: Admin, vendor: TestVendor):
    admin.upload(vendor.lic())
    before = admin.registration().license
    for name, content in forged(vendor).items():
        with refused(FAILED, "LICENSE_REFUSED") as refusal:
            admin.upload(content)
        assert refusal.reasons == ["CERTIFICATE_CONTENT_INCORRECT"], name
    assert admin.registration().license == before


def test_a_license_of_another_type_says_so(admin: Admin, vendor: TestVendor):
    good = jwt.decode(vendor.lic(), options={"verify_signature": False})
    head = {"typ": "container-lic+jwt", "kid": "key-1"}
    for change in ({"ver": 2}, {"auth_method": "DONGLE"}):
        content = jwt.encode({**good, **change}, vendor.signing, algorithm="EdDSA", headers=head).encode()
        with refused(FAILED, "LICENSE_REFUSED") as refusal:
            admin.upload(content)
        assert refusal.reasons == ["CERTIFICATE_TYPE_MISMATCH"]


STEERING = ["a\u202eb", "a\u2066b", "a\u200eb", "a\u061cb", "a\u200bb", "a\x1b[31mb", "a\u2028b", "a\nb"]
READ = ["报表一号", "Übersicht 2", "گزارش\u200cها", "under_score", "a" * 253]


def test_R36_a_name_that_would_steer_what_is_written_around_it_is_refused(daemon: Daemon, admin: Admin):
    for name in STEERING:
        with refused(INVALID, "INVALID_FIELD") as refusal:
            RawNode(daemon.stubs("node"), name).join()
        assert refusal.metadata["field"] == "node_name"
        assert refusal.metadata["remedy"]
        with refused(INVALID, "INVALID_FIELD") as refusal:
            admin.stubs.tokens.CreateToken(token_pb.CreateTokenRequest(role=token_pb.ROLE_NODE, name=name))
        assert refusal.metadata["field"] == "name"
    for name in READ:
        RawNode(daemon.stubs("node"), name).joined()
    assert set(admin.nodes()) == set(READ)


JOIN_FAULTS: dict[str, dict[str, Any]] = {
    "node_name": {"node_name": "n" * 254},
    "instance_id": {"instance_id": ""},
    "resume_secret": {"resume_secret": b"short"},
    "application.name": {"application": node_pb.Application(version="1", build_date="2024-01-01")},
    "application.version": {"application": node_pb.Application(name="a", version="1\x1b[2J", build_date="2024-01-01")},
    "application.build_date": {"application": node_pb.Application(name="a", version="1", build_date="2024-02-30")},
    "application.content": {
        "application": node_pb.Application(name="a", version="1", build_date="2024-01-01", content="c" * 1025)
    },
}


@pytest.mark.parametrize("field", sorted(JOIN_FAULTS))
def test_R36_a_field_that_is_too_long_or_malformed_is_named_with_its_remedy(daemon: Daemon, admin: Admin, field: str):
    with refused(INVALID, "INVALID_FIELD") as refusal:
        RawNode(daemon.stubs("node")).join(**JOIN_FAULTS[field])
    assert refusal.metadata["field"] == field
    assert refusal.metadata["remedy"]
    assert admin.nodes() == {}


def test_R36_a_message_over_the_bound_is_refused_and_the_daemon_stays_up(daemon: Daemon, admin: Admin):
    with pytest.raises(grpc.RpcError) as caught:
        admin.upload(b"A" * 1_000_000)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert admin.state == "UNLICENSED"


def test_R36_too_many_costly_calls_are_refused_with_a_time_to_wait(daemon: Daemon, admin: Admin, vendor):
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED") as refusal:
        for _ in range(500):
            with pytest.raises(grpc.RpcError) as caught:
                admin.upload(b"garbage")
            if caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise caught.value
    assert any(url.endswith("google.rpc.RetryInfo") for url in refusal.type_urls)
    assert admin.state == "UNLICENSED"


def test_R36_unknown_protobuf_fields_are_passed_over(daemon: Daemon):
    request = pb.GetRegistrationRequest.FromString(b"\xfa\x01\x03abc")
    assert daemon.stubs("viewer").registration.GetRegistration(request).registration.state


def test_R36_ten_thousand_connections_and_the_daemon_stays_up(daemon: Daemon, admin: Admin):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(10_000, hard - 500)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, port = daemon.address.split(":")
    sockets: list[socket.socket] = []
    try:
        sockets.extend(socket.create_connection((host, int(port)), timeout=10) for _ in range(count))
        assert admin.state == "UNLICENSED"
    finally:
        for opened in sockets:
            opened.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert admin.state == "UNLICENSED"


def health(daemon: Daemon, service: str) -> str:
    stub = health_pb2_grpc.HealthStub(daemon.stubs(None).channel)
    status = stub.Check(health_pb2.HealthCheckRequest(service=service)).status
    return health_pb2.HealthCheckResponse.ServingStatus.Name(status)


def test_health_answers_without_credentials_and_follows_the_truth(daemon: Daemon, admin: Admin, vendor: TestVendor):
    for service in ("", "licd.v1.NodeService", "licd.v1.RegistrationService", "licd.v1.ClusterService"):
        assert health(daemon, service) == "SERVING"
    assert health(daemon, "registered") == "NOT_SERVING"
    for service in ("unknown", "licd.v1.TokenService"):
        with pytest.raises(grpc.RpcError) as caught:
            health(daemon, service)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node")).joined()
    admin.register()
    eventually(lambda: health(daemon, "registered") == "SERVING")
    node.leave()
    eventually(lambda: health(daemon, "registered") == "NOT_SERVING")


def test_R31_health_and_joins_tell_when_the_lock_file_was_taken_over(make_daemon):
    daemon = make_daemon("--lease-ttl", "1s", "--heartbeat-interval", "200ms")
    try:
        daemon.start()
        (daemon.data_dir / "lock").unlink()
        eventually(lambda: health(daemon, "licd.v1.NodeService") == "NOT_SERVING")
        with refused(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER"):
            RawNode(daemon.stubs("node")).join()
        with refused(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER"):
            CALLS["get"](daemon.stubs("admin"))
    finally:
        daemon.kill()


def second_start(daemon: Daemon, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "licd_daemon", "serve", "--data-dir", str(daemon.data_dir), *daemon.options]
    return subprocess.run([*command, *options], capture_output=True, text=True, timeout=20, check=False)


def test_R31_a_second_daemon_on_the_same_journal_or_port_fails_with_a_clear_word(
    daemon: Daemon, admin: Admin, tmp_path: Path
):
    same_journal = second_start(daemon)
    assert same_journal.returncode == 1
    assert "another daemon already uses" in same_journal.stderr
    same_port = second_start(daemon, "--data-dir", str(tmp_path / "other"), "--listen", daemon.address)
    assert same_port.returncode == 1
    assert "address is in use" in same_port.stderr
    assert admin.state == "UNLICENSED", "the first one serves on"


def test_R34_tls_from_the_first_start_and_no_plaintext(daemon: Daemon):
    with pytest.raises(grpc.RpcError):
        Stubs(grpc.insecure_channel(daemon.address), daemon.token("admin")).registration.GetRegistration(
            pb.GetRegistrationRequest(), timeout=5
        )
    host, port = daemon.address.split(":")
    context = ssl.create_default_context(cadata=daemon.ca.decode())
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        assert tls.version() == "TLSv1.3"


@pytest.mark.parametrize("daemon", [("--lease-ttl", "60s")], indirect=True)
def test_too_many_reasons_for_metadata_are_cut_and_the_check_tells_them_all(daemon: Daemon, admin: Admin, vendor):
    admin.upload(vendor.lic(max_nodes=200))
    nodes = daemon.stubs("node")
    for number in range(100):
        RawNode(nodes, f"wrong-{number}", version="1.0").join()
    with refused(FAILED, "REGISTRATION_REFUSED") as refusal:
        admin.register()
    assert 0 < len(refusal.failures) < 100
    assert int(refusal.metadata["failures_omitted"]) == 100 - len(refusal.failures)
    checked = admin.stubs.registration.CheckRegistration(pb.CheckRegistrationRequest())
    assert len(checked.failures) == 100


def test_events_are_listed_by_kind_and_page_and_watched(daemon: Daemon, admin: Admin, vendor: TestVendor):
    watch = admin.stubs.cluster.WatchEvents(cluster.WatchEventsRequest(kinds=["session_joined"]))
    admin.stubs.cluster.ListEvents(cluster.ListEventsRequest())
    nodes = daemon.stubs("node")
    for number in range(3):
        RawNode(nodes, f"report-{number}").join()
    listed = cluster.ListEventsRequest(kinds=["session_joined"], page_size=2)
    first = admin.stubs.cluster.ListEvents(listed)
    assert [event.node_name for event in first.events] == ["report-0", "report-1"]
    listed.page_token = first.next_page_token
    second = admin.stubs.cluster.ListEvents(listed)
    assert [event.node_name for event in second.events] == ["report-2"]
    assert second.next_page_token == ""
    newest = admin.stubs.cluster.ListEvents(cluster.ListEventsRequest(newest_first=True, page_size=1))
    assert newest.events[0].node_name == "report-2"
    assert next(watch).event.kind == "session_joined"
    with refused(INVALID, "INVALID_FIELD") as refusal:
        admin.stubs.cluster.ListEvents(cluster.ListEventsRequest(page_token="; drop table"))
    assert refusal.metadata["field"] == "page_token"


def test_nodes_are_paged_in_the_order_of_joining(daemon: Daemon, admin: Admin):
    nodes = daemon.stubs("node")
    for number in range(5):
        RawNode(nodes, f"report-{number}").join()
    names, token = [], ""
    while True:
        page = admin.stubs.cluster.ListNodes(cluster.ListNodesRequest(page_size=2, page_token=token))
        names += [node.name for node in page.nodes]
        token = page.next_page_token
        if not token:
            break
    assert names == [f"report-{number}" for number in range(5)]


def test_a_watch_tells_now_and_then_each_change(daemon: Daemon, admin: Admin, vendor: TestVendor):
    watch = daemon.stubs("viewer").registration.WatchRegistration(pb.WatchRegistrationRequest())
    assert next(watch).registration.state == pb.REGISTRATION_STATE_UNLICENSED
    admin.upload(vendor.lic())
    assert next(watch).registration.state == pb.REGISTRATION_STATE_UNREGISTERED


def test_a_license_with_a_portal_key_that_is_no_key_is_refused(admin: Admin, vendor: TestVendor):
    claims = jwt.decode(vendor.lic(), options={"verify_signature": False})
    claims["portal"]["public_key"] = "A" * 43
    head = {"typ": "container-lic+jwt", "kid": "key-1"}
    with refused(FAILED, "LICENSE_REFUSED") as refusal:
        admin.upload(jwt.encode(claims, vendor.signing, algorithm="EdDSA", headers=head).encode())
    assert refusal.reasons == ["CERTIFICATE_CONTENT_INCORRECT"]
