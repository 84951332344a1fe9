"""R38: licd-node agent, its socket, and who may ask there and be believed (R37)."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from support.licd_node import Run, shell
from support.scripted_daemon import LICENSED, PENDING, REJECTED, WAITING, ScriptedDaemon
from support.waiting import eventually

import node_client
from licd.v1 import node_service_pb2 as pb
from node_client import Application, NodeState, local, seat_http, socket_place
from node_client.local import LocalNode
from node_client.seat_socket import SeatSocket
from node_client.socket_place import Place, PlaceError
from node_client.testing import FakeNode

NOBODY = 65534
ASKING = """
import os, sys, encodings.idna, node_client  # another user cannot read this one's Python
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[1]))
application = node_client.Application("Report Server", "10.0.19", "2024-05-31")
node = node_client.connect("127.0.0.1:1", application=application, insecure=True)
status = node.status()
print(status.state, [failure.reason for failure in status.failures])
"""


@pytest.fixture
def path() -> Iterator[pathlib.Path]:
    """A short path that other users may reach."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder / "node.sock"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def agent(daemon: ScriptedDaemon, run: Run, path: pathlib.Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts an agent at `path`, and waits until it answers."""

    def start(*options: str, **environment: str) -> "subprocess.Popen[str]":
        process = run("agent", "--socket", str(path), *options, **environment)
        eventually(lambda: process.poll() is not None or path.exists())
        return process

    return start


def asked(path: pathlib.Path, user: int, group: int) -> str:
    environment = {**os.environ, "LICD_NODE_SOCKET": str(path)}
    command = [sys.executable, "-c", ASKING, str(user), str(group)]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()


def state(path: pathlib.Path) -> NodeState:
    return local.ask(str(path)).state


def test_R38_an_agent_holds_a_seat_for_a_server_of_another_user(
    daemon: ScriptedDaemon, agent: Callable[..., "subprocess.Popen[str]"], path: pathlib.Path
) -> None:
    process = agent("--socket-mode", "660", "--socket-group", str(NOBODY))
    eventually(lambda: state(path) is NodeState.LICENSED)
    found = path.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_gid) == (0o660, NOBODY)
    assert asked(path, 12345, NOBODY) == "LICENSED []"
    assert asked(path, 12345, 12345) == "CONNECTING ['UNREACHABLE']"
    process.terminate()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert len(daemon.leaves) == 1
    assert not path.exists()
    assert f"user 12345, group {NOBODY}" in err


def test_R38_an_agent_that_is_evicted_ends(
    daemon: ScriptedDaemon, agent: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = agent()
    eventually(lambda: daemon.streams)
    daemon.end(pb.END_REASON_EVICTED)
    assert process.wait(20) == 75


def test_R38_an_agent_takes_its_socket_from_the_variable_that_programs_use(run: Run, path: pathlib.Path) -> None:
    run("agent", LICD_NODE_SOCKET=str(path))
    eventually(lambda: path.exists() and state(path) is NodeState.LICENSED)
    second = run("agent", LICD_NODE_SOCKET=str(path))
    _, err = second.communicate(timeout=20)
    assert second.returncode == 2
    assert "another program serves" in err
    # A program wrapped where an agent runs shares the agent's seat.
    out, _ = run("run", *shell("echo $LICD_NODE_SOCKET"), LICD_NODE_SOCKET=str(path)).communicate(timeout=20)
    assert out.strip() not in ("", str(path))


def test_R38_run_serves_at_the_socket_that_is_named(daemon: ScriptedDaemon, run: Run, path: pathlib.Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:  # of one that was killed
        stale.bind(str(path))
    process = run("run", *shell("echo $LICD_NODE_SOCKET; exec sleep 60"), LICD_NODE_SOCKET=str(path))
    assert process.stdout is not None
    assert process.stdout.readline().strip() == str(path)
    assert state(path) is NodeState.LICENSED
    assert len(daemon.joins) == 1
    process.kill()
    process.wait(20)
    assert path.exists()
    again = run("run", "--socket", str(path), *shell("exit 3"))
    again.communicate(timeout=20)
    assert again.returncode == 3


@pytest.mark.parametrize("all_of_it", [False, True])
def test_R38_a_socket_that_a_cleaner_takes_away_is_made_again(path: pathlib.Path, all_of_it: bool) -> None:
    node = FakeNode(NodeState.LICENSED)
    with SeatSocket(node, Place(path, 0o640, NOBODY)) as seat:
        before = seat.path.stat()
        if all_of_it:
            shutil.rmtree(path.parent)
        else:
            path.unlink()
        eventually(path.exists)
        eventually(lambda: socket_place.is_served(path))
        after = path.stat()
        assert (after.st_mode, after.st_gid) == (before.st_mode, before.st_gid)
        assert state(path) is NodeState.LICENSED
    assert not path.exists()


def test_R38_the_default_socket_comes_back_too_and_goes_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tempfile.mkdtemp()
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    with SeatSocket(FakeNode(NodeState.LICENSED)) as seat:
        shutil.rmtree(seat.path.parent)
        eventually(lambda: seat.path.exists() and socket_place.is_served(seat.path))
        assert stat.S_IMODE(seat.path.parent.stat().st_mode) == 0o700
        assert socket_place.running() == [str(seat.path)]
    assert os.listdir(folder) == []
    os.rmdir(folder)


def test_R38_what_another_has_put_there_is_left_alone(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    with SeatSocket(FakeNode(NodeState.LICENSED), Place(path)):
        path.unlink()
        with SeatSocket(FakeNode(NodeState.PENDING), Place(path)):
            eventually(lambda: "another program serves" in caplog.text)
            assert state(path) is NodeState.PENDING
        eventually(lambda: path.exists() and socket_place.is_served(path))
        assert state(path) is NodeState.LICENSED


def test_R38_a_place_that_cannot_be_is_refused_as_text(run: Run, path: pathlib.Path) -> None:
    with pytest.raises(PlaceError, match="107 are possible"):
        Place(path.parent / ("n" * 100)).refuse_impossible()
    path.write_text("the user's own")
    with pytest.raises(PlaceError, match="is not a socket"):
        Place(path).refuse_impossible()
    wrong = {"--socket-mode": "rw", "--socket-group": "no-such-group", "--socket": "/proc/none/node.sock"}
    for option, value in wrong.items():
        process = run("agent", option, value)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 2
        assert f"licd-node: {option[2:]}: " in err
        assert "Traceback" not in err
    assert path.read_text() == "the user's own"


class Watching:
    """A program that watches."""

    def __init__(self, path: pathlib.Path) -> None:
        self._connection = http.client.HTTPConnection("licd-node", timeout=20)
        self._connection.sock = socket.socket(socket.AF_UNIX)
        self._connection.sock.settimeout(20)
        self._connection.sock.connect(str(path))
        self._connection.request("GET", "/watch")
        self.response = self._connection.getresponse()

    def line(self) -> str:
        line = self.response.readline()
        return json.loads(line)["state"] if line else ""

    def close(self) -> None:
        self.response.close()
        self._connection.close()


def test_R38_a_watcher_gets_the_state_and_each_change(path: pathlib.Path) -> None:
    node = FakeNode(NodeState.PENDING)
    with SeatSocket(node, Place(path)):
        watching = Watching(path)
        assert watching.line() == "PENDING"
        node.set_state(NodeState.LICENSED)
        assert watching.line() == "LICENSED"
        node.set_grace(60)
        assert watching.line() == "GRACE"
        node.close()
        assert watching.line() == "CLOSED"
    assert watching.line() == ""
    watching.close()


def test_R38_watchers_are_bounded_and_those_that_leave_make_room(
    path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seat_http, "MOST_WATCHERS", 2)
    with SeatSocket(FakeNode(NodeState.LICENSED), Place(path)):
        two = [Watching(path), Watching(path)]
        third = Watching(path)
        assert third.response.status == 503
        two[0].close()

        def taken() -> bool:
            another = Watching(path)
            line = another.response.status == 200 and another.line()
            another.close()
            return line == "LICENSED"

        eventually(taken)
        two[1].close()
        third.close()


def test_R38_too_many_connections_are_dropped_and_the_socket_still_answers(path: pathlib.Path) -> None:
    before = threading.active_count()
    with SeatSocket(FakeNode(NodeState.LICENSED), Place(path)), ExitStack() as connections:
        for _ in range(seat_http.MOST_CONNECTIONS + 20):
            connections.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        eventually(lambda: threading.active_count() > before + seat_http.MOST_CONNECTIONS)
        assert threading.active_count() < before + seat_http.MOST_CONNECTIONS + 10
        connections.close()

        def answers() -> bool:
            try:
                return state(path) is NodeState.LICENSED
            except (OSError, ValueError):
                return False

        eventually(answers)


def test_R38_the_log_says_who_asks_and_stays_short(path: pathlib.Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="licd-node")
    with SeatSocket(FakeNode(NodeState.LICENSED), Place(path)):
        for _ in range(20):
            assert state(path) is NodeState.LICENSED
    lines = [record.message for record in caplog.records if "asked by" in record.message]
    assert len(lines) == 1
    assert f"process {os.getpid()} of user {os.geteuid()}" in lines[0]


FAKE = """
import http.server, json, os, socketserver, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seat = {"state": "LICENSED", "licensed": True, "failures": [], "lease_left": 9, "grace_left": 0}
        body = json.dumps(seat)
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body.encode())
    def address_string(self): return "-"
    def log_message(self, *_): pass
os.setgid(65534); os.setuid(65534)
server = socketserver.UnixStreamServer(sys.argv[1], Handler)
os.chmod(sys.argv[1], 0o666)
print("ready", flush=True)
server.serve_forever()
"""


@pytest.fixture
def fake(path: pathlib.Path) -> Iterator[None]:
    """Another user's process that says LICENSED at `path`."""
    path.parent.chmod(0o777)
    with subprocess.Popen([sys.executable, "-c", FAKE, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
        process.kill()


@pytest.mark.usefixtures("fake")
def test_R37_a_socket_of_another_user_is_not_believed(path: pathlib.Path, run: Run) -> None:
    status = LocalNode(str(path), None).status()
    assert not status.may_run
    (failure,) = status.failures
    assert failure.reason == "UNTRUSTED_SOCKET"
    assert f"user {NOBODY} serves {path}" in failure.detail
    assert asked(path, NOBODY, NOBODY) == "LICENSED []"  # its own user may deceive himself
    probe = run("check", "--socket", str(path))
    out, _ = probe.communicate(timeout=20)
    assert probe.returncode == 1
    assert "user" in out


def test_R38_a_waiting_node_is_ready_for_a_rolling_update(
    daemon: ScriptedDaemon, agent: Callable[..., "subprocess.Popen[str]"], run: Run, path: pathlib.Path
) -> None:
    def check(*options: str) -> int:
        probe = run("check", "--socket", str(path), *options)
        probe.communicate(timeout=20)
        return probe.returncode

    agent()
    for reported, plain, ready in ((WAITING, 1, 0), (LICENSED, 0, 0), (PENDING, 1, 1), (REJECTED, 1, 1)):
        daemon.tell(reported)
        eventually(lambda: daemon.heartbeats and daemon.heartbeats[-1].state_serial == daemon.serial)
        assert (check(), check("--ready")) == (plain, ready)


def test_R38_what_an_agent_licenses_ends_with_it(
    agent: Callable[..., "subprocess.Popen[str]"], path: pathlib.Path
) -> None:
    process = agent()
    eventually(lambda: state(path) is NodeState.LICENSED)
    watching = Watching(path)
    assert watching.line() == "LICENSED"
    process.send_signal(signal.SIGTERM)
    assert watching.line() in ("CLOSED", "")
    process.wait(20)
    application = Application("Report Server", "10.0.19", "2024-05-31")
    os.environ["LICD_NODE_SOCKET"] = str(path)
    try:
        with node_client.connect("127.0.0.1:1", application=application, insecure=True) as node:
            assert not node.may_run()
    finally:
        del os.environ["LICD_NODE_SOCKET"]
