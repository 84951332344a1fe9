"""The client against real etcd servers: what is certain, what is not, and how it finds its way (`etcd/store.py`)."""

import asyncio
import contextlib
import json
import signal
import urllib.request
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc import aio
from support.etcd import EtcdCluster, EtcdMember, etcd_cluster
from support.ports import free_port
from support.proxy import Network
from support.waiting import eventually

from licd.etcd.v1 import etcd_pb2
from licd_daemon.cli.serve import certificates
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.store import Created, Delete, OutcomeUnknown, Put, Renewed, StoreUnavailable
from licd_daemon.journal.etcd.url import parse

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdCluster]:
    with etcd_cluster(tmp_path_factory.mktemp("three"), 3) as cluster:
        yield cluster


@pytest_asyncio.fixture
async def client(three: EtcdCluster) -> AsyncIterator[EtcdClient]:
    made = EtcdClient(parse(three.url("client", lease_ttl="5s")))
    yield made
    await made.close()


async def test_a_commit_is_all_or_nothing(client: EtcdClient) -> None:
    absent = Created(b"client/a", 0)
    first = await client.commit([absent], [Put(b"client/a", b"1"), Put(b"client/b", b"2")])
    assert first.done
    assert not (await client.commit([absent], [Put(b"client/c", b"3")])).done
    page = await client.scan(b"client/", b"client0", limit=10)
    assert [(item.key, item.value, item.created) for item in page.items] == [
        (b"client/a", b"1", first.revision),
        (b"client/b", b"2", first.revision),
    ]
    assert (await client.scan(b"client/", b"client0", limit=1)).more
    await client.commit([], [Delete(b"client/", b"client0")])
    assert await client.get(b"client/a") is None
    old = await client.scan(b"client/", b"client0", limit=10, revision=first.revision, keys_only=True)
    assert [(item.key, item.value) for item in old.items] == [(b"client/a", b""), (b"client/b", b"")]


async def test_a_lease_is_granted_renewed_and_over(client: EtcdClient) -> None:
    lease, ttl = await client.grant(2)
    assert ttl >= 2
    assert (await client.commit([], [Put(b"client/leased", b"", lease)])).done
    renewed = await client.renew(lease, b"client/leased")
    assert renewed.ttl_s == ttl
    assert renewed.item is not None
    assert renewed.item.lease == lease
    await client.revoke(lease)
    assert await client.get(b"client/leased") is None
    assert await client.renew(lease, b"client/leased") == Renewed(0, None)
    await client.revoke(lease)


async def test_what_etcd_refuses_is_certain(client: EtcdClient) -> None:
    with pytest.raises(StoreUnavailable, match="refuses") as caught:
        await client.commit([], [Put(b"client/x", b"", lease=12345)])
    assert not isinstance(caught.value, OutcomeUnknown)


async def everything_works(client: EtcdClient) -> bool:
    """Whether all calls were answered; one that was not must say so."""
    with contextlib.suppress(StoreUnavailable):
        assert (await client.commit([], [Put(b"client/x", b"")])).done
        assert await client.get(b"client/x") is not None
        lease, _ = await client.grant(5)
        assert (await client.renew(lease, b"client/x")).ttl_s >= 5
        return True
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_one_server_less_is_not_noticed_or_told(
    three: EtcdCluster, client: EtcdClient, number: signal.Signals
) -> None:
    await client.get(b"client/x")
    for member in three.members:
        member.signal(number)
        try:
            async with asyncio.timeout(60):
                # What was sent to a stopped server, or on to it, may not be done, and that is told; what follows is.
                while not await everything_works(client):
                    continue
        finally:
            if number is signal.SIGKILL:
                member.kill()
                three.start(member)
            else:
                member.signal(signal.SIGCONT)
                eventually(member.healthy, 20)


async def test_without_a_majority_nothing_is_read_or_written(three: EtcdCluster, client: EtcdClient) -> None:
    await client.commit([], [Put(b"client/x", b"before")])
    for member in three.members[1:]:
        member.kill()
    try:
        with pytest.raises(StoreUnavailable):
            await client.get(b"client/x")
        with pytest.raises(StoreUnavailable):
            await client.commit([], [Put(b"client/x", b"after")])
    finally:
        three.start(*three.members[1:])


async def test_a_write_whose_answer_is_lost_is_not_sent_again(three: EtcdCluster, network: Network) -> None:
    way = network.proxy(three.members[0].endpoint)
    client = EtcdClient(parse(f"etcd://{way.address},{three.members[1].endpoint}/client?lease-ttl=5s"))
    await client.get(b"client/once")
    while client._first:  # on a busy machine the first one can be passed over
        client._first = 0
        await client.get(b"client/once")
    way.cut(up=False)
    with pytest.raises(OutcomeUnknown):
        await client.commit([Created(b"client/once", 0)], [Put(b"client/once", b"")])
    assert await client.get(b"client/once") is not None
    await client.close()


async def test_nobody_there_is_certain() -> None:
    client = EtcdClient(parse(f"etcd://127.0.0.1:{free_port()}?lease-ttl=2s"))
    with pytest.raises(StoreUnavailable, match="see that a majority") as caught:
        await client.commit([], [Put(b"x", b"")])
    assert not isinstance(caught.value, OutcomeUnknown)
    await client.close()


async def test_a_renewal_by_a_leader_of_etcd_that_was_deposed_unawares_is_not_sure(three: EtcdCluster) -> None:
    class Deposed(EtcdClient):
        async def _keep_alive(self, channel: aio.Channel, lease: int) -> etcd_pb2.LeaseKeepAliveResponse:
            answer = await super()._keep_alive(channel, lease)
            answer.header.raft_term -= 1
            return answer

    client = Deposed(parse(three.url("client", lease_ttl="5s")))
    with pytest.raises(StoreUnavailable, match="elected another leader"):
        await client.renew((await client.grant(5))[0], b"client/x")
    await client.close()


async def test_a_connection_whose_other_end_is_gone_without_a_word_is_made_anew(
    etcd: EtcdCluster, network: Network
) -> None:
    way = network.proxy(etcd.members[0].endpoint)
    client = EtcdClient(parse(f"etcd://{way.address}/gone?lease-ttl=2s"))
    await client.get(b"gone/x")
    way.hold()
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(StoreUnavailable):
                await client.get(b"gone/x")
                break
    await client.close()


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[tuple[EtcdMember, Path]]:
    """One server that wants TLS, a client certificate, and a user with a password."""
    tls = tmp_path / "tls"
    certificates.ensure_certificates(tls, ["127.0.0.1"], datetime.now(UTC))
    _issue(tls)
    crt, key, ca = tls / "both.crt", tls / "both.key", tls / "ca.crt"
    plain = free_port()
    options = (
        "--cert-file", str(crt), "--key-file", str(key), "--trusted-ca-file", str(ca), "--client-cert-auth",
        "--listen-metrics-urls", f"http://127.0.0.1:{plain}",
    )  # fmt: skip
    member = EtcdMember("secured", tmp_path / "etcd", *options, scheme="https")
    try:
        member.start(f"secured=http://127.0.0.1:{member.peer}")
        eventually(lambda: _healthy(plain), 20)
        yield member, tls
    finally:
        member.kill()


def _issue(tls: Path) -> None:
    """A certificate for both ends: etcd's JSON gateway presents the server's as a client's. No common name: a user."""
    ca = x509.load_pem_x509_certificate((tls / "ca.crt").read_bytes())
    ca_key = serialization.load_pem_private_key((tls / "ca.key").read_bytes(), None)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(ca.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=True)
        .sign(ca_key, hashes.SHA256())  # type: ignore[arg-type]
    )
    (tls / "both.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tls / "both.key").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(json.load(answer)["health"] == "true")
    except OSError:
        return False


async def test_tls_client_certificate_user_and_password(secured: tuple[EtcdMember, Path], tmp_path: Path) -> None:
    member, tls = secured
    password = tmp_path / "password"
    password.write_text("correct horse\n")
    base = f"etcd://{member.endpoint}/licd?ca={tls / 'ca.crt'}"
    certificate = f"{base}&cert={tls / 'both.crt'}&key={tls / 'both.key'}"
    _require_users(member, tls, "correct horse")
    with_user = f"{certificate}&user=root&password-file={password}"
    for url, works in ((with_user, True), (certificate, False), (base, False)):
        client = EtcdClient(parse(url))
        if works:
            assert (await client.commit([], [Put(b"licd/x", b"1")])).done
            client._token = "simple.1"  # as after etcd has forgotten it
            assert (await client.renew((await client.grant(5))[0], b"licd/x")).ttl_s == 5
            assert await client.get(b"licd/x") is not None
        else:
            with pytest.raises(StoreUnavailable) as caught:
                await client.get(b"licd/x")
            assert "correct horse" not in str(caught.value)
        await client.close()


def _require_users(member: EtcdMember, tls: Path, password: str) -> None:
    """What `etcdctl user add root`, `user grant-role root root` and `auth enable` do, by etcd's JSON gateway."""
    import ssl

    context = ssl.create_default_context(cafile=str(tls / "ca.crt"))
    context.load_cert_chain(tls / "both.crt", tls / "both.key")
    for path, body in (
        ("user/add", {"name": "root", "password": password}),
        ("role/add", {"name": "root"}),
        ("user/grant", {"user": "root", "role": "root"}),
        ("enable", {}),
    ):
        request = urllib.request.Request(
            f"https://{member.endpoint}/v3/auth/{path}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:
            answer.read()


async def test_rotated_certificates_are_taken_without_a_restart(secured: tuple[EtcdMember, Path]) -> None:
    member, tls = secured
    client = EtcdClient(parse(f"etcd://{member.endpoint}/licd?ca={tls}/ca.crt&cert={tls}/both.crt&key={tls}/both.key"))
    assert (await client.commit([], [Put(b"licd/x", b"1")])).done
    for old in tls.iterdir():
        old.unlink()
    certificates.ensure_certificates(tls, ["127.0.0.1"], datetime.now(UTC))
    _issue(tls)
    member.kill()
    member.start(f"{member.name}=http://127.0.0.1:{member.peer}")
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(StoreUnavailable):
                assert await client.get(b"licd/x") is not None
                break
    await client.close()
