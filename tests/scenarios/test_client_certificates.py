"""R34, R35: a port that demands client certificates, alongside the one for tokens."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.admin import Admin
from support.certificates import DAY, Authority
from support.daemon import Daemon, running
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import node_service_pb2, token_service_pb2
from licd.v1 import registration_service_pb2 as pb

CA = Authority("clients' CA")
MakeDaemon = Callable[..., Daemon]
Pair = tuple[bytes, bytes]


@pytest.fixture
def client_ca(tmp_path: Path) -> Path:
    path = tmp_path / "clients.crt"
    path.write_bytes(CA.pem)
    return path


@pytest.fixture
def daemon(make_daemon: MakeDaemon, client_ca: Path) -> Iterator[Daemon]:
    with running(make_daemon("--client-ca", str(client_ca))) as started:
        yield started


def healthy(daemon: Daemon, pair: Pair | None = None, address: str = "") -> bool:
    """Whether a new connection, with that certificate or none, is answered its health."""
    credentials = grpc.ssl_channel_credentials(daemon.ca, *(pair[::-1] if pair else ()))
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.secure_channel(address or daemon.mtls, credentials, options) as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def test_R35_certificates_give_roles_on_one_port_and_tokens_on_the_other(daemon: Daemon, vendor: TestVendor) -> None:
    admin, viewer, node = (daemon.mtls_stubs(CA.client(f"licd:role/{role}")) for role in ("admin", "viewer", "node"))
    Admin(admin, vendor).upload(vendor.lic())
    assert viewer.registration.GetRegistration(pb.GetRegistrationRequest()).registration.license.license_id
    with refused(grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE"):
        viewer.tokens.ListTokens(token_service_pb2.ListTokensRequest())
    with refused(grpc.StatusCode.NOT_FOUND, "NO_SUCH_SESSION"):
        node.nodes.Leave(node_service_pb2.LeaveRequest(session_id="none", resume_secret=bytes(32)))
    with refused(grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE"):
        node.registration.GetRegistration(pb.GetRegistrationRequest())
    assert daemon.stubs("viewer").registration.GetRegistration(pb.GetRegistrationRequest())
    assert healthy(daemon, address=daemon.address)


def test_R34_only_certificates_of_the_client_ca_that_are_valid_now_get_through(daemon: Daemon) -> None:
    assert healthy(daemon, CA.client())
    for pair in (
        None,
        Authority("another").client("licd:role/admin"),
        CA.client("licd:role/admin", begin=-2 * DAY, end=-DAY),
        CA.client("licd:role/admin", begin=DAY, end=2 * DAY),
    ):
        assert not healthy(daemon, pair)


@pytest.mark.parametrize("roles", [(), ("licd:role/root",), ("licd:role/node", "licd:role/admin")])
def test_R35_a_certificate_without_one_role_needs_a_token(daemon: Daemon, roles: tuple[str, ...]) -> None:
    ask = pb.GetRegistrationRequest()
    with refused(grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS"):
        daemon.mtls_stubs(CA.client(*roles)).registration.GetRegistration(ask)
    with_token = daemon.mtls_stubs(CA.client(*roles), token=daemon.token("viewer"))
    assert with_token.registration.GetRegistration(ask)


def test_R34_a_client_ca_is_replaced_with_an_overlap_and_without_a_restart(daemon: Daemon, client_ca: Path) -> None:
    successor = Authority("the CA after it")
    old, new = CA.client("licd:role/viewer"), successor.client("licd:role/viewer")
    connected = daemon.mtls_stubs(old)
    connected.registration.GetRegistration(pb.GetRegistrationRequest())
    assert not healthy(daemon, new)
    client_ca.write_bytes(CA.pem + successor.pem)
    assert healthy(daemon, old)
    assert healthy(daemon, new)
    client_ca.write_bytes(b"half a fi")  # what is there before stays in force, and it is reported
    assert healthy(daemon, new)
    eventually(lambda: [entry for entry in daemon.log if entry["event"] == "certificate_not_reloaded"])
    client_ca.write_bytes(successor.pem)
    assert daemon.process is not None
    os.kill(daemon.process.pid, signal.SIGHUP)
    assert healthy(daemon, new)
    assert not healthy(daemon, old)
    connected.registration.GetRegistration(pb.GetRegistrationRequest())  # a connection is judged when it is made
