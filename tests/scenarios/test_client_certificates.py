"""R34, R35: a port that demands client certificates, alongside the one for tokens."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.admin import Admin
from support.certificates import DAY, Authority, put
from support.daemon import Daemon, Stubs, running
from support.licd_node import starting
from support.proxy import Network
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

import node_client
from licd.v1 import cluster_service_pb2, node_service_pb2, token_service_pb2
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


@pytest.mark.parametrize(
    ("roles", "told"),
    [
        ((), "names no role"),
        (("licd:role/root",), "names a role that there is not"),
        (("licd:role/node", "licd:role/admin"), "names several roles"),
    ],
)
def test_R35_a_certificate_without_one_role_needs_a_token(daemon: Daemon, roles: tuple[str, ...], told: str) -> None:
    ask = pb.GetRegistrationRequest()
    with refused(grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS") as refusal:
        daemon.mtls_stubs(CA.client(*roles)).registration.GetRegistration(ask)
    assert told in refusal.message
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


APPLICATION = node_client.Application("report-server", "10.0.19", "2024-05-01", "sales")


def session_of(stubs: Stubs) -> str:
    """The session of the only node."""
    nodes = stubs.cluster.ListNodes(cluster_service_pb2.ListNodesRequest(page_size=10)).nodes
    return nodes[0].session_id if len(nodes) == 1 else ""


def test_R34_a_node_keeps_session_and_seat_while_certificates_and_authority_are_replaced(
    daemon: Daemon, vendor: TestVendor, client_ca: Path, network: Network, tmp_path: Path
) -> None:
    administrator = daemon.stubs("admin")
    admin, proxy = Admin(administrator, vendor), network.proxy(daemon.mtls)
    admin.upload(vendor.lic())
    (tmp_path / "ca.crt").write_bytes(daemon.ca)
    cert, key = put(tmp_path / "client", CA.client("licd:role/node", name="report-1"))
    node = node_client.connect(
        proxy.address, application=APPLICATION, node_name="report-1", ca=tmp_path / "ca.crt", cert=cert, key=key
    )
    with node:
        session_id = eventually(lambda: session_of(administrator), 20)
        admin.register()
        assert node.wait_licensed(20)
        successor = Authority("the CA after it")
        client_ca.write_bytes(CA.pem + successor.pem)
        put(tmp_path / "client", successor.client("licd:role/node", name="report-1"))
        proxy.reset()
        client_ca.write_bytes(successor.pem)
        proxy.reset()
        assert node.wait_licensed(20)
        assert session_of(administrator) == session_id
        assert admin.state == "REGISTERED"


def test_R35_a_node_token_is_replaced_and_revoked_and_its_node_keeps_its_seat(
    daemon: Daemon, vendor: TestVendor, tmp_path: Path
) -> None:
    stubs, token_file = daemon.stubs("admin"), tmp_path / "node.token"
    admin = Admin(stubs, vendor)
    admin.upload(vendor.lic())
    token_file.write_text(f"{daemon.token('node')}\n")
    (tmp_path / "ca.crt").write_bytes(daemon.ca)
    with node_client.connect(
        daemon.address, application=APPLICATION, ca=tmp_path / "ca.crt", token_file=token_file
    ) as node:
        session_id = eventually(lambda: session_of(stubs), 20)
        admin.register()
        assert node.wait_licensed(20)
        created = stubs.tokens.CreateToken(token_service_pb2.CreateTokenRequest(role="ROLE_NODE", name="next"))
        (tmp_path / "fresh").write_text(f"{created.secret}\n")
        (tmp_path / "fresh").replace(token_file)
        newest = cluster_service_pb2.ListEventsRequest(page_size=20, newest_first=True)
        eventually(lambda: [each for each in stubs.cluster.ListEvents(newest).events if each.actor.name == "next"], 30)
        for each in tokens(stubs):
            if each.role == token_service_pb2.Role.ROLE_NODE and each.name != "next":
                stubs.tokens.RevokeToken(token_service_pb2.RevokeTokenRequest(token_id=each.token_id))
        assert session_of(stubs) == session_id
        assert admin.state == "REGISTERED"
        assert node.wait_licensed(20)


def tokens(stubs: Stubs) -> Sequence[token_service_pb2.Token]:
    return stubs.tokens.ListTokens(token_service_pb2.ListTokensRequest()).tokens


def test_R34_licd_and_licd_node_show_certificates_made_as_the_guide_says(
    daemon: Daemon, vendor: TestVendor, client_ca: Path, tmp_path: Path
) -> None:
    Admin(daemon.stubs("admin"), vendor).upload(vendor.lic())
    (tmp_path / "ca.crt").write_bytes(daemon.ca)
    for role, more in (("admin", ()), ("node", ("--name", "report-1"))):
        script = Path(__file__).parents[2] / "examples/client_certificates.py"
        subprocess.run([sys.executable, script, tmp_path, role, *more], check=True, timeout=60)
    (tmp_path / "clients-ca.crt").replace(client_ca)
    files = {"LICD_ADDRESS": daemon.mtls, "LICD_CA": str(tmp_path / "ca.crt")}
    pair = ("--cert", str(tmp_path / "admin.crt"), "--key", str(tmp_path / "admin.key"))
    status = (sys.executable, "-m", "licd_daemon", "status", *pair)
    done = subprocess.run(status, env={**os.environ, **files}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    with starting(daemon.mtls, tmp_path) as run:
        own = {"LICD_INSECURE": "", "LICD_TOKEN_FILE": "", "LICD_CERT": str(tmp_path / "report-1.crt"), **files}
        run("run", "--key", str(tmp_path / "report-1.key"), "--", "true", **own)
        eventually(lambda: session_of(daemon.stubs("viewer")), 30)
