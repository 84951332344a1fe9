"""Whom the commands ask, with what, and what they say when nobody answers: exit codes 1, 2 and 3."""

import ipaddress
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cli.scripted_daemon import Daemon, Licd, refusing, serving
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from support.measuring import unmeasured

from licd.v1.failure_pb2 import Failure
from licd.v1.registration_service_pb2 import GetRegistrationResponse, Registration, SubmitCodeResponse

GET = "RegistrationService/GetRegistration"
SUBMIT = "RegistrationService/SubmitCode"
REGISTERED = GetRegistrationResponse(registration=Registration(state="REGISTRATION_STATE_REGISTERED"))


def certificate(name: x509.GeneralName) -> tuple[bytes, bytes]:
    """A certificate for `name` that is its own authority, and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "licd test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.public_bytes(pem), key.private_bytes(pem, pkcs8, plain)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon with TLS, whose authority and token lie in the data directory, as the real one's."""
    authority, key = certificate(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    data = tmp_path / "data"
    (data / "tls").mkdir(parents=True)
    (data / "tokens").mkdir()
    (data / "tls" / "ca.crt").write_bytes(authority)
    (data / "tokens" / "admin.token").write_text("local-admin\n")
    with serving(grpc.ssl_server_credentials([(key, authority)])) as daemon:
        daemon.answers[GET] = REGISTERED
        (data / "address").write_text(f"{daemon.address}\n")
        yield daemon


def nobody() -> str:
    """An address at which nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{reserved.getsockname()[1]}"


def test_a_local_command_finds_address_authority_and_token(run: Licd, tls: Daemon) -> None:
    result = run("status")
    assert (result.exit_code, tls.tokens) == (0, ["Bearer local-admin"]), result.output


def test_a_token_file_gives_its_first_line(run: Licd, tls: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "viewer.token"
    file.write_text("  viewer-token \r\nsecond line\n")
    assert run("status", "--token-file", file).exit_code == 0
    assert tls.tokens == ["Bearer viewer-token"]


@pytest.mark.parametrize("content", ["", "two words\n", "x" * 5000, "ünicode"])
def test_a_file_without_a_token_is_usage_and_is_not_shown(run: Licd, tls: Daemon, tmp_path: Path, content: str) -> None:
    file = tmp_path / "a.token"
    file.write_text(content)
    result = run("status", "--token-file", file)
    assert result.exit_code == 2
    assert "is no token" in result.stderr
    assert not content or content not in result.output


@pytest.mark.parametrize("option", ["--token-file", "--ca"])
def test_a_named_file_that_is_not_there_is_usage(run: Licd, tls: Daemon, option: str) -> None:
    result = run("status", option, "/nowhere")
    assert result.exit_code == 2
    assert f"{option}: can't read /nowhere" in result.stderr


def test_an_unknown_authority_is_unreachable_and_names_ca(run: Licd, tls: Daemon, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(certificate(x509.DNSName("localhost"))[0])
    result = run("status", "--ca", other)
    assert result.exit_code == 3
    assert "not of a known authority. Give its authority with --ca" in result.stderr
    assert tls.tokens == []


def test_a_certificate_for_another_name_is_unreachable(run: Licd, tls: Daemon) -> None:
    port = tls.address.rpartition(":")[2]
    result = run("status", "--address", f"localhost:{port}")
    assert result.exit_code == 3
    assert "--tls-san" in result.stderr
    assert tls.tokens == []


def test_an_authority_that_is_no_certificate_is_told(run: Licd, tls: Daemon, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.crt"
    garbage.write_text("garbage")
    result = run("status", "--ca", garbage)
    assert result.exit_code == 3
    assert "no PEM certificate" in result.stderr


def test_plaintext_to_tls_and_tls_to_plaintext_are_told(run: Licd, tls: Daemon, daemon: Daemon) -> None:
    plain_to_tls = run("status", "--insecure")
    tls_to_plain = run("status", "--address", daemon.address)
    assert (plain_to_tls.exit_code, tls_to_plain.exit_code) == (3, 3)
    assert "leave --insecure out" in plain_to_tls.stderr
    assert "give --insecure here too" in tls_to_plain.stderr


def test_nobody_listening_is_unreachable_and_each_address_is_told(run: Licd) -> None:
    first, second = nobody(), nobody()
    result = run("status", "--insecure", "--address", f"{first},{second}")
    assert result.exit_code == 3
    assert f"{first}: nobody listens there. Is the daemon running" in result.stderr
    assert f"{second}: nobody" in result.stderr


def test_a_name_that_does_not_resolve_is_unreachable(run: Licd) -> None:
    result = run("status", "--address", "nosuch.invalid:7443")
    assert (result.exit_code, "not known here" in result.stderr) == (3, True)


def test_another_server_is_unreachable(licd: Licd) -> None:
    result = licd("status")
    assert (result.exit_code, "no licd of this version" in result.stderr) == (3, True)


def test_plaintext_beyond_loopback_is_usage(run: Licd) -> None:
    result = run("status", "--insecure", "--address", "192.0.2.1:7443")
    assert result.exit_code == 2
    assert "would show the token" in result.stderr


@pytest.mark.parametrize("address", ["7443", "host:0", "host:port"])
def test_an_address_that_cannot_be_used_is_usage(run: Licd, address: str) -> None:
    result = run("status", "--address", address)
    assert (result.exit_code, "--address: " in result.stderr) == (2, True)


def test_addresses_are_tried_in_order(run: Licd, daemon: Daemon) -> None:
    daemon.answers[GET] = REGISTERED
    assert run("status", "--insecure", "--address", f"{nobody()},{daemon.address}").exit_code == 0


def test_options_may_stand_before_or_after_the_command_and_win_over_the_environment(
    run: Licd, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.answers[GET] = REGISTERED
    monkeypatch.setenv("LICD_ADDRESS", nobody())
    assert run("status", "--insecure").exit_code == 3
    assert run("--address", daemon.address, "--insecure", "status").exit_code == 0
    assert run("status", "--address", daemon.address, "--insecure").exit_code == 0
    assert run("--address", daemon.address, "status", "--address", nobody(), "--insecure").exit_code == 3


def test_the_file_gives_the_clients_their_settings(run: Licd, daemon: Daemon, tmp_path: Path) -> None:
    daemon.answers[GET] = REGISTERED
    token, file = tmp_path / "t", tmp_path / "licd.toml"
    token.write_text("of-the-file")
    file.write_text(f"address = ['{daemon.address}']\ninsecure = true\ntoken_file = '{token}'\nlease-ttl = '20s'\n")
    assert run("--config", file, "status").exit_code == 0
    assert daemon.tokens == ["Bearer of-the-file"]


def test_a_follower_passes_on_to_the_leader_and_the_code_is_sent_to_it_once(licd: Licd, daemon: Daemon) -> None:
    with serving() as leader:
        daemon.answers[SUBMIT] = refusing(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER", leader=leader.address)
        leader.answers[SUBMIT] = SubmitCodeResponse()
        assert licd("submit", "123456", "--challenge", "c").exit_code == 0
        assert len(leader.requests(SUBMIT)) == 1


def test_a_follower_without_a_leader_gives_way_to_the_next_address(run: Licd, daemon: Daemon) -> None:
    with serving() as leader:
        daemon.answers[GET] = refusing(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER")
        leader.answers[GET] = REGISTERED
        assert run("status", "--insecure", "--address", f"{daemon.address},{leader.address}").exit_code == 0


def test_two_daemons_that_point_to_each_other_end(licd: Licd, daemon: Daemon) -> None:
    with serving() as other:
        daemon.answers[GET] = refusing(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER", leader=other.address)
        other.answers[GET] = refusing(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER", leader=daemon.address)
        result = licd("status")
        assert (result.exit_code, "Try again shortly" in result.stderr) == (3, True)


def test_a_leader_beyond_loopback_is_not_sent_the_token_in_plaintext(licd: Licd, daemon: Daemon) -> None:
    daemon.answers[GET] = refusing(grpc.StatusCode.UNAVAILABLE, "NOT_LEADER", leader="192.0.2.1:7443")
    result = licd("status")
    assert (result.exit_code, "names the leader 192.0.2.1:7443" in result.stderr) == (3, True)


def test_a_stopping_daemon_is_unreachable_and_a_journal_out_of_order_is_a_refusal(licd: Licd, daemon: Daemon) -> None:
    daemon.answers[GET] = refusing(grpc.StatusCode.UNAVAILABLE, "STOPPING")
    assert licd("status").exit_code == 3
    daemon.answers[GET] = refusing(grpc.StatusCode.UNAVAILABLE, "JOURNAL_UNAVAILABLE")
    result = licd("status")
    assert (result.exit_code, "JOURNAL_UNAVAILABLE" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS", "No token was sent"),
        (grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE", "Give another token"),
        (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "Refused"),
        (grpc.StatusCode.INTERNAL, "", "in the daemon's words"),
    ],
)
def test_a_refusal_has_exit_code_1(licd: Licd, daemon: Daemon, code: grpc.StatusCode, reason: str, told: str) -> None:
    daemon.answers[GET] = refusing(code, reason)
    result = licd("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert told in result.stderr


def test_every_reason_is_told_with_title_detail_and_remedy(licd: Licd, daemon: Daemon) -> None:
    failures = (
        Failure(title="Version mismatch", detail="Local 10.1", remedy="Install 10.0.", node_name="report-1"),
        Failure(title="No node is connected", remedy="Start \x1b[31mone."),
    )
    metadata = {"field": "code", "remedy": "Ask ACME.", "locked_until": "1000000000"}
    daemon.answers[GET] = refusing(grpc.StatusCode.FAILED_PRECONDITION, "REGISTRATION_REFUSED", metadata, failures)
    result = licd("status")
    for told in (
        "in the daemon's words [REGISTRATION_REFUSED]",
        "- Version mismatch (node report-1): Local 10.1\n  Install 10.0.",
        "- No node is connected\n  Start \\x1b[31mone.",
        "Field: code",
        "Locked until: 2001-09-09 01:46:40 UTC",
        "Ask ACME.",
    ):
        assert told in result.stderr


def test_a_trailer_that_is_garbage_is_no_traceback(licd: Licd, daemon: Daemon) -> None:
    def refuse(_: object, context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\xff\xff"),))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no")

    daemon.answers[GET] = refuse
    result = licd("status")
    assert (result.exit_code, result.stderr) == (1, "Refused: no\n")


def test_status_starts_without_the_daemons_libraries(daemon: Daemon, tmp_path: Path) -> None:
    daemon.answers[GET] = REGISTERED
    code = (
        "import sys\n"
        "from licd_daemon.cli import main\n"
        "main(['status', '--insecure', '--address', sys.argv[1]], standalone_mode=False)\n"
        "heavy = {'cryptography', 'sqlite3', 'qrcode', 'rich', 'ntplib', 'structlog', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code, daemon.address], check=True, cwd=tmp_path, env=unmeasured())


@pytest.mark.parametrize("module", ["licd_daemon", "daemon"])
def test_the_modules_are_the_command(module: str) -> None:
    checkout = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], check=True, cwd=checkout, capture_output=True, text=True
    )
    assert done.stdout.startswith("licd, version ")


def test_every_command_has_its_help(run: Licd) -> None:
    names = [
        "serve",
        "upload",
        "qr",
        "submit",
        "status",
        "nodes",
        "evict",
        "events",
        "check",
        "reset",
        "release",
        "token",
        "journal",
        "demo",
    ]
    listed = run("--help").stdout
    for name in names:
        assert f"\n  {name} " in listed
        assert run(name, "--help").exit_code == 0
    assert run("nosuch").exit_code == 2
