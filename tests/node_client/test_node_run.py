"""licd-node: one seat for a process tree, its signals, its exit codes, its socket."""

import http.client
import json
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import threading

import pytest
from support.licd_node import Run, shell
from support.scripted_daemon import APPLICATION, LICENSED, PENDING, REJECTED, TOKEN, ScriptedDaemon
from support.waiting import eventually

import node_client
from licd.v1 import node_service_pb2 as pb
from node_client import NodeState, local
from node_client.seat_socket import SeatSocket
from node_client.testing import FakeNode


def test_it_starts_the_command_once_licensed_and_leaves_when_it_ends(daemon: ScriptedDaemon, run: Run) -> None:
    daemon.state = PENDING
    process = run("run", *shell("echo started; exit 7"))
    eventually(lambda: daemon.streams)
    assert process.poll() is None
    daemon.tell(LICENSED)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("started\n", 7)
    assert len(daemon.leaves) == 1
    assert daemon.joins[0].application.content == "sales, north"
    assert daemon.authorizations[0] == f"Bearer {TOKEN}"


def test_a_command_ended_by_a_signal_gives_128_and_its_number(run: Run) -> None:
    process = run("run", *shell("kill -9 $$"))
    process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGKILL


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT", "WINCH"])
def test_signals_are_passed_on(daemon: ScriptedDaemon, run: Run, name: str) -> None:
    process = run("run", *shell(f"trap 'echo {name}; exit 3' {name}; echo ready; while :; do sleep 0.02; done"))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(getattr(signal, f"SIG{name}"))
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == (f"{name}\n", 3)
    assert len(daemon.leaves) == 1


def test_a_signal_from_the_terminal_reaches_the_command_once(run: Run) -> None:
    counting = """
import signal, time
count = 0
def counted(*_):
    global count
    count += 1
signal.signal(signal.SIGINT, counted)
print("ready", flush=True)
deadline = time.monotonic() + 10
while not count and time.monotonic() < deadline: time.sleep(0.01)
settled = time.monotonic() + 0.5
while time.monotonic() < settled: time.sleep(0.01)
print("counted", count, flush=True)
"""
    inner = [sys.executable, "-m", "node_client.run", "run", "--", sys.executable, "-c", counting]
    process = run(program=("-c", f"import pty, sys; sys.exit(pty.spawn({inner!r}))"), stdin=subprocess.PIPE)
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        assert process.poll() is None
    out, _ = process.communicate("\x03", timeout=20)
    assert "counted 1" in out


def test_the_command_gets_default_signals_and_no_blocked_ones(run: Run) -> None:
    script = "import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, [])); import os; os.kill(os.getpid(), 15)"
    process = run("run", "--", sys.executable, "-c", script)
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("set()\n", 128 + signal.SIGTERM)


def test_a_signal_before_the_license_ends_it_without_a_start(daemon: ScriptedDaemon, run: Run) -> None:
    daemon.state = PENDING
    process = run("run", *shell("echo started"))
    eventually(lambda: daemon.streams)
    process.terminate()
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("", 128 + signal.SIGTERM)
    assert len(daemon.leaves) == 1


def test_the_loss_of_the_license_stops_the_command_after_the_grace(daemon: ScriptedDaemon, run: Run) -> None:
    script = "trap 'echo told; exit 0' TERM; echo ready; while :; do sleep 0.02; done"
    process = run("run", "--on-loss", "stop", "--loss-grace", "0.2", *shell(script))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    eventually(lambda: len(daemon.heartbeats) >= 8)
    daemon.tell(REJECTED)
    out, err = process.communicate(timeout=20)
    assert (out, process.returncode) == ("told\n", 75)
    assert "the license was lost" in err


def test_an_eviction_is_a_loss(daemon: ScriptedDaemon, run: Run) -> None:
    process = run("run", "--loss-grace", "0", *shell("exec sleep 60"))
    eventually(lambda: len(daemon.heartbeats) >= 8)
    daemon.end(pb.END_REASON_EVICTED)
    process.communicate(timeout=20)
    assert process.returncode == 75


def test_on_loss_warn_lets_the_command_go_on(daemon: ScriptedDaemon, run: Run, tmp_path: pathlib.Path) -> None:
    done = tmp_path / "done"
    script = f"echo ready; while [ ! -e {done} ]; do sleep 0.02; done; exit 4"
    process = run("run", "--on-loss", "warn", "--loss-grace", "0", *shell(script))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    eventually(lambda: len(daemon.heartbeats) >= 8)
    daemon.tell(REJECTED)
    eventually(lambda: daemon.heartbeats[-1].state_serial == daemon.serial)
    assert process.stderr is not None
    while "REJECTED" not in process.stderr.readline():
        assert process.poll() is None
    done.touch()
    process.communicate(timeout=20)
    assert process.returncode == 4


def test_everything_under_it_shares_one_seat(daemon: ScriptedDaemon, run: Run) -> None:
    script = """
import os, node_client
application = node_client.Application("Report Server", "10.0.19", "2024-05-31")
node = node_client.connect("127.0.0.1:1", application=application, insecure=True)
assert node.wait_licensed(5)
child = os.fork()
if child == 0:
    os._exit(0 if node.is_licensed() and 0 < node.lease_left <= 3 else 1)
assert os.waitpid(child, 0)[1] == 0
node.close()
print(node.state, oct(os.stat(os.environ["LICD_NODE_SOCKET"]).st_mode & 0o777))
"""
    out, err = run("run", "--", sys.executable, "-c", script).communicate(timeout=20)
    assert out == "CLOSED 0o600\n", err
    assert len(daemon.joins) == 1


def test_check_tells_a_probe_which_inherits_no_variable(daemon: ScriptedDaemon, run: Run) -> None:
    def check() -> int:
        probe = run("check")
        probe.communicate(timeout=20)
        return probe.returncode

    assert check() == 1
    process = run("run", *shell("echo started; exec sleep 60"))
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    assert check() == 0
    daemon.tell(REJECTED)
    eventually(lambda: daemon.heartbeats[-1].state_serial == daemon.serial)
    assert check() == 1


def test_check_inside_uses_the_variable(run: Run) -> None:
    command = f"{sys.executable} -m node_client.run check"
    out, _ = run("run", *shell(command)).communicate(timeout=20)
    assert out == "LICENSED\n"


@pytest.mark.parametrize(
    ("arguments", "environment", "told"),
    [
        (("run",), {}, "no command"),
        ((), {}, "run | check"),
        (("run", "--", "true"), {"LICD_APPLICATION": ""}, "application: write it as"),
        (("run", "--", "true"), {"LICD_APPLICATION": "name=a,version=1,build_date=x"}, "build_date"),
        (("run", "--", "true"), {"LICD_TOKEN_FILE": "/none"}, "token-file: cannot read /none"),
        (("run", "--", "true"), {"LICD_INSECURE": "perhaps"}, "insecure: "),
        (("run", "--", "true"), {"LICD_ADDRESS": "nowhere"}, "addresses: 'nowhere'"),
        (("run", "--", "true"), {"LICD_ON_LOSS": "panic"}, "on-loss: "),
        (("run", "--loss-grace", "soon", "--", "true"), {}, "loss-grace: "),
        (("run", "--token", TOKEN, "--", "true"), {}, "unrecognized"),
    ],
)
def test_wrong_usage_exits_2_and_says_why(
    run: Run, arguments: tuple[str, ...], environment: dict[str, str], told: str
) -> None:
    process = run(*arguments, **environment)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert told in err
    assert "Traceback" not in err


def test_a_command_that_is_not_there_takes_no_seat(daemon: ScriptedDaemon, run: Run) -> None:
    process = run("run", "--", "no-such-program")
    process.communicate(timeout=20)
    assert process.returncode == 127
    assert not daemon.joins


def get(path: str, target: str) -> tuple[int, dict[str, object]]:
    connection = http.client.HTTPConnection("licd-node")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(path)
    connection.request("GET", target)
    response = connection.getresponse()
    content = json.loads(response.read())
    connection.close()
    return response.status, content


def test_the_socket_answers_any_language_by_http() -> None:
    node = FakeNode(NodeState.WAITING)
    failure = node_client.Failure("MAX_AUTHORIZATIONS_REACHED", "title", "detail", "remedy", "report-1")
    node.set_failures([failure])
    with SeatSocket(node) as seat:
        assert stat.S_IMODE(seat.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(seat.path.parent.stat().st_mode) == 0o700
        code, content = get(str(seat.path), "/state")
        assert code == 200
        told = {
            "reason": "MAX_AUTHORIZATIONS_REACHED",
            "title": "title",
            "detail": "detail",
            "remedy": "remedy",
            "node_name": "report-1",
        }
        assert content == {
            "state": "WAITING",
            "licensed": False,
            "may_run": False,
            "failures": [told],
            "lease_left": 0.0,
            "grace_left": 0.0,
        }
        assert get(str(seat.path), "/secrets")[0] == 404
        assert local.ask(str(seat.path)).failures == (failure,)
    assert not seat.path.parent.exists()


def test_a_node_under_the_socket_sees_each_change_and_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    outer, seen = FakeNode(NodeState.PENDING), []
    with SeatSocket(outer) as seat:
        monkeypatch.setenv("LICD_NODE_SOCKET", str(seat.path))
        inner = node_client.connect(
            "127.0.0.1:7443",
            application=APPLICATION,
            insecure=True,
            on_change=lambda node: seen.append(node.state),
        )
        assert inner.status().state is NodeState.PENDING
        threading.Timer(0.1, outer.set_state, (NodeState.LICENSED,)).start()
        assert inner.wait_licensed(5)
        outer.set_state(NodeState.JEOPARDY)
        assert not inner.is_licensed()
        eventually(lambda: NodeState.JEOPARDY in seen)
    assert inner.state is NodeState.CONNECTING
    assert inner.failures[0].reason == "UNREACHABLE"
    inner.close()
    assert inner.status().state is NodeState.CLOSED
