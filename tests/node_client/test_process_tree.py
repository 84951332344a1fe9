"""R38: licd-node owns each process that its program starts, whatever they do to get away."""

import os
import pathlib
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable

import pytest
from support.licd_node import Run, shell
from support.scripted_daemon import LICENSED, REJECTED, ScriptedDaemon
from support.waiting import eventually

from node_client import cgroup, processes
from node_client.forwarding import SETTLING, Forwarding
from node_client.processes import Process

# A process holds the standard output that the test reads: the output ends when each of them has.
SAY = "import os\ndef say(line): os.write(1, line.encode() + b'\\n')  # whole, next to others\n"
WORKER = f"""{SAY}
import signal, sys
def caught(number, _):
    say("worker " + signal.Signals(number).name)
    sys.exit(0)
signal.signal(signal.SIGTERM, caught)
say("worker ready")
while True: signal.pause()
"""
TREES = {
    "a shell's background": "{worker} & {worker} & wait",
    "sessions of their own": "setsid {worker} & setsid -f {worker}; wait",
    "a double fork": "( {worker} & ) ; ( ( {worker} & ) & ) ; while :; do sleep 0.05; done",
    "a start script that ends": "nohup {worker} & nohup {worker} & exit 0",
    "a forking server": "exec {server}",
}
SERVER = f"""
import os
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        exec({WORKER!r})
exec({WORKER!r})
"""


def python(code: str, folder: pathlib.Path, name: str) -> str:
    path = folder / name
    path.write_text(textwrap.dedent(code))
    return f"{sys.executable} {path}"


@pytest.fixture
def tree(run: Run, tmp_path: pathlib.Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts licd-node with a tree of processes, and waits until two of them are ready."""

    def start(script: str, *options: str) -> "subprocess.Popen[str]":
        commands = {"worker": python(WORKER, tmp_path, "worker.py"), "server": python(SERVER, tmp_path, "server.py")}
        process = run("run", "--on-loss", "stop", "--loss-grace", "0", *options, *shell(script.format(**commands)))
        assert process.stdout is not None
        for _ in range(2):
            assert process.stdout.readline() == "worker ready\n"
        return process

    return start


@pytest.mark.parametrize("script", TREES.values(), ids=TREES)
def test_R38_a_loss_stops_each_process_of_the_tree(
    daemon: ScriptedDaemon, tree: Callable[..., "subprocess.Popen[str]"], script: str
) -> None:
    process = tree(script)
    daemon.tell(REJECTED)
    out, _ = process.communicate(timeout=30)
    assert out.count("worker SIGTERM") >= 2
    assert process.returncode == 75


@pytest.mark.parametrize("script", TREES.values(), ids=TREES)
def test_R38_the_whole_tree_is_stopped_when_licd_node_is_killed(
    tree: Callable[..., "subprocess.Popen[str]"], script: str
) -> None:
    process = tree(script)
    process.kill()
    out, err = process.communicate(timeout=30)
    assert out.count("worker SIGTERM") >= 2
    assert "licd-node was killed" in err


def test_R38_the_whole_tree_is_stopped_when_its_guardian_is_killed(
    daemon: ScriptedDaemon, tree: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = tree(TREES["sessions of their own"])
    (guardian,) = (one.pid for one in processes.below(process.pid) if one.parent == process.pid)
    os.kill(guardian, signal.SIGKILL)
    out, _ = process.communicate(timeout=30)
    assert out.count("worker SIGTERM") == 2
    assert process.returncode == 75
    assert len(daemon.leaves) == 1


def test_R38_the_seat_is_held_until_the_last_process_has_ended(
    daemon: ScriptedDaemon, run: Run, tmp_path: pathlib.Path
) -> None:
    go = tmp_path / "go"
    waiting = f"while [ ! -e {go} ]; do sleep 0.05; done"
    process = run("run", *shell(f"({waiting}; echo served) & echo started; exit 7"))
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    assert process.stderr is not None
    while "the seat is held until that ends" not in process.stderr.readline():
        assert process.poll() is None
    beaten = len(daemon.heartbeats)
    eventually(lambda: len(daemon.heartbeats) > beaten)
    assert not daemon.leaves
    go.touch()
    out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == ("served\n", 7)
    assert len(daemon.leaves) == 1


RESPAWNING = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    if os.fork(): os._exit(0)
    signal.sigtimedwait([], 0.002)
"""


def test_R38_what_ignores_sigterm_or_is_stopped_or_always_another_is_killed_after_10_seconds(
    daemon: ScriptedDaemon, run: Run, tmp_path: pathlib.Path
) -> None:
    stopped = "sh -c 'echo ready; kill -STOP $$; echo went on'"
    deaf = "trap '' TERM; while :; do sleep 0.05; done"
    another = python(RESPAWNING, tmp_path, "respawning.py")
    script = f"{stopped} & {another} & ({deaf}) & wait"
    process = run("run", "--on-loss", "stop", "--loss-grace", "0", *shell(script))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    eventually(lambda: [one for one in processes.below(process.pid) if one.stopped])
    daemon.tell(REJECTED)
    out, _ = process.communicate(timeout=40)
    assert (out, process.returncode) == ("", 75)


COUNTING = f"""{SAY}
import signal, sys, time
name, count, deadline = sys.argv[1], 0, time.monotonic() + 20
def counted(*_):
    global count
    count += 1
for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, counted)
if name == "master" and os.fork() == 0:
    name = "worker"
say("ready")
while not count and time.monotonic() < deadline: time.sleep(0.01)
settled = time.monotonic() + 0.5
while time.monotonic() < settled: time.sleep(0.01)
say(name + " " + str(count))
"""


def counting(run: Run, *wrapper: str) -> "subprocess.Popen[str]":
    inner = [sys.executable, "-m", "node_client.run", "run", "--", sys.executable, "-c", COUNTING, "master"]
    process = run(
        program=("-c", f"import os; os.setsid(); os.execvp({(wrapper or inner)[0]!r}, {[*wrapper, *inner]!r})")
    )
    assert process.stdout is not None
    for _ in range(2):
        assert process.stdout.readline() == "ready\n"
    return process


def to_licd_node(process: "subprocess.Popen[str]") -> None:
    process.terminate()


def to_its_group(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGTERM)


def to_each_process(process: "subprocess.Popen[str]") -> None:
    """As systemd does it to a control group."""
    for pid in [process.pid, *(one.pid for one in processes.below(process.pid))]:
        os.kill(pid, signal.SIGTERM)


@pytest.mark.parametrize("send", [to_licd_node, to_its_group, to_each_process])
def test_R38_a_signal_reaches_each_process_once(run: Run, send: Callable[["subprocess.Popen[str]"], object]) -> None:
    process = counting(run)
    send(process)
    out, _ = process.communicate(timeout=30)
    assert sorted(out.splitlines()) == ["master 1", "worker 1"]
    assert process.returncode == 0


def test_R38_timeout_reaches_each_process_once(run: Run) -> None:
    process = counting(run, "timeout", "4")
    out, _ = process.communicate(timeout=30)
    assert sorted(out.splitlines()) == ["master 1", "worker 1"]


_OF_PROGRAMS = sum(1 << number - 1 for number in signal.valid_signals())


@pytest.mark.parametrize("spoil", ["SIG_IGN", "blocked"])
def test_R38_what_the_parent_ignores_or_blocks_changes_nothing(run: Run, spoil: str) -> None:
    names = "signal.SIGCHLD, signal.SIGTERM, signal.SIGUSR1, signal.SIGTTOU"
    how = {
        "SIG_IGN": f"for n in ({names}): signal.signal(n, signal.SIG_IGN)",
        "blocked": f"signal.pthread_sigmask(signal.SIG_BLOCK, ({names}))",
    }[spoil]
    seen = "grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 7"
    command = [sys.executable, "-m", "node_client.run", "run", "--", "sh", "-c", seen]
    process = run(program=("-c", f"import os, signal\n{how}\nos.execv({command[0]!r}, {command!r})"))
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 7
    # The C library keeps two signals to itself, which nobody can restore: what starts the tests may ignore them.
    masks = [int(line.split()[1], 16) & _OF_PROGRAMS for line in out.splitlines()]
    assert masks == [0, 0]


def test_R38_nohup_is_not_undone(daemon: ScriptedDaemon, run: Run) -> None:
    command = [sys.executable, "-m", "node_client.run", "run", *shell("echo ready; sleep 0.5; exit 4")]
    ignoring = "import os, signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = run(program=("-c", f"{ignoring}; os.execv({command[0]!r}, {command!r})"))
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGHUP)
    process.communicate(timeout=20)
    assert process.returncode == 4


ORPHANS = """
for i in 1 2 3 4 5 6 7 8 9 10; do (sh -c '(sleep 0.1 &)'); done
while pgrep -x sleep >/dev/null; do :; done
sleep 0.5
ps -e -o stat=,comm=
"""


def test_R38_as_pid_1_it_reaps_orphans(run: Run) -> None:
    inner = [sys.executable, "-m", "node_client.run", "run", *shell(ORPHANS)]
    command = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *inner]
    out, err = run(program=("-c", f"import os; os.execvp('unshare', {command!r})")).communicate(timeout=30)
    assert "licensed" in err
    assert not [line for line in out.splitlines() if line.startswith("Z")], out


def test_R38_a_terminals_signal_reaches_a_session_of_its_own_too(run: Run, tmp_path: pathlib.Path) -> None:
    counter = python(COUNTING, tmp_path, "counting.py")
    script = f"setsid {counter} worker & {counter} first; wait"
    inner = [sys.executable, "-m", "node_client.run", "run", *shell(script)]
    process = run(program=("-c", f"import pty, sys; sys.exit(pty.spawn({inner!r}))"), stdin=subprocess.PIPE)
    assert process.stdout is not None
    ready = 0
    while ready < 2:
        assert process.poll() is None
        ready += "ready" in process.stdout.readline()
    out, _ = process.communicate("\x03", timeout=30)
    assert "first 1" in out
    assert "worker 1" in out


def test_R38_a_tree_that_was_stopped_starts_again_once_licensed(
    daemon: ScriptedDaemon, tree: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = tree(TREES["a start script that ends"], "--on-loss", "hold")
    daemon.tell(REJECTED)
    assert process.stdout is not None
    ended = [process.stdout.readline() for _ in range(2)]
    assert ended == ["worker SIGTERM\n"] * 2
    daemon.tell(LICENSED)
    assert [process.stdout.readline() for _ in range(2)] == ["worker ready\n"] * 2
    assert len(daemon.joins) == 1
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_R38_the_tree_has_a_control_group_of_its_own_where_there_may_be_one(run: Run) -> None:
    def own(text: str) -> pathlib.Path | None:
        return cgroup.folder_of(text, pathlib.Path("/proc/self/mountinfo").read_text())

    mine = own(pathlib.Path("/proc/self/cgroup").read_text())
    probe = cgroup.make()
    if probe is not None:
        probe.remove()
    process = run("run", *shell("cat /proc/self/cgroup"))
    out, _ = process.communicate(timeout=20)
    theirs = own(out)
    if mine is None or theirs is None or probe is None:
        assert theirs == mine
    else:
        assert theirs == mine / f"licd-node-{process.pid}"
        assert not theirs.exists()


MOUNTS = """
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:26 / /sys/fs/cgroup ro,nosuid shared:4 - cgroup2 cgroup2 rw
31 22 0:26 /part /elsewhere rw - cgroup2 cgroup2 rw
"""


@pytest.mark.parametrize(
    ("own", "mounts", "found"),
    [
        ("0::/\n", MOUNTS, "/sys/fs/cgroup"),
        ("5:cpu:/a\n0::/system.slice/licd-node.service\n", MOUNTS, "/sys/fs/cgroup/system.slice/licd-node.service"),
        ("0::/part/a\n", "\n".join(reversed(MOUNTS.splitlines())), "/elsewhere/a"),
        ("5:cpu:/a\n", MOUNTS, None),
        ("0::/a\n", "22 1 254:0 / / rw - ext4 /dev/vda rw", None),
    ],
)
def test_the_own_control_group_is_found(own: str, mounts: str, found: str | None) -> None:
    assert cgroup.folder_of(own, mounts) == (found and pathlib.Path(found))


def test_descendants_are_found_whatever_their_order() -> None:
    table = [Process(4, 3, 4), Process(9, 8, 9), Process(2, 1, 2), Process(3, 2, 2), Process(5, 2, 2), Process(8, 7, 8)]
    assert sorted(one.pid for one in processes.descendants(1, table)) == [2, 3, 4, 5]
    assert processes.descendants(6, table) == []


def test_a_group_of_others_is_never_signalled_as_one() -> None:
    members = [Process(10, 1, 10), Process(11, 10, 10), Process(12, 10, 12), Process(13, 10, 7)]
    assert processes.addressees(members, {7}) == [-10, -12, 13]
    assert processes.addressees(members, {10, 7}) == [-12, 10, 11, 13]


@pytest.mark.parametrize("name", ["sh", "a b", "x) R 1 1", "(", "\ufffd\n"])
def test_a_programs_name_does_not_confuse(name: str) -> None:
    assert processes.parsed(f"12 ({name}) T 3 4 5 0 -1") == Process(12, 3, 4, stopped=True)


def test_R38_a_signal_is_forwarded_once_and_not_where_it_has_come_directly() -> None:
    forwarding = Forwarding()
    forwarding.asked(signal.SIGTERM, 10)
    forwarding.asked(signal.SIGTERM, 10 + SETTLING / 2)
    assert forwarding.ripe(10) == []
    assert forwarding.next_at() == 10 + SETTLING
    assert forwarding.ripe(10 + SETTLING) == [(signal.SIGTERM, False)]
    assert forwarding.ripe(11) == []
    forwarding.seen(signal.SIGTERM, 20)
    forwarding.asked(signal.SIGTERM, 20.01)
    forwarding.asked(signal.SIGHUP, 20.02)
    assert forwarding.ripe(21) == [(signal.SIGTERM, True), (signal.SIGHUP, False)]
    forwarding.asked(signal.SIGTERM, 21.2)
    assert forwarding.ripe(22) == [(signal.SIGTERM, False)]
