"""R34, R35: the commands show client certificates, and read their files again while they go on."""

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cli.scripted_daemon import Daemon, Licd, refusing, serving
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from support.certificates import DAY, PEM, Authority, put

from licd.v1.cluster_service_pb2 import Event, ListEventsResponse, WatchEventsResponse
from licd.v1.registration_service_pb2 import GetRegistrationResponse, Registration

GET = "RegistrationService/GetRegistration"
REGISTERED = GetRegistrationResponse(registration=Registration(state="REGISTRATION_STATE_REGISTERED"))
CA, DAEMONS_CA = Authority("clients' CA"), Authority()
UNKNOWN = refusing(grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS")


@pytest.fixture
def demanding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A daemon that demands certificates of `CA`; an admin token of the local daemon is there too."""
    chain, key = DAEMONS_CA.issue()
    (tmp_path / "ca.crt").write_bytes(DAEMONS_CA.pem)
    (tmp_path / "data" / "tokens").mkdir(parents=True)
    (tmp_path / "data" / "tokens" / "admin.token").write_text("local-admin\n")
    monkeypatch.setenv("LICD_CA", str(tmp_path / "ca.crt"))
    with serving(grpc.ssl_server_credentials([(key, chain)], CA.pem, require_client_auth=True)) as daemon:
        daemon.answers[GET] = REGISTERED
        monkeypatch.setenv("LICD_ADDRESS", daemon.address)
        yield daemon


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return put(tmp_path / "client", CA.client("licd:role/admin"))


def test_R34_a_certificate_is_shown_in_place_of_the_local_token(
    run: Licd, demanding: Daemon, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = run("status", "--cert", pair[0], "--key", pair[1])
    monkeypatch.setenv("LICD_CERT", str(pair[0]))
    monkeypatch.setenv("LICD_KEY", str(pair[1]))
    in_the_environment = run("status")
    assert (given.exit_code, in_the_environment.exit_code) == (0, 0), given.output + in_the_environment.output
    assert demanding.tokens == ["", ""]


def test_R34_a_demanded_certificate_that_is_missing_or_ended_is_told(
    run: Licd, demanding: Daemon, tmp_path: Path
) -> None:
    missing = run("status")
    cert, key = put(tmp_path / "client", CA.client("licd:role/admin", begin=-2 * DAY, end=-DAY))
    ended = run("status", "--cert", cert, "--key", key)
    assert (missing.exit_code, ended.exit_code) == (3, 3)
    assert "If it demands client certificates (--mtls-listen), give --cert and --key." in missing.stderr
    assert f"Is {cert} of its --client-ca, for clients, and valid now (" in ended.stderr
    assert demanding.tokens == []


def test_R35_a_certificate_that_gives_no_role_there_says_where_it_does(
    run: Licd, demanding: Daemon, pair: tuple[Path, Path]
) -> None:
    demanding.answers[GET] = UNKNOWN
    result = run("status", "--cert", pair[0], "--key", pair[1])
    assert result.exit_code == 1
    assert "needs one role, such as the URI licd:role/admin" in result.stderr


def key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, passphrase: bytes = b"") -> bytes:
    locked = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, locked)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--cert", "good.crt"), "--cert: needs --key too"),
        (("--key", "good.key"), "--key: needs --cert too"),
        (("--cert", "good.crt", "--key", "other.key"), "other.key is not the key of"),
        (("--cert", "good.crt", "--key", "locked.key"), "locked.key has a passphrase, which nobody is there to type"),
        (("--cert", "good.key", "--key", "good.key"), "good.key holds no certificate"),
        (("--cert", "good.crt", "--key", "good.crt"), "good.crt holds no private key"),
        (("--cert", "none.crt", "--key", "good.key"), "--cert: can't read"),
        (("--cert", "good.crt", "--key", "none.key"), "--key: can't read"),
        (("--cert", "good.crt", "--key", "good.key", "--insecure"), "plaintext shows no certificate"),
    ],
)
def test_R34_files_that_can_not_be_used_are_usage(
    run: Licd, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    chain, key = CA.client("licd:role/admin")
    (tmp_path / "good.crt").write_bytes(chain)
    (tmp_path / "good.key").write_bytes(key)
    (tmp_path / "other.key").write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1())))
    (tmp_path / "locked.key").write_bytes(key_pem(ec.generate_private_key(ec.SECP256R1()), b"secret"))
    given = [part if part.startswith("--") else tmp_path / part for part in options]
    result = run("--address", "127.0.0.1:7443", "status", *given)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_R35_a_rotated_token_is_read_when_the_one_before_is_refused(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    token = tmp_path / "admin.token"
    token.write_text("old\n")

    def rotated(request: object, context: grpc.ServicerContext) -> object:
        if daemon.tokens[-1] == "Bearer new":
            return REGISTERED
        token.write_text("new\n")
        return UNKNOWN(request, context)

    daemon.answers[GET] = rotated
    assert licd("status", "--token-file", token).exit_code == 0
    assert daemon.tokens == ["Bearer old", "Bearer new"]
    daemon.answers[GET] = UNKNOWN
    assert licd("status", "--token-file", token).exit_code == 1  # nothing else to show
    assert daemon.tokens[2:] == ["Bearer new"]


def test_R35_events_that_are_followed_go_on_with_a_rotated_token(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    token = tmp_path / "viewer.token"
    token.write_text("old\n")

    def watch(request: object, context: grpc.ServicerContext) -> Iterator[WatchEventsResponse]:
        if daemon.tokens[-1] == "Bearer old":
            yield WatchEventsResponse(event=Event(position=7, kind="license_uploaded"))
            token.write_text("new\n")
            UNKNOWN(request, context)
        yield WatchEventsResponse(event=Event(position=8, kind="code_accepted"))

    daemon.answers["ClusterService/ListEvents"] = ListEventsResponse()
    daemon.answers["ClusterService/WatchEvents"] = watch
    result = licd("events", "-f", "--token-file", token)
    assert result.exit_code == 0, result.output
    assert [line.split()[3] for line in result.stdout.splitlines()] == ["license_uploaded", "code_accepted"]
    assert [each.after_position for each in daemon.requests("ClusterService/WatchEvents")] == [0, 7]
