"""R32, R34: clients with a certificate are sent to the leader's port for certificates, not to the one for tokens."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex

import grpc
import pytest
from support.certificates import Authority, put
from support.daemon import Daemon, Stubs, running
from support.etcd import EtcdCluster
from support.ports import free_port
from support.raw_node import RawNode
from support.refusal import refused
from support.waiting import eventually

from licd.v1 import node_service_pb2
from licd.v1 import registration_service_pb2 as pb
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.url import parse
from licd_daemon.leadership import followers

CA = Authority()


@pytest.fixture
def pair(make_daemon: Callable[..., Daemon], etcd: EtcdCluster, tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """The daemon that leads, and one that follows it; both take clients of `CA`, by which they are known too."""
    (tmp_path / "clients.crt").write_bytes(CA.pem)
    certificate, key = put(tmp_path / "given", CA.issue())
    url = etcd.url(token_hex(4))
    files = ("--tls-cert", str(certificate), "--tls-key", str(key), "--client-ca", str(tmp_path / "clients.crt"))
    with ExitStack() as stack:
        made = []
        for name in ("one", "two"):
            daemon = make_daemon("--journal", url, "--listen", f"127.0.0.1:{free_port()}", *files, name=name)
            (daemon.data_dir / "tls").mkdir(parents=True)
            (daemon.data_dir / "tls" / "ca.crt").write_bytes(CA.pem)
            made.append(stack.enter_context(running(daemon)))
            eventually(lambda: [entry for entry in made[0].log if entry["event"] == "serving"], 20)
        eventually(lambda: asyncio.run(_ready(url)), 30)
        yield made[0], made[1]


async def _ready(url: str) -> bool:
    """Whether a follower stands ready to lead: only then a handover waits for it."""
    target = parse(url)
    store = EtcdClient(target)
    try:
        return await followers.anyone(store, target.prefix)
    finally:
        await store.close()


def test_R34_a_follower_names_the_leaders_port_for_certificates(pair: tuple[Daemon, Daemon]) -> None:
    leader, follower = pair
    viewer = follower.mtls_stubs(CA.client("licd:role/viewer"))
    eventually(lambda: named(viewer), 20)
    assert named(viewer) == leader.mtls
    stream = follower.mtls_stubs(CA.client("licd:role/node")).nodes.KeepAlive(
        iter([node_service_pb2.KeepAliveRequest()])
    )
    assert next(stream).reconnect.address == leader.mtls
    with refused(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER") as refusal:
        follower.stubs(None).registration.GetRegistration(pb.GetRegistrationRequest())
    assert refusal.metadata["leader"] == leader.address
    assert leader.mtls_stubs(CA.client("licd:role/viewer")).registration.GetRegistration(pb.GetRegistrationRequest())


def test_R34_a_handover_names_the_successors_port_for_certificates(pair: tuple[Daemon, Daemon]) -> None:
    leader, follower = pair
    by_certificate = RawNode(leader.mtls_stubs(CA.client("licd:role/node"))).joined()
    by_token = RawNode(leader.stubs("node")).joined()
    assert leader.process is not None
    leader.process.send_signal(signal.SIGTERM)
    assert reconnects_to(by_certificate) == follower.mtls
    assert reconnects_to(by_token) == follower.address


def reconnects_to(node: RawNode) -> str:
    return str(node.stream.until("reconnect", timeout=30).address)


def named(stubs: Stubs) -> str:
    with refused(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER") as refusal:
        stubs.registration.GetRegistration(pb.GetRegistrationRequest())
    return refusal.metadata.get("leader", "")
