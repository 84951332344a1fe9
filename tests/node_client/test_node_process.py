"""A node within its process: forks, exits, imports, arguments, TLS."""

import datetime as dt
import json
import pathlib
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

import grpc
import pytest
from support.certificates import DAY, Authority
from support.measuring import unmeasured
from support.scripted_daemon import APPLICATION, TOKEN, Join, ScriptedDaemon
from support.waiting import eventually

import node_client
from node_client import Application, NodeState, settings

CUSTOMERS_CA = Authority()
FORKING = "ignore:This process:DeprecationWarning"  # from 3.12 on fork() warns in a process with threads
BANNED = ("cryptography", "sqlite3", "qrcode", "ntplib", "licd_daemon", "google.rpc", "http.server")


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in unmeasured().items() if not name.startswith("LICD_")}
    command = [sys.executable, "-W", "error", "-W", FORKING, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=40, env=environment, check=False)


def test_the_import_loads_grpc_and_protobuf_and_nothing_of_the_daemon() -> None:
    done = python("import sys, json, node_client; print(json.dumps(sorted(sys.modules)))")
    loaded = json.loads(done.stdout)
    assert not [name for name in loaded if name.startswith(BANNED)]
    assert "grpc" in loaded


def test_the_package_is_typed() -> None:
    assert (pathlib.Path(node_client.__file__).parent / "py.typed").exists()


def test_r15_a_forked_child_holds_nothing_and_leaves_nothing(daemon: ScriptedDaemon) -> None:
    code = """
        import os, sys, threading, time, node_client
        application = node_client.Application("a", "1", "2024-05-31")
        node = node_client.connect(sys.argv[1], application=application, insecure=True)
        assert node.wait_licensed(5)
        child = os.fork()
        if child == 0:
            print("child", node.is_licensed(), node.state, node.failures[0].reason, node.wait_licensed(), flush=True)
            node.close()
            sys.exit(0)  # through atexit
        assert os.waitpid(child, 0)[1] == 0
        time.sleep(1.5)
        print("parent", node.is_licensed(), flush=True)
        node.close()
    """
    done = python(code, daemon.address)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.split("\n")[:2] == ["child False CLOSED FORKED False", "parent True"]
    assert len(daemon.leaves) == 1
    assert len(daemon.joins) == 1


def test_a_program_that_forgets_close_leaves_at_its_end(daemon: ScriptedDaemon) -> None:
    code = """
        import sys, node_client
        application = node_client.Application("a", "1", "2024-05-31")
        assert node_client.connect(sys.argv[1], application=application, insecure=True).wait_licensed(5)
    """
    done = python(code, daemon.address)
    assert done.returncode == 0, done.stderr
    assert len(daemon.leaves) == 1


def test_r13_a_process_paused_beyond_its_lease_wakes_up_unlicensed(daemon: ScriptedDaemon) -> None:
    daemon.lease_ttl, daemon.heartbeat_interval = 1.0, 0.3
    code = """
        import sys, node_client
        application = node_client.Application("a", "1", "2024-05-31")
        node = node_client.connect(sys.argv[1], application=application, insecure=True)
        assert node.wait_licensed(5)
        print("licensed", flush=True)
        sys.stdin.readline()
        print(node.is_licensed(), flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), daemon.address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "licensed\n"
        eventually(lambda: len(daemon.heartbeats) > 8)

        def hangs(_: object) -> None:
            time.sleep(1)

        daemon.on_resume = hangs
        process.send_signal(signal.SIGSTOP)
        last = time.monotonic()
        eventually(lambda: time.monotonic() - last > 1.3)
        process.stdin.write("now\n")
        process.stdin.flush()
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "False\n"
        process.stdin.close()


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("addresses", ""),
        ("addresses", []),
        ("addresses", "licd.example"),
        ("addresses", "licd.example:0"),
        ("addresses", "https://licd.example:7443"),
        ("addresses", "192.0.2.1:7443"),  # insecure, and not loopback
        ("application", "Report Server"),
        ("node_name", ""),
        ("node_name", "n" * 254),
        ("node_name", "report\u202e1"),
        ("node_name", "report\x1b[31m"),
        ("token", ""),
        ("token", f"{TOKEN}\n"),
    ],
)
def test_a_bad_argument_is_named_and_a_token_never_quoted(argument: str, value: object) -> None:
    arguments: dict[str, Any] = {"addresses": "127.0.0.1:7443", "application": APPLICATION, "insecure": True}
    arguments[argument] = value
    with pytest.raises(ValueError, match=f"^{argument}: ") as caught:
        node_client.connect(arguments.pop("addresses"), **arguments)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "name"),
    [("", "unnamed"), ("h" * 300, "h" * 253), ("a\udcffb\x1b", "a?b?"), ("under_score", "under_score"), ("ä", "ä")],
)
def test_a_host_of_any_name_is_a_node(monkeypatch: pytest.MonkeyPatch, host: str, name: str) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: host)
    arguments: dict[str, Any] = {"application": APPLICATION, "node_name": None, "token": TOKEN, "ca": None}
    assert settings.check("127.0.0.1:7443", insecure=True, **arguments).node_name == name


def test_r34_a_plaintext_token_is_never_sent_off_loopback() -> None:
    arguments: dict[str, Any] = {"application": APPLICATION, "node_name": None, "token": TOKEN, "ca": None}
    plaintext = settings.check("127.0.0.1:7443", insecure=True, **arguments)
    named = ["[::1]:7443", "localhost:7444", "192.0.2.1:7443", "licd.example:7443", "", "nonsense"]
    assert [address for address in named if plaintext.may_reach(address)] == ["[::1]:7443", "localhost:7444"]
    over_tls = settings.check("licd.example:7443", insecure=False, **arguments)
    assert over_tls.may_reach("192.0.2.1:7443")
    assert TOKEN not in repr(over_tls)


def test_a_bad_ca_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"^ca: cannot read .*No such file"):
        node_client.connect("127.0.0.1:7443", application=APPLICATION, ca=tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match=r"^ca: .*no PEM certificate"):
        node_client.connect("127.0.0.1:7443", application=APPLICATION, ca=str(tmp_path / "empty"))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("name", ("", "1", "2024-05-31")),
        ("version", ("a", "v" * 65, "2024-05-31")),
        ("build_date", ("a", "1", "2024-02-30")),
        ("build_date", ("a", "1", "2024-W22-5")),
        ("content", ("a", "1", "2024-05-31", "c" * 1025)),
    ],
)
def test_a_bad_application_names_its_field(field: str, values: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=rf"^application\.{field}: "):
        Application(*values)


def certificate(folder: pathlib.Path, name: str) -> tuple[bytes, bytes]:
    """A self-signed certificate for localhost."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / f"{name}.crt").write_bytes(pem)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, pem


def test_r34_tls_takes_the_daemon_of_its_ca_and_no_other(
    daemon: ScriptedDaemon, join: Join, tmp_path: pathlib.Path
) -> None:
    key, pem = certificate(tmp_path, "right")
    certificate(tmp_path, "wrong")
    daemon.credentials = grpc.ssl_server_credentials([(key, pem)])
    daemon.stop()
    daemon.start()
    ca = tmp_path / "ca.crt"
    ca.write_bytes((tmp_path / "wrong.crt").read_bytes())
    node = join(f"localhost:{daemon.port}", insecure=False, ca=ca)
    eventually(lambda: node.failures)
    assert node.state is NodeState.CONNECTING
    assert node.failures[0].reason == "UNREACHABLE"
    assert not daemon.joins
    ca.write_bytes(pem)  # renewed on disk, without a restart
    assert node.wait_licensed(10)


@pytest.mark.parametrize(
    ("pair", "remedy"),
    [
        (CUSTOMERS_CA.issue(end=-DAY), "The daemon's certificate has expired"),
        (CUSTOMERS_CA.issue(begin=DAY), "The daemon's certificate is not valid yet"),
        (CUSTOMERS_CA.issue(names=["other.example"]), "The daemon's certificate lacks this name"),
        (Authority("another").issue(), "The daemon's certificate is of another authority"),
    ],
)
def test_r34_a_certificate_that_is_not_accepted_is_named(
    daemon: ScriptedDaemon, join: Join, tmp_path: pathlib.Path, pair: tuple[bytes, bytes], remedy: str
) -> None:
    daemon.credentials = grpc.ssl_server_credentials([pair[::-1]])
    daemon.stop()
    daemon.start()
    ca = tmp_path / "ca.crt"
    ca.write_bytes(CUSTOMERS_CA.pem)
    node = join(f"localhost:{daemon.port}", insecure=False, ca=ca)
    eventually(lambda: node.failures and node.failures[0].remedy.startswith(remedy))


def test_a_ca_that_went_away_is_waited_for(daemon: ScriptedDaemon, join: Join, tmp_path: pathlib.Path) -> None:
    key, pem = certificate(tmp_path, "ca")
    daemon.credentials = grpc.ssl_server_credentials([(key, pem)])
    daemon.stop()
    ca = tmp_path / "ca.crt"
    node = join(f"localhost:{daemon.port}", insecure=False, ca=ca)
    ca.unlink()
    eventually(lambda: node.failures and node.failures[0].reason == "CA_UNREADABLE")
    ca.write_bytes(pem)
    daemon.start()
    assert node.wait_licensed(10)


LATE = """
import threading, time
from node_client import threads

def ends_late():
    threading.main_thread().join()
    time.sleep(0.5)  # the work that it still has: nothing waits for this
    print("ended", flush=True)

threads.started(ends_late, "late")
"""


def test_the_exit_waits_for_threads_that_use_grpc() -> None:
    """One that the interpreter stopped inside a call's lock would leave the program hanging for ever."""
    ended = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "ended\n"
