"""R37: a node that verifies: fake leaders, fake sockets, other licenses, leases that are too long."""

import dataclasses
import http.server
import json
import pathlib
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support.licd_node import Run
from support.scripted_daemon import LICENSED, WAITING, Join, ScriptedDaemon
from support.vendor import DAY, TestVendor
from support.waiting import eventually

import node_client
from licd.v1 import node_service_pb2 as pb
from node_client import Application, Node, NodeState, Status
from node_client.belief import Answer, Belief
from node_client.local import LocalNode
from node_client.proof import LONGEST_DRIFT, LONGEST_LEASE, MISSING
from node_client.seat_socket import SeatSocket
from node_client.socket_place import Place
from node_client.verifier import Verifier

PROGRAM = Application("report-server", "10.0.19", "2024-05-31", "sales")
VENDOR = TestVendor()
OTHERS: dict[str, tuple[dict[str, Any], str]] = {
    "another application": ({"name": "etl"}, "APPLICATION_NAME_MISMATCH"),
    "another version": ({"version": "10.1"}, "VERSION_MISMATCH"),
    "a lowest version": ({"min_version": "10.0.20"}, "VERSION_MISMATCH"),
    "another content": ({"content": "hr"}, "PROJECT_CONTENT_MISMATCH"),
    "a later build": ({"min_build_date": "2024-06-01"}, "BUILD_TOO_OLD"),
}


@pytest.fixture
def keys(tmp_path: pathlib.Path) -> pathlib.Path:
    return VENDOR.write_keys(tmp_path / "vendor-keys.json")


@pytest.fixture
def verifying(join: Join, keys: pathlib.Path) -> Callable[[], Node]:
    """Connects a node that verifies, and waits until the daemon has told it a state."""

    def connect() -> Node:
        node = join(application=PROGRAM, vendor_keys=keys.read_text())
        eventually(lambda: node.state is not NodeState.CONNECTING)
        return node

    return connect


def lic(**application: Any) -> bytes:
    license = VENDOR.license()
    return VENDOR.lic(dataclasses.replace(license, application=dataclasses.replace(license.application, **application)))


def reasons(status: Status) -> list[str]:
    return [failure.reason for failure in status.failures]


def ended(seconds_ago: int) -> bytes:
    now = int(time.time())
    return VENDOR.lic(issued_at=now - DAY, expires_at=now - seconds_ago)


def reissue(daemon: ScriptedDaemon, content: bytes) -> None:
    daemon.serial += 1
    daemon.push(pb.KeepAliveResponse(state=pb.StateChange(serial=daemon.serial, state=LICENSED, license=content)))


# A daemon that anybody could write


def test_R37_a_license_of_the_pinned_vendor_is_believed(daemon: ScriptedDaemon, verifying: Callable[[], Node]) -> None:
    daemon.license = lic()
    node = verifying()
    assert node.is_licensed()
    assert node.license() == daemon.license
    assert daemon.joins[0].wants_license
    eventually(lambda: daemon.opens and daemon.opens[0].wants_license)


def test_R37_a_fake_leader_without_a_license_is_not_believed(verifying: Callable[[], Node]) -> None:
    status = verifying().status()
    assert (status.licensed, status.may_run, reasons(status)) == (False, False, ["LICENSE_MISSING"])


@pytest.mark.parametrize("content", [b"no license", TestVendor().lic(), lic() + b"x", lic()[:-8]])
def test_R37_a_license_that_no_pinned_key_has_signed_is_not_believed(
    daemon: ScriptedDaemon, verifying: Callable[[], Node], content: bytes
) -> None:
    daemon.license = content
    status = verifying().status()
    assert (status.state, status.may_run, reasons(status)) == (NodeState.REJECTED, False, ["LICENSE_UNTRUSTED"])
    assert status.failures[0].remedy


@pytest.mark.parametrize("other", OTHERS)
def test_R37_a_license_of_another_application_is_not_believed(
    daemon: ScriptedDaemon, verifying: Callable[[], Node], other: str
) -> None:
    application, reason = OTHERS[other]
    daemon.license = lic(**application)
    status = verifying().status()
    assert (status.licensed, reasons(status)) == (False, [reason])


def test_R37_a_license_that_has_ended_is_not_believed_and_a_daemon_cannot_stretch_its_clock(
    daemon: ScriptedDaemon, verifying: Callable[[], Node]
) -> None:
    daemon.max_clock_drift, daemon.license = 1e9, ended(int(LONGEST_DRIFT) + 60)
    status = verifying().status()
    assert (status.may_run, reasons(status)) == (False, ["CERTIFICATE_EXPIRED"])
    assert "Expiration time: " in status.failures[0].detail


def test_R37_clocks_may_differ_by_the_drift_limit(daemon: ScriptedDaemon, verifying: Callable[[], Node]) -> None:
    daemon.max_clock_drift, daemon.license = 600.0, ended(60)
    assert verifying().is_licensed()


def test_R37_a_lease_longer_than_an_hour_is_cut_to_one(daemon: ScriptedDaemon, verifying: Callable[[], Node]) -> None:
    daemon.license, daemon.lease_ttl = lic(), 1e6
    node = verifying()
    eventually(lambda: len(daemon.heartbeats) > 1)
    assert LONGEST_LEASE - 60 < node.lease_left <= LONGEST_LEASE


def test_R37_a_reissue_is_verified_while_the_node_runs(daemon: ScriptedDaemon, verifying: Callable[[], Node]) -> None:
    daemon.license = lic()
    node = verifying()
    reissue(daemon, TestVendor().lic())
    eventually(lambda: reasons(node.status()) == ["LICENSE_UNTRUSTED"])
    reissue(daemon, lic(name="etl"))
    eventually(lambda: reasons(node.status()) == ["APPLICATION_NAME_MISMATCH"])
    assert not node.is_licensed()
    reissue(daemon, lic())
    assert node.wait_licensed(10)
    daemon.tell(LICENSED)  # without a license: it is as before
    eventually(lambda: daemon.heartbeats[-1].state_serial == daemon.serial)
    assert node.is_licensed()


def test_R37_what_else_the_daemon_says_is_told_as_it_is(daemon: ScriptedDaemon, verifying: Callable[[], Node]) -> None:
    daemon.state = WAITING
    status = verifying().status()
    assert (status.state, status.failures) == (NodeState.WAITING, ())


def test_R37_a_plain_node_asks_for_no_license_and_believes_as_before(daemon: ScriptedDaemon, join: Join) -> None:
    node = join()
    assert node.wait_licensed(10)
    assert not daemon.joins[0].wants_license
    assert node.license() == b""


# The grace of an absent daemon (R41)


def proven(content: bytes, keys: pathlib.Path, until: float, grace: float) -> Belief:
    answer = Answer("s", 1, 15.0, 5.0, NodeState.LICENSED, outage_grace=grace, license=content)
    belief = Belief(proof=MISSING).answered(answer, sent=0.0)
    return belief.proven(Verifier(keys, PROGRAM).judge(content), until)


def test_R41_grace_of_a_node_that_verifies_is_what_the_license_allows_and_ends_with_it(keys: pathlib.Path) -> None:
    content = VENDOR.lic(outage_grace_seconds=100)
    belief = proven(content, keys, until=50.0, grace=1e6)
    assert belief.status_at(10).licensed
    assert belief.status_at(20).grace_left == 30.0  # the license ends at 50, its grace would at 115
    assert (belief.status_at(50).may_run, reasons(belief.status_at(50))) == (False, ["CERTIFICATE_EXPIRED"])
    assert proven(content, keys, until=1e9, grace=1e6).status_at(20).grace_left == 95.0
    assert proven(content, keys, until=1e9, grace=10).status_at(20).grace_left == 5.0
    assert not proven(b"forged", keys, until=1e9, grace=1e6).status_at(20).may_run


# The seat socket


class _FakeAgent(http.server.BaseHTTPRequestHandler):
    license = b""
    raw = b""

    def do_GET(self) -> None:
        body = self.license
        if self.raw and self.path == "/license":
            self.wfile.write(self.raw)
            return
        if self.path == "/state":
            said = {"state": "LICENSED", "licensed": True, "failures": [], "lease_left": 1e9, "grace_left": 0.0}
            body = json.dumps(said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def fake_socket(tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    path = tmp_path / "fake"
    with socketserver.ThreadingUnixStreamServer(str(path), _FakeAgent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path
        server.shutdown()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "LICENSE_MISSING"), (TestVendor().lic(), "LICENSE_UNTRUSTED"), (ended(60), "CERTIFICATE_EXPIRED")],
)
def test_R37_a_fake_socket_is_not_believed(
    fake_socket: pathlib.Path,
    keys: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes,
    reason: str,
) -> None:
    monkeypatch.setattr(_FakeAgent, "license", content)
    monkeypatch.setenv("LICD_NODE_SOCKET", str(fake_socket))
    with node_client.connect("192.0.2.1:7443", application=PROGRAM, token="x", vendor_keys=keys) as node:
        assert (node.wait_licensed(0), reasons(node.status())) == (False, [reason])


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 30, "9" * 5000])
def test_R37_a_socket_that_answers_garbage_for_the_license_is_not_believed(
    fake_socket: pathlib.Path, keys: pathlib.Path, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setattr(_FakeAgent, "raw", b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\nx" % length.encode())
    status = LocalNode(str(fake_socket), None, Verifier(keys, PROGRAM)).status()
    assert (status.may_run, len(status.failures)) == (False, 1)


def test_R37_a_socket_that_hands_a_true_license_on_is_believed_for_an_hour_at_most(
    fake_socket: pathlib.Path, keys: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_FakeAgent, "license", lic())
    assert LocalNode(str(fake_socket), None, Verifier(keys, PROGRAM)).lease_left == LONGEST_LEASE


def test_R37_licd_node_hands_the_license_on_to_programs_that_verify_it(
    daemon: ScriptedDaemon, run: Run, keys: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    daemon.license = lic()
    path = tmp_path / "node.sock"
    run("agent", "--socket", str(path))
    node = LocalNode(str(path), None, Verifier(keys, PROGRAM))
    eventually(node.is_licensed)
    assert node.license() == daemon.license
    other = LocalNode(str(path), None, Verifier(TestVendor().write_keys(tmp_path / "other"), PROGRAM))
    assert reasons(other.status()) == ["LICENSE_UNTRUSTED"]


def test_R37_licd_node_itself_verifies_with_vendor_keys(daemon: ScriptedDaemon, run: Run, keys: pathlib.Path) -> None:
    process = run("agent", "--socket", str(keys.with_name("s")), "--vendor-keys", str(keys))
    eventually(lambda: keys.with_name("s").exists())
    node = LocalNode(str(keys.with_name("s")), None)
    eventually(lambda: reasons(node.status()) == ["LICENSE_MISSING"])
    assert process.poll() is None


def test_R37_a_socket_without_a_license_says_so(join: Join, tmp_path: pathlib.Path) -> None:
    with SeatSocket(join(), Place(tmp_path / "s", 0o600, -1)) as served:
        assert LocalNode(str(served.path), None).license() == b""


# What it takes

WITHOUT = """
import sys
for name in ("cryptography", "jwt", "licd_formats"):
    sys.modules[name] = None
import node_client
application = node_client.Application("Report Server", "10.0.19", "2024-05-31")
with node_client.connect("127.0.0.1:1", application=application, insecure=True) as node:
    print(node.state)
try:
    node_client.connect("127.0.0.1:1", application=application, insecure=True, vendor_keys='{"keys": []}')
except ValueError as error:
    print(error)
"""


def test_R37_without_the_extra_a_plain_node_works_and_one_that_verifies_names_what_to_install() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=60, check=True)
    state, error = done.stdout.splitlines()
    assert state == "CONNECTING"
    assert error.startswith("vendor_keys: ")
    assert "pip install 'licd[verify]'" in error


@pytest.mark.parametrize("bad", ['{"keys": []}', "{", "/nowhere/keys.json"])
def test_R37_keys_that_cannot_be_used_are_refused_at_once(join: Join, bad: str) -> None:
    with pytest.raises(ValueError, match=r"^vendor_keys: "):
        join(vendor_keys=bad)
