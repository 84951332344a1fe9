"""R34: a certificate that clients can't use keeps a daemon from starting, or is reported wherever people look."""

import re
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import DAY, Authority, put
from support.console import Console
from support.daemon import Daemon, running
from support.ntp_server import chronyd
from support.skew import Skew
from support.waiting import eventually

from licd_daemon.core.build import BUILD_DATE

CA = Authority()
MakeDaemon = Callable[..., Daemon]


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """The folder of the certificate that a daemon is given."""
    return tmp_path / "given"


def serving(
    make_daemon: MakeDaemon, given: Path, pair: tuple[bytes, bytes], *options: str, **more: dict[str, str]
) -> Daemon:
    certificate, key = put(given, pair)
    (given / "ca.crt").write_bytes(CA.pem)
    return make_daemon("--tls-cert", str(certificate), "--tls-key", str(key), *options, **more)


def command(daemon: Daemon, given: Path, *words: str) -> tuple[int, str]:
    """Exit code and output of a local command that trusts the customer's CA."""
    words = (*words, "--data-dir", str(daemon.data_dir), "--ca", str(given / "ca.crt"))
    done = subprocess.run(
        [sys.executable, "-m", "licd_daemon", *words], capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def faults(daemon: Daemon) -> dict[str, float]:
    """What the metrics say, by grade; only what there is."""
    page = Console(daemon.ops).get("/metrics").content.decode()
    found = re.findall(r'^licd_certificate_faults\{grade="(\w+)"\} (\S+)$', page, re.MULTILINE)
    assert len(found) == 5
    return {grade: float(count) for grade, count in found if float(count)}


def told(daemon: Daemon, event: str) -> list[str]:
    """The causes that the log names."""
    return [str(entry.get("cause", entry.get("error"))) for entry in daemon.log if entry["event"] == event]


def served(daemon: Daemon) -> bytes:
    """The certificate that a new connection of a node gets."""
    host, port = daemon.address.split(":")
    context = ssl.create_default_context(cadata=CA.pem.decode())
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"").encode()


def since_build(days: float) -> datetime:
    return BUILD_DATE + days * DAY


@pytest.mark.parametrize(
    ("pair", "options", "cause"),
    [
        (CA.issue(end=since_build(-1) - datetime.now(UTC)), (), "It ended at"),
        (
            CA.issue(names=["other.example"]),
            ("--advertise", "licd.example:7443"),
            "not hold the name licd.example of --adv",
        ),
        (CA.issue(uses=[ExtendedKeyUsageOID.CLIENT_AUTH]), (), "It is not for servers"),
        ((CA.issue()[0], CA.issue()[1]), (), "is not the key of"),
    ],
    ids=["ended", "name", "purpose", "key"],
)
def test_R34_a_certificate_that_no_client_can_use_is_refused_at_the_start(
    make_daemon: MakeDaemon, given: Path, pair: tuple[bytes, bytes], options: tuple[str, ...], cause: str
) -> None:
    daemon = serving(make_daemon, given, pair, *options)
    start = [sys.executable, "-m", "licd_daemon", "serve", "--data-dir", str(daemon.data_dir), *daemon.options]
    done = subprocess.run(start, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"licd serve: {given}")
    assert cause in last


@pytest.mark.parametrize(
    ("pair", "cause", "client"),
    [
        (CA.issue(end=-DAY / 24), "ended at", "has expired by this machine's clock. Replace it"),
        (CA.issue(begin=DAY), "is not valid before", "is not valid yet by this machine's clock"),
        (CA.issue(names=["other.example"]), "does not hold the name 127.0.0.1 of --listen", "is not for this name"),
    ],
    ids=["ended", "not yet", "name"],
)
def test_R34_what_may_be_the_clocks_or_the_clients_matter_is_reported(
    make_daemon: MakeDaemon, given: Path, pair: tuple[bytes, bytes], cause: str, client: str
) -> None:
    with running(serving(make_daemon, given, pair)) as daemon:
        assert faults(daemon) == {"unusable": 1}
        assert cause in told(daemon, "certificate_not_usable")[0]
        code, output = command(daemon, given, "check")
        assert (code, client in output) == (3, True), output


def test_R34_the_end_is_reported_before_it_comes(make_daemon: MakeDaemon, given: Path) -> None:
    with running(serving(make_daemon, given, CA.issue(end=6 * DAY))) as daemon:
        assert faults(daemon) == {"near_its_end": 1}
        assert "ends within 7 days" in told(daemon, "certificate_near_its_end")[0]
        page = Console(daemon.ops).get("/metrics").content.decode()
        ends = float(re.findall(r"^licd_certificate_expires_timestamp_seconds (\S+)$", page, re.MULTILINE)[0])
        assert abs(ends - (datetime.now(UTC) + 6 * DAY).timestamp()) < 600
        _, output = command(daemon, given, "check")
        assert "Warning: The server certificate ends soon. It ends within 7 days, at" in output
        _, output = command(daemon, given, "status")
        assert "Needs attention:\n- The server certificate ends soon: It ends within 7 days, at" in output
        console = Console(daemon.console, CA.pem)
        console.log_in(daemon.token("admin"))
        (warning,) = console.get("/api/registration").json["registration"]["warnings"]
        assert warning["title"] == "The server certificate ends soon"


@pytest.mark.parametrize(
    ("bad", "cause"),
    [
        (CA.issue(end=since_build(-1) - datetime.now(UTC)), "It ended at"),
        ((CA.issue()[0], CA.issue()[1]), "is not the key of"),
        ((b"garbage", b"garbage"), "holds no certificate"),
    ],
    ids=["ended", "key", "garbage"],
)
def test_R34_a_bad_replacement_is_not_served_but_reported_until_a_good_one_comes(
    make_daemon: MakeDaemon, given: Path, bad: tuple[bytes, bytes], cause: str
) -> None:
    good, better = CA.issue(), CA.issue()
    with running(serving(make_daemon, given, good)) as daemon:
        assert served(daemon) == good[0]
        put(given, bad)
        eventually(lambda: faults(daemon) == {"not_taken": 1})
        assert served(daemon) == good[0]
        assert cause in told(daemon, "certificate_not_reloaded")[-1]
        _, output = command(daemon, given, "check")
        assert "Warning: The new server certificate is not served." in output
        assert cause in output
        put(given, better)
        eventually(lambda: faults(daemon) == {})
        assert served(daemon) == better[0]
        _, output = command(daemon, given, "check")
        assert "certificate" not in output


def test_R34_an_end_that_a_confirmed_clock_says_is_refused_at_the_next_start_and_in_new_files(
    make_daemon: MakeDaemon, given: Path, tmp_path: Path
) -> None:
    ended, good = CA.issue(end=-DAY / 24), CA.issue()
    with chronyd(tmp_path / "ntp") as ntp:
        daemon = serving(make_daemon, given, ended, "--ntp-server", ntp)
        with running(daemon):
            eventually(lambda: faults(daemon) == {"refused": 1})
            put(given, good)
            eventually(lambda: faults(daemon) == {})
            put(given, ended)
            eventually(lambda: faults(daemon) == {"not_taken": 1})
            assert served(daemon) == good[0]
            assert command(daemon, given, "token", "create", "viewer")[0] == 0, "each event keeps what is confirmed"
    with pytest.raises(RuntimeError, match=r"given\.crt can't be used by clients\. It ended at"):
        daemon.start()


def test_R34_its_own_server_certificate_is_renewed_while_it_runs(make_daemon: MakeDaemon) -> None:
    with running(make_daemon()) as daemon:
        folder = daemon.data_dir / "tls"
        ca, key = (folder / name for name in ("ca.crt", "ca.key"))
        own = Authority.read(ca.read_bytes(), key.read_bytes())
        brief, brief_key = own.issue(end=20 * DAY)
        (folder / "server.key").write_bytes(brief_key)
        (folder / "server.crt").write_bytes(brief)
        eventually(lambda: told(daemon, "certificate_made")[1:], 40)
        eventually(lambda: faults(daemon) == {})
        renewed = x509.load_pem_x509_certificate((folder / "server.crt").read_bytes())
        assert renewed.not_valid_after_utc > datetime.now(UTC) + 3650 * DAY


def test_R34_without_its_cas_key_it_serves_on_and_says_that_it_can_not_renew(make_daemon: MakeDaemon) -> None:
    with running(make_daemon()) as daemon:
        daemon.stop()
        key = daemon.data_dir / "tls" / "ca.key"
        kept = key.read_bytes()
        key.unlink()
        daemon.options += ["--tls-san", "licd.example"]
        daemon.start()
        eventually(lambda: faults(daemon) == {"not_renewed": 1}, 40)
        eventually(lambda: told(daemon, "certificate_not_renewed"))
        assert "ca.key is missing" in told(daemon, "certificate_not_renewed")[0]
        key.write_bytes(kept)
        eventually(lambda: faults(daemon) == {}, 40)


@pytest.mark.parametrize("years", [-50, 14])
def test_R34_a_clock_that_is_wrong_condemns_no_good_certificate(
    make_daemon: MakeDaemon, given: Path, tmp_path: Path, years: int
) -> None:
    clock = Skew(tmp_path / "clock", f"{years * 365:+}d")
    with running(serving(make_daemon, given, CA.issue(begin=-DAY), env=clock.env)) as daemon:
        assert served(daemon), "whose own clock is right"
        assert faults(daemon) == {"unusable": 1}
        clock.set("+0s")
        eventually(lambda: faults(daemon) == {})
        eventually(lambda: told(daemon, "certificate_usable"))
