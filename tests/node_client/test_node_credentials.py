"""R34, R35: the files of a node's credentials are read for each connection; what is wrong with them stops nothing."""

import logging
import os
import pathlib
import threading
from datetime import timedelta

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from support.certificates import PEM, Authority, put
from support.scripted_daemon import APPLICATION, Join, Refuse, ScriptedDaemon
from support.waiting import eventually

import node_client
from licd.v1 import node_service_pb2 as pb
from node_client import Node, NodeState

CA = Authority("clients' CA")
DAEMONS_CA = Authority()
UNKNOWN = Refuse(grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS")


@pytest.fixture(autouse=True)
def patient(daemon: ScriptedDaemon) -> None:
    """A machine that stalls costs no lease, and no stream."""
    daemon.lease_ttl, daemon.heartbeat_interval = 60.0, 2.0


@pytest.fixture
def token_file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "node.token"
    path.write_text("first\n")
    return path


def await_stream(daemon: ScriptedDaemon, node: Node) -> None:
    """The node is licensed, and its stream is open: an end that overtakes its opening would be missed by the tests."""
    assert node.wait_licensed(15)
    eventually(lambda: daemon.opens, 15)


def replace(path: pathlib.Path, content: str) -> None:
    fresh = path.with_suffix(".fresh")
    fresh.write_text(content)
    fresh.replace(path)


def knows(daemon: ScriptedDaemon, *tokens: str) -> None:
    """The daemon refuses every other token from now on."""

    def judge(_: object) -> None:
        if daemon.authorizations[-1].removeprefix("Bearer ") not in tokens:
            raise UNKNOWN

    daemon.on_join = daemon.on_resume = judge


def shown(daemon: ScriptedDaemon) -> list[str]:
    return [each.removeprefix("Bearer ") for each in daemon.authorizations]


def test_R35_another_token_in_its_file_is_shown_at_once_and_costs_no_session(
    daemon: ScriptedDaemon, join: Join, token_file: pathlib.Path
) -> None:
    states: list[NodeState] = []
    node = join(token=None, token_file=token_file, on_change=lambda node: states.append(node.state))
    await_stream(daemon, node)
    replace(token_file, "second\n")
    eventually(lambda: shown(daemon)[-1] == "second" and len(daemon.opens) >= 2, 30)
    knows(daemon, "second")
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.opens) >= 3, 30)
    assert (len(daemon.joins), set(states)) == (1, {NodeState.LICENSED})


def test_R35_a_token_that_the_daemon_does_not_know_yields_to_the_one_before(
    daemon: ScriptedDaemon, join: Join, token_file: pathlib.Path
) -> None:
    node = join(token=None, token_file=str(token_file))
    await_stream(daemon, node)
    knows(daemon, "first")
    replace(token_file, "mistaken\n")
    eventually(lambda: "mistaken" in shown(daemon) and shown(daemon)[-1] == "first", 30)
    knows(daemon, "first", "second")
    replace(token_file, "second\n")
    eventually(lambda: shown(daemon)[-1] == "second" and len(daemon.opens) >= 3, 30)
    assert node.is_licensed()
    assert len(daemon.joins) == 1


def test_R35_a_revoked_token_that_is_replaced_late_keeps_its_session(
    daemon: ScriptedDaemon, join: Join, token_file: pathlib.Path
) -> None:
    node = join(token=None, token_file=token_file)
    await_stream(daemon, node)
    knows(daemon, "second")
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: "NO_CREDENTIALS" in [failure.reason for failure in node.failures], 30)
    replace(token_file, "second\n")
    eventually(lambda: len(daemon.opens) >= 2, 30)
    await_stream(daemon, node)
    assert len(daemon.joins) == 1


@pytest.mark.parametrize("content", [None, "", "\n", "\x00\x01", "two words"])
def test_R34_a_token_file_that_can_not_be_used_now_stops_nothing(
    daemon: ScriptedDaemon,
    join: Join,
    token_file: pathlib.Path,
    caplog: pytest.LogCaptureFixture,
    content: str | None,
) -> None:
    caplog.set_level(logging.INFO, "node_client")
    node = join(token=None, token_file=token_file)
    await_stream(daemon, node)
    if content is None:
        token_file.unlink()
    else:
        token_file.write_text(content)
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.opens) >= 2, 30)
    assert node.is_licensed()
    assert shown(daemon)[-1] == "first"
    assert f"{token_file}" in caplog.text
    assert "what was read of it last is used" in caplog.text
    replace(token_file, "second\n")
    eventually(lambda: shown(daemon)[-1] == "second", 30)
    assert "can be used again" in caplog.text


def test_a_token_in_a_pipe_is_read_once(daemon: ScriptedDaemon, join: Join, tmp_path: pathlib.Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    threading.Thread(target=pipe.write_text, args=("first\n",)).start()
    node = join(token=None, token_file=pipe)
    await_stream(daemon, node)
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.opens) >= 2, 30)
    assert set(shown(daemon)) == {"first"}


def test_R34_a_renewed_certificate_is_shown_by_the_next_connection(
    daemon: ScriptedDaemon, join: Join, tmp_path: pathlib.Path
) -> None:
    successor = Authority("the CA after it")
    chain, key = DAEMONS_CA.issue()
    (tmp_path / "ca.crt").write_bytes(DAEMONS_CA.pem)

    def demand(client_ca: bytes) -> None:
        daemon.stop()
        daemon.credentials = grpc.ssl_server_credentials([(key, chain)], client_ca, require_client_auth=True)
        daemon.start()

    demand(CA.pem)
    cert, own_key = put(tmp_path / "client", CA.client("licd:role/node"))
    node = join(token=None, insecure=False, ca=tmp_path / "ca.crt", cert=cert, key=own_key)
    await_stream(daemon, node)
    put(tmp_path / "client", successor.client("licd:role/node"))
    demand(successor.pem)
    eventually(lambda: len(daemon.opens) >= 2, 30)
    await_stream(daemon, node)
    # Half of a renewal: what fits together is shown, and the daemon still takes it.
    own_key.write_bytes(successor.client()[1])
    demand(successor.pem)
    eventually(lambda: len(daemon.opens) >= 3, 30)
    demand(CA.pem)  # takes neither: the failure names the files
    eventually(lambda: [each for each in node.failures if each.reason == "CREDENTIALS_UNREADABLE"], 30)
    assert "is not the certificate of the key" in node.failures[-1].detail
    put(tmp_path / "client", CA.client("licd:role/node"))
    eventually(lambda: len(daemon.opens) >= 4, 30)
    assert len(daemon.joins) == 1
    assert set(daemon.authorizations) == {"None"}


def test_R34_a_port_that_demands_a_certificate_is_named_to_who_has_none(
    daemon: ScriptedDaemon, join: Join, tmp_path: pathlib.Path
) -> None:
    chain, key = DAEMONS_CA.issue()
    (tmp_path / "ca.crt").write_bytes(DAEMONS_CA.pem)
    daemon.stop()
    daemon.credentials = grpc.ssl_server_credentials([(key, chain)], CA.pem, require_client_auth=True)
    daemon.start()
    node = join(insecure=False, ca=tmp_path / "ca.crt")
    eventually(lambda: node.failures and "demands client certificates" in node.failures[0].remedy, 30)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"cert": "good.crt"}, "cert: needs key too"),
        ({"key": "good.key"}, "key: needs cert too"),
        ({"cert": "good.crt", "key": "other.key"}, "cert: .*good.crt is not the certificate of the key .*other.key"),
        ({"cert": "good.crt", "key": "locked.key"}, "key: .*locked.key has a passphrase"),
        ({"cert": "good.crt", "key": "locked-old.key"}, "key: .*locked-old.key has a passphrase"),
        ({"cert": "good.key", "key": "good.key"}, "cert: .*good.key holds no PEM certificate"),
        ({"cert": "good.crt", "key": "good.crt"}, "key: .*good.crt holds no PEM private key"),
        ({"cert": "half.crt", "key": "good.key"}, "cert: .*half.crt cannot be used"),
        ({"cert": "none.crt", "key": "good.key"}, "cert: cannot read .*none.crt: No such file"),
        ({"cert": "good.crt", "key": "good.key", "insecure": True}, "cert: plaintext shows no certificate"),
        ({"token_file": "none.token"}, "token_file: cannot read .*none.token: No such file"),
        ({"token_file": "."}, "token_file: cannot read .*: Is a directory"),
        ({"token_file": "empty.token"}, "token_file: the first line of .*empty.token is no token"),
        ({"token_file": "good.crt", "token": "t"}, "token_file: give either"),
    ],
)
def test_R34_a_file_that_can_not_be_used_is_named_with_its_remedy(
    tmp_path: pathlib.Path, arguments: dict[str, object], told: str
) -> None:
    chain, key = CA.client("licd:role/node", end=timedelta(days=1))
    loaded = serialization.load_pem_private_key(key, None)
    passphrase = serialization.BestAvailableEncryption(b"secret")
    contents = {
        "good.crt": chain,
        "good.key": key,
        "other.key": CA.client()[1],
        "half.crt": chain[: len(chain) // 2] + b"\n-----END CERTIFICATE-----\n",
        "locked.key": loaded.private_bytes(PEM, serialization.PrivateFormat.PKCS8, passphrase),
        "locked-old.key": loaded.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, passphrase),
        "empty.token": b"",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    files = {name: tmp_path / str(value) for name, value in arguments.items() if name in ("cert", "key", "token_file")}
    given = {**arguments, **files}
    with pytest.raises(ValueError, match=f"^{told}") as caught:
        node_client.connect("127.0.0.1:7443", application=APPLICATION, **given)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
