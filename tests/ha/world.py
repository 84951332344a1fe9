"""Three real etcd servers, three real daemons, four nodes for three seats, and faults between and in all of them.

Checked all the time, by one instant's clock: never more than three nodes believe (R13). At the end of each schedule:
the registration is the one of the beginning, three nodes are licensed and one waits (R17, R18); after the first
acknowledgement in an epoch, or the first answer of a daemon that it leads in it, no acknowledgement of an older one was
sent, and no daemon that was asked said that it leads in an older one (R32: never two leaders at one instant).
"""

import contextlib
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import grpc
from ha.checker import Checker
from support.admin import Admin
from support.daemon import Daemon
from support.etcd import EtcdCluster, EtcdMember
from support.proxy import Delay, Network, Proxy
from support.several import APPLICATION, Several, leads
from support.vendor import TestVendor
from support.waiting import eventually

import node_client

SEATS, NODES, DAEMONS = 3, 4, 3
ETCD_LEASE_S = 2
OPTIONS = ("--lease-ttl", "3s", "--heartbeat-interval", "300ms")
HEALED_WITHIN_S = 40.0


class World:
    """See the module. `play` a schedule; `close` at the end."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="licd-ha-"))
        self.network = Network()
        self.etcd = EtcdCluster(self.folder / "etcd", 3)
        self.etcd.start()
        self.vendor = TestVendor()
        self.ways: list[list[Proxy]] = []
        self.doors: list[Proxy] = []
        self.several = self._several()
        self.checker = Checker(SEATS)
        self.stopped: set[int] = set()
        self.failovers: list[float] = []

    def _several(self) -> Several:
        keys = self.vendor.write_keys(self.folder / "vendor-keys.json")

        def make(*options: str, name: str) -> Daemon:
            number = len(self.ways)
            ways = [self.network.proxy(member.endpoint) for member in self.etcd.members]
            door = self.network.proxy(options[options.index("--listen") + 1])
            self.ways.append(ways)
            self.doors.append(door)
            url = "etcd://" + ",".join(way.address for way in ways) + f"/licd?lease-ttl={ETCD_LEASE_S}s"
            chosen = list(options)
            chosen[chosen.index("--journal") + 1] = url
            return Daemon(self.folder / f"daemon-{number}", keys, *chosen, "--advertise", door.address)

        return Several(make, self.vendor, "", DAEMONS, *OPTIONS)

    def begin(self) -> None:
        """A registered cluster with three seats taken and one node in line."""
        self.several.start()
        license = self.vendor.lic(max_nodes=SEATS)
        eventually(lambda: self._done(lambda admin: admin.upload(license)), HEALED_WITHIN_S)
        token = (self.several.daemons[0].data_dir / "tokens" / "node.token").read_text().strip()
        addresses = [door.address for door in self.doors]
        viewer = (self.several.daemons[0].data_dir / "tokens" / "viewer.token").read_text().strip()
        for daemon in self.several.daemons:
            self.checker.ask(daemon.address, viewer)
        for number in range(NODES):
            node = node_client.connect(
                addresses, application=APPLICATION, node_name=f"node-{number}", token=token, insecure=True
            )
            self.checker.listen(f"node-{number}", node)
            self.checker.nodes.append(node)
            if number == SEATS - 1:
                eventually(lambda: self._done(_register_all), HEALED_WITHIN_S)
        self.at_rest("the beginning")
        self.registered_at = eventually(self._registration).registered_at.ToNanoseconds()

    def admin(self) -> Admin:
        """An administrator at the leader."""
        return Admin(self.several.leader(HEALED_WITHIN_S).stubs("admin"), self.vendor)

    def _done(self, act: Callable[[Admin], object]) -> bool:
        """Whether the leader has done it; one that can't prove for a moment that it leads is asked again."""
        with contextlib.suppress(grpc.RpcError, AssertionError):
            return bool(act(self.admin()))
        return False

    def leader(self) -> int | None:
        """The number of the daemon that says that it leads, among those that run."""
        for number, daemon in enumerate(self.several.daemons):
            if number not in self.stopped and leads(daemon):
                return number
        return None

    def licensed(self) -> int:
        """How many nodes believe."""
        return sum(node.is_licensed() for node in self.checker.nodes)

    def at_rest(self, when: str) -> None:
        """All faults are over: everybody is back."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: self.licensed() == SEATS and self._settled(), HEALED_WITHIN_S)
            return
        states = [str(node.state) for node in self.checker.nodes]
        self.checker.violations.append(f"R18: after {when} the nodes are {states}")

    def _settled(self) -> bool:
        with contextlib.suppress(grpc.RpcError, AssertionError):
            states = sorted(self.admin().nodes().values())
            return states == ["LICENSED"] * SEATS + ["WAITING"] * (NODES - SEATS)
        return False

    def play(self, seed: int) -> list[str]:
        """One schedule of faults, and what it violated."""
        chance = random.Random(seed)
        self.checker.history.clear()
        self.checker.note(f"schedule {seed}")
        ends: list[tuple[float, Callable[[], None]]] = []
        for _ in range(chance.randint(2, 4)):
            fault = chance.choice(FAULTS)
            span = chance.uniform(0.3, 7.0)
            self.checker.note(f"-- {fault.__name__} {span:.2f} s")
            undo = fault(self, chance)
            if undo is not None:
                ends.append((time.monotonic() + span, undo))
            self._until(time.monotonic() + chance.uniform(0.1, 2.5), ends)
        self._until(max([until for until, _ in ends], default=0.0), ends)
        self.heal()
        return self.judge(f"schedule {seed}")

    def judge(self, after: str) -> list[str]:
        """What was violated since it was asked last; every fault is over."""
        self.at_rest(after)
        registration = eventually(self._registration, HEALED_WITHIN_S)
        if registration.registered_at.ToNanoseconds() != self.registered_at:
            self.checker.violations.append("R17: the registration is another one, though every node lives")
        self.checker.judge_epochs()
        violations, self.checker.violations = self.checker.violations, []
        return list(dict.fromkeys(violations))

    def _registration(self) -> Any:
        with contextlib.suppress(grpc.RpcError):
            return self.admin().registration()
        return None

    @staticmethod
    def _until(until: float, ends: list[tuple[float, Callable[[], None]]]) -> None:
        while True:
            now = time.monotonic()
            for due in [end for end in ends if end[0] <= now]:
                ends.remove(due)
                due[1]()
            if now >= until:
                return
            time.sleep(0.02)

    def heal(self) -> None:
        """Every fault is over."""
        for proxy in [*self.doors, *(way for ways in self.ways for way in ways)]:
            proxy.heal()
        for member in self.etcd.members:
            if member.process is None:
                self._start_etcd(member)
            else:
                member.signal(signal.SIGCONT)
        for number in list(self.stopped):
            self.cont(number)
        self.several.start()

    def _start_etcd(self, member: EtcdMember) -> None:
        if member.process is None:
            member.start(self.etcd.members_list)

    def cont(self, number: int) -> None:
        """SIGCONT."""
        self.stopped.discard(number)
        process = self.several.daemons[number].process
        if process is not None:
            process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Ends everything."""
        for number in list(self.stopped):
            self.cont(number)
        self.several.end()
        for node in self.checker.nodes:
            node.close()
        self.checker.end()
        self.etcd.kill()
        self.network.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _register_all(admin: Admin) -> bool:
    return len(admin.nodes()) == SEATS and bool(admin.register())


# Faults: each begins one, and gives what ends it. Whom it befalls, it finds out by itself.

Undo = Callable[[], None] | None
T = TypeVar("T")


def _all(act: Callable[[T], None], items: Iterable[T]) -> None:
    for item in items:
        act(item)


def _leader_or_any(world: World, chance: random.Random) -> int:
    leader = world.leader() if chance.random() < 0.8 else None
    return chance.randrange(DAEMONS) if leader is None else leader


def kill_daemon(world: World, chance: random.Random) -> Undo:
    """kill -9, of the leader mostly."""
    number = _leader_or_any(world, chance)
    daemon = world.several.daemons[number]
    world.cont(number)
    daemon.kill()

    def again() -> None:
        if daemon.process is None:
            daemon.start()

    return again


def stop_daemon(world: World, chance: random.Random) -> Undo:
    """SIGSTOP and SIGCONT: it must answer nothing stale."""
    number = _leader_or_any(world, chance)
    process = world.several.daemons[number].process
    if process is None:
        return None
    process.send_signal(signal.SIGSTOP)
    world.stopped.add(number)
    return lambda: world.cont(number)


def restart_daemon(world: World, chance: random.Random) -> Undo:
    """SIGTERM: a planned handover."""
    number = _leader_or_any(world, chance)
    daemon = world.several.daemons[number]
    if daemon.process is None or number in world.stopped:
        return None
    daemon.process.send_signal(signal.SIGTERM)
    process = daemon.process

    def again() -> None:
        with contextlib.suppress(Exception):
            process.wait(20)
        daemon.kill()
        daemon.start()

    return again


def kill_etcd(world: World, chance: random.Random) -> Undo:
    """kill -9 of one server of etcd, of its leader mostly."""
    member = _etcd_leader_or_any(world, chance)
    member.kill()
    return lambda: world._start_etcd(member)


def stop_etcd(world: World, chance: random.Random) -> Undo:
    """SIGSTOP and SIGCONT of one server of etcd."""
    member = _etcd_leader_or_any(world, chance)
    if member.process is None:
        return None
    member.signal(signal.SIGSTOP)
    return lambda: member.signal(signal.SIGCONT) if member.process else None


def _etcd_leader_or_any(world: World, chance: random.Random) -> EtcdMember:
    if chance.random() < 0.7:
        with contextlib.suppress(LookupError, OSError):
            return world.etcd.leader()
    return chance.choice(world.etcd.members)


def kill_majority(world: World, chance: random.Random) -> Undo:
    """Two servers of etcd at once."""
    members = chance.sample(world.etcd.members, 2)
    for member in members:
        member.kill()
    return lambda: _all(world._start_etcd, members)


def cut_from_etcd(world: World, chance: random.Random) -> Undo:
    """A daemon is cut from etcd, in one direction or both, but not from its nodes."""
    up, down = chance.choice([(True, True), (True, False), (False, True)])
    ways = world.ways[_leader_or_any(world, chance)]
    for way in ways:
        way.cut(up=up, down=down)
    return lambda: _all(Proxy.heal, ways)


def cut_from_nodes(world: World, chance: random.Random) -> Undo:
    """The other way round."""
    up, down = chance.choice([(True, True), (True, False), (False, True)])
    door = world.doors[_leader_or_any(world, chance)]
    door.cut(up=up, down=down)
    return door.heal


def slow_etcd(world: World, chance: random.Random) -> Undo:
    """Etcd answers late to all."""
    lag = Delay(chance.uniform(0.05, 0.6))
    ways = [way for ways in world.ways for way in ways]
    for way in ways:
        way.slow(lag, lag)
    return lambda: _all(Proxy.heal, ways)


FAULTS: tuple[Callable[[World, random.Random], Undo], ...] = (
    kill_daemon,
    stop_daemon,
    restart_daemon,
    kill_etcd,
    stop_etcd,
    kill_majority,
    cut_from_etcd,
    cut_from_nodes,
    slow_etcd,
)
