"""R34, R35: what a port serves, how it follows its files, and whom it takes a client for. Real servers and channels."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from licd_daemon.cli.serve.certificates import ensure_certificates
from licd_daemon.cli.serve.tls import TlsFiles, TlsInvalid, Watch, read_configuration, server_credentials
from licd_daemon.core.model import Role
from licd_daemon.rpc.peer import peer_role
from licd_kit.pem import read_certificate

pytestmark = pytest.mark.asyncio
Serve = Callable[[TlsFiles], Awaitable[int]]


class WhoAmI(grpc.GenericRpcHandler):
    """Answers every call with the role that the client's certificate carries."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        return grpc.unary_unary_rpc_method_handler(self._answer)

    async def _answer(self, request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        auth: Mapping[str, list[bytes]] = context.auth_context()  # type: ignore[assignment]
        return str(peer_role(auth)).encode()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    ensure_certificates(tmp_path / "tls", (), datetime.now(UTC))
    return tmp_path / "tls"


def files_of(folder: Path, *, client_ca: bool = False) -> TlsFiles:
    return TlsFiles(folder / "server.crt", folder / "server.key", folder / "ca.crt" if client_ca else None)


@pytest_asyncio.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[grpc.aio.Server] = []

    async def start(files: TlsFiles) -> int:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((WhoAmI(),))
        port = server.add_secure_port("127.0.0.1:0", server_credentials(Watch(files, read_configuration)))
        await server.start()
        servers.append(server)
        return port

    yield start
    for server in servers:
        await server.stop(0)


def client_pair(folder: Path, *names: x509.GeneralName) -> tuple[bytes, bytes]:
    """Key and certificate of a client, signed by the CA in `folder`."""
    ca_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    assert isinstance(ca_key, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")]))
        .issuer_name(read_certificate(folder / "ca.crt").subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem, certificate.public_bytes(serialization.Encoding.PEM)


async def ask(port: int, ca: bytes, pair: tuple[bytes | None, bytes | None] = (None, None)) -> str:
    credentials = grpc.ssl_channel_credentials(ca, *pair)
    # A connection of its own: channels in one process share them otherwise.
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, options) as channel:
        call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/who/am_i")
        return (await call(b"", timeout=5)).decode()


async def test_a_client_that_trusts_the_ca_connects(own: Path, serve: Serve) -> None:
    port = await serve(files_of(own))
    assert await ask(port, (own / "ca.crt").read_bytes()) == "None"


async def test_new_files_are_served_to_new_connections(own: Path, tmp_path: Path, serve: Serve) -> None:
    port = await serve(files_of(own))
    ensure_certificates(tmp_path / "new", (), datetime.now(UTC))
    for name in ("server.crt", "server.key"):
        (tmp_path / "new" / name).replace(own / name)
    assert await ask(port, (tmp_path / "new" / "ca.crt").read_bytes()) == "None"
    with pytest.raises(grpc.aio.AioRpcError):
        await ask(port, (own / "ca.crt").read_bytes())


async def test_a_swapped_symlink_is_noticed_whatever_its_time(own: Path, tmp_path: Path, serve: Serve) -> None:
    ensure_certificates(tmp_path / "new", (), datetime.now(UTC))
    for name in ("server.crt", "server.key"):
        os.utime(own / name, (1, 1))
        os.utime(tmp_path / "new" / name, (1, 1))
    link = tmp_path / "secret"
    link.symlink_to(own)
    port = await serve(files_of(link))
    (tmp_path / "next").symlink_to(tmp_path / "new")
    (tmp_path / "next").replace(link)
    assert await ask(port, (tmp_path / "new" / "ca.crt").read_bytes()) == "None"


@pytest.mark.parametrize("name", ["server.crt", "server.key"])
@pytest.mark.parametrize("content", [b"garbage", b"", None], ids=["garbage", "empty", "removed"])
async def test_files_that_can_not_be_used_leave_the_old_ones_in_force(
    own: Path, serve: Serve, name: str, content: bytes | None
) -> None:
    port = await serve(files_of(own))
    sound = (own / name).read_bytes()
    if content is None:
        (own / name).unlink()
    else:
        (own / name).write_bytes(content)
    assert await ask(port, (own / "ca.crt").read_bytes()) == "None"
    (own / name).write_bytes(sound)
    assert await ask(port, (own / "ca.crt").read_bytes()) == "None"


URI = x509.UniformResourceIdentifier


@pytest.mark.parametrize(
    ("names", "role"),
    [
        ([URI("licd:role/admin")], Role.ADMIN),
        ([URI("licd:role/viewer"), x509.DNSName("client.example")], Role.VIEWER),
        ([URI("spiffe://example/x"), URI("licd:role/node")], Role.NODE),
        ([URI("licd:role/root")], None),
        ([URI("licd:role/")], None),
        ([URI("LICD:ROLE/admin")], None),
        ([URI("licd:role/node"), URI("licd:role/admin")], None),
        ([x509.DNSName("licd:role/admin")], None),
        ([x509.DNSName("client.example")], None),
    ],
)
async def test_r35_the_role_of_a_client_certificate(
    own: Path, serve: Serve, names: list[x509.GeneralName], role: Role | None
) -> None:
    port = await serve(files_of(own, client_ca=True))
    assert await ask(port, (own / "ca.crt").read_bytes(), client_pair(own, *names)) == str(role)


async def test_with_a_client_ca_others_certificates_and_none_are_refused(
    own: Path, tmp_path: Path, serve: Serve
) -> None:
    port = await serve(files_of(own, client_ca=True))
    ensure_certificates(tmp_path / "other", (), datetime.now(UTC))
    for pair in ((None, None), client_pair(tmp_path / "other", URI("licd:role/admin"))):
        with pytest.raises(grpc.aio.AioRpcError):
            await ask(port, (own / "ca.crt").read_bytes(), pair)


async def test_without_a_client_ca_a_certificate_gives_no_role(own: Path, serve: Serve) -> None:
    port = await serve(files_of(own))
    assert await ask(port, (own / "ca.crt").read_bytes(), client_pair(own, URI("licd:role/admin"))) == "None"


async def test_a_pair_that_does_not_fit_is_told(own: Path) -> None:
    with pytest.raises(TlsInvalid, match=r"ca.key is not the key of .*server.crt: give the two that belong together"):
        read_configuration(TlsFiles(own / "server.crt", own / "ca.key"))


@pytest.mark.parametrize("wrong", ["certificate", "key", "client_ca"])
async def test_a_file_that_is_missing_or_garbage_is_named(own: Path, tmp_path: Path, wrong: str) -> None:
    good: dict[str, Any] = {"certificate": own / "server.crt", "key": own / "server.key", "client_ca": own / "ca.crt"}
    with pytest.raises(TlsInvalid, match=r"absent.pem: No such file"):
        read_configuration(TlsFiles(**(good | {wrong: tmp_path / "absent.pem"})))
    (tmp_path / "garbage.pem").write_bytes(b"licd_very_secret")
    with pytest.raises(TlsInvalid, match=r"garbage.pem holds no") as refusal:
        read_configuration(TlsFiles(**(good | {wrong: tmp_path / "garbage.pem"})))
    assert "very_secret" not in str(refusal.value)


_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_KEYS: dict[str, Callable[[], _Key]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(65_537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}


def _self_signed(folder: Path, kind: str) -> TlsFiles:
    """A certificate of localhost with a key of that kind."""
    key, name = _KEYS[kind](), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, None if kind == "Ed25519" else hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / "given.crt").write_bytes(certificate.public_bytes(pem))
    (folder / "given.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return TlsFiles(folder / "given.crt", folder / "given.key")


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA"])
async def test_R34_a_client_can_use_every_kind_of_key_that_is_taken(serve: Serve, tmp_path: Path, kind: str) -> None:
    files = _self_signed(tmp_path, kind)
    port = await serve(files)
    assert await ask(port, files.certificate.read_bytes()) == "None"


@pytest.mark.parametrize("kind", ["P-521", "Ed25519"])
async def test_R34_a_key_that_no_client_can_use_is_refused_with_the_file_and_the_remedy(
    tmp_path: Path, kind: str
) -> None:
    files = _self_signed(tmp_path, kind)
    with pytest.raises(TlsInvalid, match=f"{files.certificate} has a key that clients can't use: give a certificate"):
        read_configuration(files)
