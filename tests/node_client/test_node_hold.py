"""R41: licd-node and a daemon that is away, or that takes the license: what becomes of the program."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
from support.licd_node import Run, shell
from support.scripted_daemon import LICENSED, PENDING, REJECTED, ScriptedDaemon
from support.waiting import eventually

RUNS = "echo started $$ $0 $1; exec sleep 60"


class Lines:
    """What a process has written on a pipe so far."""

    def __init__(self, process: "subprocess.Popen[str]", name: str) -> None:
        self.all: list[str] = []
        threading.Thread(target=self._read, args=(getattr(process, name),), daemon=True).start()

    def _read(self, pipe: list[str]) -> None:
        self.all.extend(iter(pipe))

    def with_(self, text: str) -> list[str]:
        return [line for line in self.all if text in line]


class Wrapped:
    """A licd-node whose program says when it starts."""

    def __init__(self, run: Run, *options: str, script: str = RUNS) -> None:
        self.process = run("run", *options, *shell(script), "zero", "one")
        self.out, self.log = Lines(self.process, "stdout"), Lines(self.process, "stderr")

    def starts(self) -> list[str]:
        return self.out.with_("started")

    def ends(self) -> int:
        return self.process.wait(20)


@pytest.fixture
def wrapped(daemon: ScriptedDaemon, run: Run) -> Callable[..., Wrapped]:
    """Starts a licd-node and waits for its program."""
    daemon.lease_ttl, daemon.heartbeat_interval, daemon.outage_grace = 1.0, 0.3, 900

    def start(*options: str, script: str = RUNS) -> Wrapped:
        began = Wrapped(run, *options, script=script)
        eventually(began.starts)
        eventually(lambda: len(daemon.heartbeats) >= 8)
        return began

    return start


def test_R41_an_outage_within_the_grace_stops_no_program(
    daemon: ScriptedDaemon, run: Run, wrapped: Callable[..., Wrapped]
) -> None:
    one = wrapped("--loss-grace", "0")
    daemon.stop()
    eventually(lambda: one.log.with_("GRACE, "))
    probe = run("check")
    out, _ = probe.communicate(timeout=20)
    assert probe.returncode == 0
    assert re.search(r"^GRACE, (8[0-9]{2}|900) s left; The license daemon does not answer: ", out)
    daemon.start()
    eventually(lambda: daemon.resumes)
    eventually(lambda: len(one.log.with_("LICENSED")) >= 2)
    assert len(one.starts()) == 1
    assert one.process.poll() is None


def test_R41_when_the_grace_is_over_the_program_is_stopped_and_started_again_once_licensed(
    daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]
) -> None:
    daemon.outage_grace = 2.0
    one = wrapped()
    daemon.stop()
    eventually(lambda: one.log.with_("the grace for an absent daemon has ended"))
    eventually(lambda: one.log.with_("held: sh starts again"))
    assert one.process.poll() is None
    daemon.start()
    eventually(lambda: len(one.starts()) == 2, timeout=20)
    first, second = (line.split() for line in one.starts())
    assert first[1] != second[1]
    assert first[2:] == second[2:] == ["zero", "one"]
    assert len(daemon.joins) == 1
    assert not daemon.leaves


def test_R41_a_definite_loss_stops_the_program_after_the_loss_grace_whatever_the_outages_grace(
    daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]
) -> None:
    one = wrapped("--loss-grace", "0.2")
    daemon.tell(REJECTED)
    eventually(lambda: one.log.with_("held: "))
    assert not one.log.with_("GRACE")
    daemon.tell(LICENSED)
    eventually(lambda: len(one.starts()) == 2)
    assert len(daemon.joins) == 1


def test_R41_a_pending_that_passes_stops_nothing(daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]) -> None:
    one = wrapped()
    daemon.stop()
    eventually(lambda: one.log.with_("GRACE"))
    daemon.state = PENDING
    daemon.start()
    eventually(lambda: one.log.with_("PENDING"))
    daemon.tell(LICENSED)
    eventually(lambda: len(one.log.with_("licd-node: LICENSED")) >= 2)
    assert len(one.starts()) == 1
    assert not one.log.with_("the license was lost")


def test_R41_with_stop_the_end_of_the_grace_ends_licd_node(
    daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]
) -> None:
    daemon.outage_grace = 0.5
    one = wrapped("--on-loss", "stop")
    daemon.stop()
    assert one.ends() == 75


def test_R41_an_old_daemon_s_outage_counts_as_a_loss(daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]) -> None:
    daemon.outage_grace = None
    one = wrapped("--on-loss", "stop", "--loss-grace", "0.2")
    daemon.stop()
    assert one.ends() == 75
    assert not one.log.with_("GRACE")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_R41_a_held_licd_node_leaves_when_it_is_ended(
    daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped], number: signal.Signals
) -> None:
    one = wrapped("--loss-grace", "0")
    daemon.tell(REJECTED)
    eventually(lambda: one.log.with_("held: "))
    one.process.send_signal(number)
    assert one.ends() == 75
    assert len(daemon.leaves) == 1
    assert len(one.starts()) == 1


def test_R41_a_program_that_was_to_end_is_not_started_again(
    daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]
) -> None:
    script = "trap 'echo draining' TERM; trap 'echo reloading' HUP; echo started; while :; do sleep 0.02; done"
    one = wrapped("--loss-grace", "0", script=script)
    one.process.send_signal(signal.SIGTERM)
    eventually(lambda: one.out.with_("draining"))
    daemon.tell(REJECTED)
    assert one.ends() == 75  # SIGKILL, 10 s later
    assert len(one.starts()) == 1


def test_R41_a_reload_is_no_end(daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]) -> None:
    script = "trap 'echo reloading' HUP; echo started; while :; do sleep 0.02; done"
    one = wrapped("--loss-grace", "0", script=script)
    one.process.send_signal(signal.SIGHUP)
    eventually(lambda: one.out.with_("reloading"))
    daemon.tell(REJECTED)
    eventually(lambda: one.log.with_("held: "))
    daemon.tell(LICENSED)
    eventually(lambda: len(one.starts()) == 2)


def test_R41_a_license_lost_before_the_program_runs_starts_nothing(daemon: ScriptedDaemon, run: Run) -> None:
    daemon.state, daemon.outage_grace = PENDING, 900
    one = Wrapped(run)
    eventually(lambda: one.log.with_("PENDING"))
    daemon.stop()
    eventually(lambda: one.log.with_("JEOPARDY"), timeout=15)
    assert not one.log.with_("GRACE")
    daemon.state = LICENSED
    daemon.start()
    eventually(lambda: len(one.starts()) == 1, timeout=15)


def test_R41_the_program_learns_of_the_grace_by_the_socket(
    daemon: ScriptedDaemon, wrapped: Callable[..., Wrapped]
) -> None:
    ask = (
        "import node_client, os, sys, time\n"
        "application = node_client.Application('Report Server', '10.0.19', '2024-05-31')\n"
        "node = node_client.connect('127.0.0.1:1', application=application, insecure=True)\n"
        "print('started', flush=True)\n"
        "while node.is_licensed(): time.sleep(0.02)\n"
        "print('asked', node.state, node.may_run(), 800 < node.grace_left <= 900, flush=True)\n"
        "while not node.is_licensed(): time.sleep(0.02)\n"
        "print('again', node.may_run(), node.grace_left, flush=True)\n"
    )
    one = wrapped(script=f'exec {sys.executable} -c "{ask}"')
    daemon.stop()
    eventually(lambda: one.out.with_("asked"))
    assert one.out.with_("asked") == ["asked JEOPARDY True True\n"]
    daemon.start()
    eventually(lambda: one.out.with_("again"), timeout=15)
    assert one.out.with_("again") == ["again True 0.0\n"]
    assert one.ends() == 0


def test_R41_a_log_that_nobody_reads_stops_no_loss(daemon: ScriptedDaemon, run: Run) -> None:
    """The program has filled the pipe that both write to."""
    fill = "yes | head -c 1000000 >&2 & exec 2>/dev/null; sleep 0.2; trap 'echo stopped; exit 0' TERM; echo started"
    script = f"{fill}; while :; do sleep 0.05; done"
    process = run("run", "--on-loss", "stop", "--loss-grace", "0", *shell(script))
    out = Lines(process, "stdout")
    eventually(lambda: out.with_("started"))
    daemon.tell(REJECTED)
    eventually(lambda: out.with_("stopped"))
    assert process.wait(20) == 75
