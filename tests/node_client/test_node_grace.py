"""R41: how long a program may go on when the daemon is away; time is passed in, or a scripted daemon really leaves."""

import dataclasses
import http.server
import json
import math
import os
import pathlib
import signal
import socketserver
import threading

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.scripted_daemon import APPLICATION, LICENSED, PENDING, REJECTED, WAITING, Join, Refuse, ScriptedDaemon
from support.waiting import eventually

import node_client
from licd.v1 import node_service_pb2 as pb
from node_client import Failure, NodeState, Status, local
from node_client.belief import LONGEST_GRACE, Answer, Belief
from node_client.loss import KILL_AFTER, Loss
from node_client.seat_socket import SeatSocket
from node_client.testing import FakeNode

DAY = 86_400.0
ANSWER = Answer("s", epoch=1, lease_ttl=15, heartbeat_interval=5, reported=NodeState.LICENSED, outage_grace=900)


def reported(state: NodeState) -> Belief:
    """Told `state` at 0, with a lease until 15 and a grace until 915."""
    return Belief().answered(dataclasses.replace(ANSWER, reported=state), sent=0)


LICENSED_ONCE = reported(NodeState.LICENSED)


@pytest.mark.parametrize(
    ("belief", "licensed_until", "may_run_until"),
    [
        pytest.param(Belief(), 0, 0, id="connecting"),
        pytest.param(LICENSED_ONCE, 15, 915, id="licensed"),
        pytest.param(reported(NodeState.PENDING), 0, 0, id="pending"),
        pytest.param(reported(NodeState.WAITING), 0, 0, id="waiting"),
        pytest.param(reported(NodeState.REJECTED), 0, 0, id="rejected"),
        pytest.param(LICENSED_ONCE.ended(NodeState.EVICTED), 0, 0, id="evicted"),
        pytest.param(LICENSED_ONCE.ended(NodeState.CLOSED), 0, 0, id="closed"),
        pytest.param(LICENSED_ONCE.forgotten(), 0, 0, id="its session ended"),
        pytest.param(LICENSED_ONCE.informed(1, NodeState.WAITING, ()), 0, 0, id="its seat was withdrawn"),
        pytest.param(
            reported(NodeState.WAITING).informed(1, NodeState.LICENSED, (), 900), 15, 915, id="licensed by a state"
        ),
        pytest.param(LICENSED_ONCE.informed(1, NodeState.LICENSED, (), 60), 15, 75, id="a reissue changed it"),
        pytest.param(LICENSED_ONCE.troubled(Failure("UNREACHABLE", "away")), 15, 915, id="unreachable"),
        pytest.param(LICENSED_ONCE.unwelcome(), 15, 15, id="its token was revoked"),
        pytest.param(
            LICENSED_ONCE.acknowledged(epoch=1, lease_ttl=15, sent=10, now=11),
            25,
            925,
            id="counted from the last lease",
        ),
        pytest.param(
            LICENSED_ONCE.acknowledged(epoch=1, lease_ttl=15, sent=14, now=16), 15, 915, id="no lease was revived"
        ),
        pytest.param(
            Belief().answered(dataclasses.replace(ANSWER, outage_grace=0), sent=0), 15, 15, id="daemon without grace"
        ),
        pytest.param(
            Belief().answered(dataclasses.replace(ANSWER, outage_grace=math.inf), sent=0),
            15,
            15 + LONGEST_GRACE,
            id="seven days at the most",
        ),
        pytest.param(
            LICENSED_ONCE.answered(dataclasses.replace(ANSWER, outage_grace=60), sent=20),
            35,
            95,
            id="reissued: shorter",
        ),
    ],
)
def test_R41_may_run_is_true_while_licensed_and_for_the_grace_after_a_silent_end(
    belief: Belief, licensed_until: float, may_run_until: float
) -> None:
    for now in sorted({0, 14.9, 15, 34.9, 35, 100, 914.9, 915, 1000, 14 + LONGEST_GRACE, 15 + LONGEST_GRACE}):
        if now < 20 and may_run_until == 95:
            continue
        status = belief.status_at(now)
        assert status.licensed is (now < licensed_until), now
        assert status.may_run is (now < may_run_until), now
        in_grace = licensed_until <= now < may_run_until
        assert status.grace_left == pytest.approx(may_run_until - now if in_grace else 0), now
        assert (status.label == "GRACE") is in_grace, now
        assert not in_grace or status.state is NodeState.JEOPARDY, now


def test_R41_a_day_without_the_daemon_with_a_grace_of_a_day() -> None:
    belief = Belief().answered(dataclasses.replace(ANSWER, outage_grace=DAY), sent=0)
    loss = Loss(30)
    for second in range(int(DAY) + 15):
        status = belief.troubled(Failure("UNREACHABLE", "away")).status_at(second)
        loss, number = loss.seen(second, status)
        assert status.may_run
        assert number is None
    assert loss.seen(DAY + 15, belief.status_at(DAY + 15))[1] is signal.SIGTERM
    back = belief.answered(dataclasses.replace(ANSWER, epoch=2, outage_grace=DAY), sent=DAY)
    assert back.status_at(DAY + 1).licensed


# What licd-node does with it


AWAY = Status(NodeState.JEOPARDY, licensed=False)
IN_GRACE = Status(NodeState.JEOPARDY, licensed=False, grace_left=10.0)
HELD = Status(NodeState.LICENSED, licensed=True, lease_left=15.0)
LOST = Status(NodeState.WAITING, licensed=False)
looks = st.lists(st.tuples(st.integers(0, 12).map(float), st.sampled_from([AWAY, IN_GRACE, HELD, LOST])), max_size=30)


@given(looks, st.floats(0, 20))
def test_R41_the_command_is_stopped_only_when_the_outages_grace_or_a_whole_loss_grace_is_over(
    history: list[tuple[float, Status]], grace: float
) -> None:
    loss, now, outage_until, until, stopped = Loss(grace), 0.0, math.inf, None, None
    for pause, status in history:
        now += pause
        if status.may_run:
            until, outage_until = None, now + 10 if status is IN_GRACE else math.inf
        elif until is None:
            until = now if now >= outage_until and status is AWAY else now + grace
        loss, number = loss.seen(now, status)
        if stopped is None:
            expected = until is not None and now >= until
            assert (number is signal.SIGTERM) is expected
            stopped = now if expected else None
        else:
            assert number is None or (number is signal.SIGKILL and now >= stopped + KILL_AFTER)


@given(looks)
def test_R41_with_warn_the_command_is_never_stopped(history: list[tuple[float, Status]]) -> None:
    loss, now = Loss(math.inf), 0.0
    for pause, status in history:
        now += pause
        loss, number = loss.seen(now, status)
        assert number is None
        assert loss.next_at(now) > now


def test_R41_a_refusal_within_the_outages_grace_is_a_definite_loss() -> None:
    refused = LICENSED_ONCE.unwelcome()
    loss, _ = Loss(30).seen(100, LICENSED_ONCE.status_at(100))
    loss, number = loss.seen(101, refused.status_at(101))
    assert number is None
    assert loss.seen(130.9, refused.status_at(130.9))[1] is None
    assert loss.seen(131, refused.status_at(131))[1] is signal.SIGTERM


def test_R41_a_machine_that_slept_through_the_grace_has_the_loss_grace_to_reach_the_daemon() -> None:
    loss, _ = Loss(30).seen(0, HELD)
    loss, number = loss.seen(DAY, AWAY)
    assert number is None
    assert loss.seen(DAY + 1, HELD) == (Loss(30), None)
    assert loss.seen(DAY + 30, AWAY)[1] is signal.SIGTERM


# A node whose daemon leaves


def licensed(daemon: ScriptedDaemon, join: Join, grace: float | None, seen: list[Status]) -> node_client.Node:
    daemon.outage_grace, daemon.lease_ttl = grace, 1.0
    daemon.heartbeat_interval = 0.3
    node = join(on_change=lambda node: seen.append(node.status()))
    assert node.wait_licensed(5)
    eventually(lambda: len(daemon.heartbeats) >= 8)
    return node


def test_R41_the_callback_reports_the_grace_and_its_end(daemon: ScriptedDaemon, join: Join) -> None:
    seen: list[Status] = []
    node = licensed(daemon, join, 1.5, seen)
    assert node.grace_left == 0
    daemon.stop()
    eventually(lambda: "GRACE" in [status.label for status in seen])
    eventually(lambda: not node.may_run())
    assert not node.is_licensed()
    assert node.state is NodeState.JEOPARDY
    assert 0 < max(status.grace_left for status in seen) <= 1.5
    eventually(lambda: seen[-1].label == "JEOPARDY" and not seen[-1].may_run)
    assert next(status.label for status in seen if status.state is NodeState.JEOPARDY) == "GRACE"


def test_R41_a_program_goes_on_until_the_daemon_is_back(daemon: ScriptedDaemon, join: Join) -> None:
    node = licensed(daemon, join, 900, [])
    daemon.stop()
    eventually(lambda: not node.is_licensed())
    assert node.may_run()
    assert 0 < node.grace_left <= 900
    assert [failure.reason for failure in node.failures] == ["UNREACHABLE"]
    daemon.start()
    assert node.wait_licensed(10)
    assert node.may_run()
    assert node.grace_left == 0


@pytest.mark.parametrize("word", [PENDING, WAITING, REJECTED])
def test_R41_a_resume_that_is_not_licensed_ends_the_grace(
    daemon: ScriptedDaemon, join: Join, word: pb.NodeState
) -> None:
    node = licensed(daemon, join, 900, [])
    daemon.stop()
    eventually(lambda: node.status().label == "GRACE")
    daemon.state = word
    daemon.start()
    eventually(lambda: not node.may_run())
    assert node.grace_left == 0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.NOT_FOUND, "SESSION_EXPIRED"),
        (grpc.StatusCode.PERMISSION_DENIED, "WRONG_SECRET"),
        (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS"),
        (grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE"),
    ],
)
def test_R41_a_daemon_that_refuses_the_node_is_not_absent(
    daemon: ScriptedDaemon, join: Join, code: grpc.StatusCode, reason: str
) -> None:
    def refuse(_: object) -> None:
        raise Refuse(code, reason)

    node = licensed(daemon, join, 900, [])
    daemon.stop()
    eventually(lambda: node.status().label == "GRACE")
    daemon.on_resume = daemon.on_join = refuse
    daemon.start()
    eventually(lambda: not node.may_run())


@pytest.mark.parametrize("reason", ["NOT_LEADER", "STOPPING", "JOURNAL_UNAVAILABLE"])
def test_R41_a_daemon_that_cannot_serve_is_absent(daemon: ScriptedDaemon, join: Join, reason: str) -> None:
    def refuse(_: object) -> None:
        raise Refuse(grpc.StatusCode.UNAVAILABLE, reason)

    node = licensed(daemon, join, 900, [])
    daemon.on_resume = refuse
    daemon.acknowledges = False
    eventually(lambda: node.status().label == "GRACE" and reason in [failure.reason for failure in node.failures])


def test_R41_an_eviction_is_definite(daemon: ScriptedDaemon, join: Join) -> None:
    node = licensed(daemon, join, 900, [])
    daemon.end(pb.END_REASON_EVICTED)
    eventually(lambda: node.state is NodeState.EVICTED)
    assert not node.may_run()


def test_R41_a_closed_node_may_not_run(daemon: ScriptedDaemon, join: Join) -> None:
    node = licensed(daemon, join, 900, [])
    daemon.stop()
    eventually(lambda: node.status().label == "GRACE")
    node.close()
    assert not node.may_run()


def test_R41_a_forked_child_holds_no_grace(daemon: ScriptedDaemon, join: Join) -> None:
    node = licensed(daemon, join, 900, [])
    daemon.stop()
    eventually(lambda: node.status().label == "GRACE")
    child = os.fork()
    if child == 0:
        os._exit(1 if node.may_run() or node.grace_left else 0)
    assert os.waitpid(child, 0)[1] == 0
    assert node.may_run()


def test_R41_an_old_daemon_gives_no_grace(daemon: ScriptedDaemon, join: Join) -> None:
    node = licensed(daemon, join, None, [])
    assert node.may_run()
    daemon.stop()
    eventually(lambda: node.state is NodeState.JEOPARDY)
    assert not node.may_run()
    assert node.grace_left == 0


@pytest.mark.parametrize("grace", [None, 0, 5])
def test_R41_a_node_that_joined_before_the_license_learns_its_grace_with_its_seat(
    daemon: ScriptedDaemon, join: Join, grace: float | None
) -> None:
    daemon.state, daemon.outage_grace, daemon.lease_ttl, daemon.heartbeat_interval = PENDING, grace, 1.0, 0.3
    node = join()
    eventually(lambda: node.state is NodeState.PENDING and len(daemon.heartbeats) >= 8)
    daemon.outage_grace = 900
    daemon.tell(LICENSED)
    assert node.wait_licensed(5)
    daemon.stop()
    eventually(lambda: node.state is NodeState.JEOPARDY)
    assert 800 < node.grace_left <= 900


def test_R41_a_licenses_new_grace_comes_with_the_next_resume(daemon: ScriptedDaemon, join: Join) -> None:
    node = licensed(daemon, join, None, [])
    daemon.outage_grace = 900
    opens = len(daemon.opens)
    daemon.end(pb.END_REASON_SUPERSEDED)
    eventually(lambda: len(daemon.opens) > opens)  # the answer to Resume was taken
    daemon.stop()
    eventually(lambda: node.state is NodeState.JEOPARDY)
    assert 0 < node.grace_left <= 900


# The socket


def test_R41_the_socket_says_grace_with_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    outer, seen = FakeNode(NodeState.LICENSED), []
    with SeatSocket(outer) as seat:
        monkeypatch.setenv("LICD_NODE_SOCKET", str(seat.path))
        inner = node_client.connect(
            "127.0.0.1:7443", application=APPLICATION, insecure=True, on_change=lambda node: seen.append(node.status())
        )
        with inner:
            assert inner.may_run()
            outer.set_grace(42.0)
            told = asked(seat.path)
            assert (told["state"], told["licensed"]) == ("GRACE", False)
            assert (told["may_run"], told["grace_left"]) == (True, 42.0)
            status = inner.status()
            assert (status.state, status.licensed, status.grace_left) == (NodeState.JEOPARDY, False, 42.0)
            assert inner.may_run()
            eventually(lambda: seen and seen[-1].label == "GRACE")
            outer.set_grace(0.0)
            assert not inner.may_run()
            assert asked(seat.path)["state"] == "JEOPARDY"
            eventually(lambda: seen[-1].label == "JEOPARDY")


def asked(path: pathlib.Path) -> dict[str, object]:
    connection = local._Connection(str(path))
    connection.request("GET", "/state")
    told: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return told


@pytest.mark.parametrize(("state", "licensed"), [("LICENSED", True), ("JEOPARDY", False)])
def test_R41_an_older_agent_that_knows_no_grace_is_understood(
    tmp_path: pathlib.Path, state: str, *, licensed: bool
) -> None:
    told = {"state": state, "licensed": licensed, "failures": [], "lease_left": 9.5 if licensed else 0.0}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(told).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with socketserver.UnixStreamServer(str(tmp_path / "node.sock"), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        status = local.ask(str(tmp_path / "node.sock"))
        server.shutdown()
    assert (status.state, status.licensed, status.may_run, status.grace_left) == (state, licensed, licensed, 0.0)


def test_R41_a_fake_node_is_in_grace_as_the_test_says() -> None:
    seen: list[str] = []
    node = FakeNode(NodeState.LICENSED, on_change=lambda node: seen.append(node.status().label))
    node.set_grace(60)
    assert (node.state, node.is_licensed(), node.may_run(), node.grace_left) == (NodeState.JEOPARDY, False, True, 60)
    node.set_grace(0)
    assert not node.may_run()
    node.set_grace(60)
    node.set_state(NodeState.JEOPARDY)
    assert not node.may_run()
    node.close()
    assert not node.may_run()
    with pytest.raises(ValueError, match=r"^state: "):
        node.set_grace(1)
    assert seen == ["GRACE", "JEOPARDY", "GRACE", "JEOPARDY", "CLOSED"]
