"""What befalls a real cluster, drawn from one seed: a few seconds of faults, then rest, then the checker.

The same seed gives the same schedule; the machine's own timing differs from run to run, which the checker allows for.
"""

import random
import resource
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
from faults.cluster import Cluster, NodeProcess, running
from faults.sync_trap import JOURNAL, SyncTrap, sync_trap
from support.daemon import Daemon
from support.proxy import NO_DELAY, Delay
from support.skew import Skew
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2
from licd.v1.registration_service_pb2 import CreateChallengeRequest

FAULTS = {
    "kill_daemon": 3,
    "kill_in_sync": 1,
    "drain_daemon": 1,
    "stop_daemon": 2,
    "stop_node": 3,
    "kill_node": 2,
    "leave_node": 1,
    "cut_up": 2,
    "cut_down": 2,
    "cut_both": 2,
    "stick": 2,
    "lag": 1,
    "reset_link": 1,
    "jump_wall": 2,
    "jump_node": 2,
    "fork_node": 1,
    "move_folder": 1,
    "take_volume": 1,
    "full_disk": 1,
    "slow_sync": 1,
    "failing_sync": 1,
    "dead_disk": 1,
    "evict": 1,
    "join": 2,
    "wrong_code": 1,
}
CROWD = 20


@dataclass(frozen=True)
class Step:
    """After `pause` seconds, a fault at the node `whom`, for `span` seconds."""

    pause: float
    fault: str
    whom: int
    span: float


def schedule(seed: int) -> list[Step]:
    """The schedule of a seed."""
    chance = random.Random(seed)
    names, weights = list(FAULTS), list(FAULTS.values())
    return [
        Step(
            round(chance.choice((0.0, 0.1, 0.5, 1.0)), 2),
            chance.choices(names, weights)[0],
            chance.randrange(1 << 16),
            round(chance.choice((0.3, 0.8, 1.6, 2.5)), 2),
        )
        for _ in range(chance.randint(4, 6))
    ]


class Nemesis:
    """Carries a schedule out on a cluster. `clock`: the daemon's wall clock; `trap`: under its disk."""

    def __init__(self, cluster: Cluster, clock: Skew, trap: SyncTrap) -> None:
        self.cluster = cluster
        self.clock = clock
        self.trap = trap
        self.kept = cluster.nodes[0]
        self._undo: list[tuple[float, Callable[[], object]]] = []
        self._joined = 0

    def play(self, steps: list[Step]) -> None:
        """One step after another; each fault ends by itself, or at the end of all."""
        for step in steps:
            self._wait(time.monotonic() + step.pause)
            node = self.cluster.nodes[step.whom % len(self.cluster.nodes)]
            getattr(self, step.fault)(node, step.span)
        self._wait(max((when for when, _ in self._undo), default=0.0))
        self.clock.set("+0s")
        self.trap.heal()
        self.cluster.heal()

    def _wait(self, until: float) -> None:
        while True:
            due = sorted((each for each in self._undo if each[0] <= until), key=lambda each: each[0])
            if not due:
                break
            self._undo.remove(due[0])
            time.sleep(max(0.0, due[0][0] - time.monotonic()))
            due[0][1]()
        time.sleep(max(0.0, until - time.monotonic()))

    def _later(self, span: float, undo: Callable[[], object]) -> None:
        self._undo.append((time.monotonic() + span, undo))

    def _restart(self) -> None:
        # A disk that fails would end the new one at its start, as it must.
        self.trap.heal()
        if self.cluster.daemon.process is None:
            self.cluster.start_daemon()

    def kill_daemon(self, node: NodeProcess, span: float) -> None:
        self.cluster.daemon.kill()
        self._later(span / 2, self._restart)

    def kill_in_sync(self, node: NodeProcess, span: float) -> None:
        """kill -9 while an append waits for its sync, if one comes in time."""
        self.trap.slow(60.0, JOURNAL)
        caught, deadline = self.trap.caught, time.monotonic() + 2
        self.join(node, span)
        while self.trap.caught == caught and time.monotonic() < deadline:
            time.sleep(0.005)
        self.kill_daemon(node, span)

    def drain_daemon(self, node: NodeProcess, span: float) -> None:
        if self.cluster.daemon.process is not None:
            self.cluster.daemon.process.send_signal(signal.SIGCONT)
        assert self.cluster.daemon.stop() == 0
        self._restart()

    def move_folder(self, node: NodeProcess, span: float) -> None:
        self.cluster.daemon.kill()
        self.cluster.move_folder()
        self._later(span / 2, self._restart)

    def take_volume(self, node: NodeProcess, span: float) -> None:
        self.trap.heal()
        old = self.cluster.take_volume()
        if old is not None:
            self._later(span, lambda: old.send_signal(signal.SIGCONT))

    def stop_daemon(self, node: NodeProcess, span: float) -> None:
        process = self.cluster.daemon.process
        if process is not None:
            process.send_signal(signal.SIGSTOP)
            self._later(span, lambda: process.send_signal(signal.SIGCONT))

    def stop_node(self, node: NodeProcess, span: float) -> None:
        self.cluster.stop(node)
        self._later(span, lambda: self.cluster.go_on(node))

    def kill_node(self, node: NodeProcess, span: float) -> None:
        # One node lives through it all: the registration is never lost while it does (R17).
        if node is not self.kept:
            self.cluster.kill(node)

    def leave_node(self, node: NodeProcess, span: float) -> None:
        if node is not self.kept and node.stopped_at is None:
            node.process.terminate()

    def cut_up(self, node: NodeProcess, span: float) -> None:
        node.link.cut(down=False)
        self._later(span, lambda: node.link.restore(down=False))

    def cut_down(self, node: NodeProcess, span: float) -> None:
        node.link.cut(up=False)
        self._later(span, lambda: node.link.restore(up=False))

    def cut_both(self, node: NodeProcess, span: float) -> None:
        node.link.cut()
        self._later(span, node.link.restore)

    def stick(self, node: NodeProcess, span: float) -> None:
        node.link.hold(down=False)
        self._later(span, node.link.free)

    def lag(self, node: NodeProcess, span: float) -> None:
        late = Delay(span / 10)
        node.link.slow(late, late)
        self._later(span, lambda: node.link.slow(NO_DELAY, NO_DELAY))

    def reset_link(self, node: NodeProcess, span: float) -> None:
        node.link.reset()

    def jump_wall(self, node: NodeProcess, span: float) -> None:
        self.clock.set("+3600s" if span > 1 else "-3600s")
        self._later(span, lambda: self.clock.set("+0s"))

    def jump_node(self, node: NodeProcess, span: float) -> None:
        assert node.clock is not None
        node.clock.set("+3600s" if span > 1 else "-3600s")
        self._later(span, lambda clock=node.clock: clock.set("+0s"))  # type: ignore[misc]

    def fork_node(self, node: NodeProcess, span: float) -> None:
        if node.alive:
            node.process.send_signal(signal.SIGUSR1)

    def slow_sync(self, node: NodeProcess, span: float) -> None:
        self.trap.slow(span, JOURNAL)
        self._later(2 * span, self.trap.heal)

    def failing_sync(self, node: NodeProcess, span: float) -> None:
        self.trap.fail(JOURNAL)
        self._later(span, self.trap.heal)

    def dead_disk(self, node: NodeProcess, span: float) -> None:
        self.trap.fail()
        self._later(span, self.trap.heal)

    def full_disk(self, node: NodeProcess, span: float) -> None:
        process = self.cluster.daemon.process
        if process is not None:
            fill(process.pid)
            self._later(span, lambda: free(process.pid))

    def evict(self, node: NodeProcess, span: float) -> None:
        if node is self.kept or self.cluster.daemon.process is None:
            return
        with suppress(grpc.RpcError):
            stubs = self.cluster.admin.stubs.cluster
            for each in stubs.ListNodes(cluster_service_pb2.ListNodesRequest(page_size=100), timeout=1).nodes:
                if each.name in node.names:
                    stubs.EvictNode(cluster_service_pb2.EvictNodeRequest(session_id=each.session_id), timeout=1)
        # An evicted node does not come back; its process is of no more use, and believes or not by itself.
        self._later(span, node.process.terminate)

    def join(self, node: NodeProcess, span: float) -> None:
        """One node, or very many at once."""
        if self.cluster.daemon.address:
            self._joined += 1
            add(self.cluster, *(f"later-{self._joined}-{number}" for number in range(CROWD if span > 1 else 1)))

    def wrong_code(self, node: NodeProcess, span: float) -> None:
        with suppress(grpc.RpcError):
            admin = self.cluster.admin
            challenge = admin.stubs.registration.CreateChallenge(CreateChallengeRequest(), timeout=1).challenge
            admin.submit(challenge, admin.wrong_code(challenge))


def fill(pid: int) -> None:
    """The daemon's disk is full: no file of its grows. Writing in place, as the lock file is, goes on."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))


def free(pid: int) -> None:
    """There is space again."""
    # One that has ended meanwhile has no limit to lift.
    with suppress(ProcessLookupError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def add(cluster: Cluster, *names: str) -> None:
    """A process of nodes with a wall clock of its own."""
    cluster.add(*names, clock=Skew(cluster.history.with_name(f"{names[0]}.clock")))


def play(seed: int, daemon: Daemon, vendor: TestVendor, folder: Path, clock: Skew) -> list[str]:
    """A cluster of three seats and four nodes through the schedule of a seed; gives the violations."""
    with sync_trap() as trap:
        daemon.launcher = trap.launcher
        with running(daemon, vendor, folder, max_nodes=3) as cluster:
            for number in range(3):
                add(cluster, f"node-{number}")
            eventually(lambda: cluster.connected() == 3, 20)
            cluster.register()
            add(cluster, "node-3")
            eventually(lambda: cluster.licensed() == 3, 20)
            Nemesis(cluster, clock, trap).play(schedule(seed))
            cluster.at_rest()
            return cluster.violations()
