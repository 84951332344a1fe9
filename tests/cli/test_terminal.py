"""What is different on a terminal: colours, and a question before what can't be undone."""

import signal

import pytest
from cli.scripted_daemon import Daemon
from cli.terminal import sitting

from licd.v1.cluster_service_pb2 import ListNodesResponse, Node
from licd.v1.registration_service_pb2 import GetRegistrationResponse, Registration, ResetRegistrationResponse


def test_colours_are_for_terminals_and_no_color_turns_them_off(daemon: Daemon) -> None:
    answer = GetRegistrationResponse(registration=Registration(state="REGISTRATION_STATE_REGISTERED"))
    daemon.answers["RegistrationService/GetRegistration"] = answer
    with sitting(daemon, "status") as screen:
        screen.shows("\x1b[32m\x1b[1mREGISTERED\x1b[0m")
        assert screen.ends() == 0
    with sitting(daemon, "status", environment={"NO_COLOR": "1"}) as screen:
        screen.shows("State        REGISTERED\r")
        assert screen.ends() == 0


def test_a_table_fits_the_terminal(daemon: Daemon) -> None:
    daemon.answers["ClusterService/ListNodes"] = ListNodesResponse(nodes=[Node(name="report-1", session_id="s1")])
    with sitting(daemon, "nodes") as screen:
        screen.shows("LAST HEARTBEAT")
        screen.shows("report-1")
        assert screen.ends() == 0


def test_nodes_are_watched_until_ctrl_c(daemon: Daemon) -> None:
    daemon.answers["ClusterService/ListNodes"] = ListNodesResponse(nodes=[Node(name="report-1", session_id="s1")])
    with sitting(daemon, "nodes", "--watch") as screen:
        screen.shows("report-1")
        daemon.answers["ClusterService/ListNodes"] = ListNodesResponse(nodes=[Node(name="report-2", session_id="s2")])
        screen.shows("\x1b[2J\x1b[1;1H")
        screen.shows("report-2")
        screen.process.send_signal(signal.SIGINT)
        assert screen.ends() == 0


@pytest.mark.parametrize(("answer", "exit_code", "asked"), [("n\n", 1, 0), ("y\n", 0, 1)])
def test_reset_asks_first(daemon: Daemon, answer: str, exit_code: int, asked: int) -> None:
    daemon.answers["RegistrationService/ResetRegistration"] = ResetRegistrationResponse()
    with sitting(daemon, "reset") as screen:
        screen.shows("Go on? [y/N]")
        screen.types(answer)
        assert screen.ends() == exit_code
    assert len(daemon.asked) == asked
