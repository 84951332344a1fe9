"""Who gets into the console, and who does not (R35)."""

import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon, running
from support.vendor import TestVendor

from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import registration_service_pb2 as pb
from licd.v1 import token_service_pb2 as tokens
from licd_daemon.cli.serve.certificates import ensure_certificates

READS = ("registration", "check", "nodes", "seats", "events", "events/export", "live", "challenge.svg", "release.svg")
CHANGES = ("license?method=LOCAL_CONTAINER", "challenge", "code", "reset", "release", "evict")


@pytest.mark.parametrize("path", READS)
def test_nothing_is_told_without_a_login(browse: Callable[[str], Console], path: str) -> None:
    assert (answer := browse("").get(f"/api/{path}")).status == 401
    assert answer.refused == "NO_CREDENTIALS"


@pytest.mark.parametrize("role", ["", "viewer"])
def test_only_an_administrator_changes_anything(browse: Callable[[str], Console], admin: Admin, role: str) -> None:
    browser = browse(role)
    for path in CHANGES:
        assert browser.post(f"/api/{path}").status == (403 if role else 401), path
    assert admin.state == "UNLICENSED"


def test_pages_lead_to_the_login_and_hold_no_data_of_the_cluster(
    browse: Callable[[str], Console], admin: Admin, vendor: TestVendor
) -> None:
    admin.upload(vendor.lic())
    for page in ("registration", "nodes", "events"):
        answer = browse("").get(f"/{page}")
        assert (answer.status, answer.headers["location"]) == (303, f"/login?next={page}")
        assert b"Acme" not in browse("admin").get(f"/{page}").content


@pytest.mark.parametrize("token", ["", "licd_" + "x" * 43, "\u0000", "a" * 3000])
def test_an_unknown_token_opens_nothing(browse: Callable[[str], Console], token: str) -> None:
    browser = browse("")
    answer = browser.log_in(token)
    assert (answer.status, answer.refused, answer.cookies) == (401, "NO_CREDENTIALS", [])


def test_a_nodes_token_opens_nothing(browse: Callable[[str], Console], daemon: Daemon) -> None:
    answer = browse("").log_in(daemon.token("node"))
    assert (answer.status, answer.refused, answer.cookies) == (403, "WRONG_ROLE", [])


def test_the_cookie_is_out_of_reach_of_scripts_other_sites_and_plaintext(
    browse: Callable[[str], Console], daemon: Daemon
) -> None:
    (cookie,) = browse("").log_in(daemon.token("admin")).cookies
    parts = {part.strip().lower() for part in cookie.split(";")}
    assert {"httponly", "secure", "samesite=strict", "path=/"} <= parts
    assert cookie.startswith("__Host-")
    assert "domain" not in cookie.lower()
    assert daemon.token("admin") not in cookie
    console = browse("admin")
    console.cookie = console.cookie.removeprefix("__Host-")
    assert console.get("/api/registration").status == 401


@pytest.mark.parametrize("daemon", [("--insecure",)], indirect=True)
def test_in_plaintext_on_loopback_the_cookie_is_one_that_every_browser_takes(daemon: Daemon) -> None:
    console = Console(daemon.console)
    (cookie,) = console.log_in(daemon.token("admin")).cookies
    assert cookie.startswith("licd_console=")
    assert "secure" not in cookie.lower()
    assert console.get("/api/registration").status == 200


def test_r35_a_viewer_sees_no_qr_and_no_address_of_one(
    browse: Callable[[str], Console], daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    admin.upload(vendor.lic())
    addresses = [admin.challenge().url]
    seen = seen_by(daemon, browse, "viewer")
    addresses.append(admin.stubs.registration.ReleaseLicense(pb.ReleaseLicenseRequest()).registration.release.url)
    seen += seen_by(daemon, browse, "viewer")
    assert all(addresses)
    assert not [address for address in addresses if address.rpartition("/")[2] in seen]
    shown = seen_by(daemon, browse, "admin")
    assert addresses[1] in shown
    assert addresses[0] in shown  # in the events
    for picture in ("challenge.svg", "release.svg"):
        assert browse("viewer").get(f"/api/{picture}").status == 403
    assert browse("admin").get("/api/release.svg").status == 200


def seen_by(daemon: Daemon, browse: Callable[[str], Console], role: str) -> str:
    """Everything that someone with that role is shown of registration and events, over gRPC and in the console."""
    stubs, browser = daemon.stubs(role), browse(role)
    answers = [
        stubs.registration.GetRegistration(pb.GetRegistrationRequest()),
        next(stubs.registration.WatchRegistration(pb.WatchRegistrationRequest())),
        stubs.cluster.ListEvents(cluster.ListEventsRequest(page_size=1000)),
    ]
    events = stubs.cluster.WatchEvents(cluster.WatchEventsRequest(after_position=0))
    answers += [next(events) for _ in answers[-1].events]
    pages = ["registration", "events", "events/export", "events/export?format=csv"]
    answers += [browser.get(f"/api/{page}").content.decode() for page in pages]
    answers.append(next(browser.live("topic=registration")))
    answers.append(next(browser.live("topic=events&after=1")))
    return "".join(map(str, answers))


@pytest.mark.parametrize("headers", [{"x_licd": ""}, {"origin": "https://evil.example"}, {"origin": "null"}])
def test_another_sites_page_can_change_nothing(
    console: Console, admin: Admin, vendor: TestVendor, headers: dict[str, str]
) -> None:
    admin.upload(vendor.lic())
    if headers == {"x_licd": ""}:
        answer = console.request("POST", "/api/challenge", b"{}")
    else:
        answer = console.post("/api/challenge", **headers)
    assert (answer.status, answer.refused) == (403, "WRONG_ROLE")
    assert not admin.registration().HasField("challenge")


def test_the_consoles_own_page_can(console: Console, daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    admin.upload(vendor.lic())
    assert console.post("/api/challenge", origin=daemon.console).status == 200


def test_a_revoked_token_ends_its_logins_and_their_streams_at_once(
    browse: Callable[[str], Console], daemon: Daemon, admin: Admin
) -> None:
    made = admin.stubs.tokens.CreateToken(tokens.CreateTokenRequest(role=tokens.ROLE_VIEWER, name="guest"))
    guest = browse("")
    assert guest.log_in(made.secret).status == 200
    stream = guest.live("topic=registration")
    next(stream)
    with ThreadPoolExecutor(1) as readers:
        rest = readers.submit(list, stream)
        admin.stubs.tokens.RevokeToken(tokens.RevokeTokenRequest(token_id=made.token.token_id))
        rest.result(timeout=5)
    assert guest.get("/api/registration").status == 401
    assert guest.log_in(made.secret).status == 401


def test_a_logout_ends_the_login_wherever_its_cookie_is(browse: Callable[[str], Console]) -> None:
    browser = browse("viewer")
    assert browser.post("/api/logout").status == 200
    assert browser.get("/api/registration").status == 401


def test_the_link_logs_in_once(browse: Callable[[str], Console], daemon: Daemon) -> None:
    file = daemon.data_dir / "console-login"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    link = file.read_text().strip()
    assert link.startswith(daemon.console + "/login#")
    first, second = browse(""), browse("")
    assert first.follow_link(link).status == 200
    assert first.get("/api/session").json == {"role": "admin"}
    assert second.follow_link(link).status == 401
    assert not file.exists()
    assert link.partition("#")[2] not in str(daemon.log)


def test_the_links_login_ends_with_the_token_it_stands_for(
    browse: Callable[[str], Console], daemon: Daemon, admin: Admin
) -> None:
    browser = browse("")
    browser.follow_link((daemon.data_dir / "console-login").read_text().strip())
    other = admin.stubs.tokens.CreateToken(tokens.CreateTokenRequest(role=tokens.ROLE_ADMIN, name="other"))
    rest = daemon.stubs(token=other.secret)
    (first,) = (
        token for token in rest.tokens.ListTokens(tokens.ListTokensRequest()).tokens if token.name == "admin.token"
    )
    rest.tokens.RevokeToken(tokens.RevokeTokenRequest(token_id=first.token_id))
    assert browser.get("/api/registration").status == 401


def test_a_stopped_daemon_leaves_no_link(daemon: Daemon) -> None:
    assert daemon.stop() == 0
    assert not (daemon.data_dir / "console-login").exists()


def test_guessing_is_slowed_down(browse: Callable[[str], Console]) -> None:
    browser = browse("")
    answers = (browser.log_in(f"licd_{number:043d}") for number in range(15))
    slowed = next(answer for answer in answers if answer.status != 401)
    assert slowed.status == 429
    assert int(slowed.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "path", ["/", "/login", "/registration", "/static/console.css", "/api/registration", "/nowhere"]
)
def test_every_answer_forbids_inline_scripts_frames_and_strangers(console: Console, path: str) -> None:
    headers = console.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


@pytest.mark.parametrize(
    "path", ["/static/../console.py", "/static/%2e%2e/console.py", "/static//etc/passwd", "/static/"]
)
def test_only_static_files_are_served(console: Console, path: str) -> None:
    assert console.get(path).status in (404, 405)


def certificate(daemon: Daemon) -> bytes:
    """What the console shows to a new connection."""
    host, port = daemon.console.removeprefix("https://").split(":")
    context = ssl.create_default_context(cadata=daemon.ca.decode())
    with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=host) as tls:
        return tls.getpeercert(binary_form=True) or b""


def test_R34_new_connections_get_a_new_certificate(daemon: Daemon) -> None:
    before = certificate(daemon)
    ensure_certificates(daemon.data_dir / "tls", ["127.0.0.1", "new.example"], datetime.now(UTC))
    assert certificate(daemon) != before
    (daemon.data_dir / "tls" / "server.crt").write_text("garbage")
    assert certificate(daemon) != before, "what can't be used leaves the last one in force"


def test_a_console_port_in_use_is_a_clear_word_at_the_start(daemon: Daemon, tmp_path: Path) -> None:
    address = daemon.console.removeprefix("https://")
    command = [sys.executable, "-m", "licd_daemon", "serve", *daemon.options, "--data-dir", str(tmp_path / "other")]
    done = subprocess.run(
        [*command, "--console-listen", address], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.returncode == 1
    assert f"--console-listen {address}: the address is in use" in done.stderr


def test_both_ports_can_be_off(make_daemon: Callable[..., Daemon]) -> None:
    with running(make_daemon("--console-listen", "off", "--ops-listen", "off")) as daemon:
        assert (daemon.console, daemon.ops) == ("", "")
        assert not (daemon.data_dir / "console-login").exists()
        assert Admin(daemon.stubs("admin"), TestVendor()).state == "UNLICENSED"
