"""What is measured: each trial loads one server, freshly started, and gives a value for each of its figures.

Whatever a load achieved is held against what the server itself says that it holds; a trial that does not add up raises.
"""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench.crowd import Members
from bench.http2 import Loop
from bench.members import Caller
from bench.portal import OnOneCore, Portal, Trivial, scanned
from bench.servers import Bare, Etcd, Licd, LicdOverEtcd, Server, running

CALLERS = (1, 16, 64)
LOST_TTL_S = 5
SIZES = (10, 100, 1_000, 10_000)
STEADY = 1_000  # signs of life a second, of all members together, where their cost is compared between sizes
STORM = 1_000  # under way at once; a listening socket's queue of the kernel is 4,096 long

Figures = dict[str, float]


@dataclass(frozen=True)
class Scale:
    """How long and how many. Seconds; `few` and `many` are members."""

    joins: float = 3
    paced: float = 5
    held: float = 12
    few: int = 1_000
    sizes: tuple[int, ...] = SIZES
    scans: int = 3_000


QUICK = Scale(joins=1, paced=3, held=6, few=300, sizes=(10, 100, 1_000), scans=600)


@dataclass(frozen=True)
class Trial:
    """`run` loads a server; `servers`: those that it makes sense for; `ttl_s`: the lease of members."""

    run: Callable[[Server, Scale], Figures]
    servers: tuple[type[Server], ...] = (Licd, Bare, Etcd)
    tls: bool = True
    ttl_s: int = 15

    @property
    def kinds(self) -> tuple[str, ...]:
        """The servers by name."""
        return tuple(server.kind for server in self.servers)


def measure(trial: Trial, kind: str, folder: Path, scale: Scale) -> tuple[Figures, float]:
    """One server's figures, and the generator's share of a processor meanwhile."""
    folder.mkdir(parents=True)
    server = trial.servers[trial.kinds.index(kind)](folder, tls=trial.tls, ttl_s=trial.ttl_s)
    with running(server):
        began, used = time.monotonic(), _own_cpu()
        figures = trial.run(server, scale)
        return figures, (_own_cpu() - used) / (time.monotonic() - began)


def _own_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def joins(server: Server, scale: Scale) -> Figures:
    """Durable entries by callers that each wait for theirs; CPU in us for each."""
    return {name: value for callers in CALLERS for name, value in _joins(server, scale, callers).items()}


class Calls(NamedTuple):
    """What callers achieved after their first calls: seconds that each took, CPU s of the server, seconds in all.

    `entered`: how many entries they made, the first ones and the last included.
    """

    took: list[float]
    cpu: float
    seconds: float
    entered: int


def _joins(server: Server, scale: Scale, callers: int) -> Figures:
    before = server.held()
    calls = _call(server, callers, scale.joins)
    _must_hold(server, before + calls.entered)
    took = sorted(calls.took)
    return {
        f"join_rate_{callers}": len(took) / calls.seconds,
        f"join_p99_{callers}": took[int(len(took) * 0.99)] * 1000,
        f"join_cpu_{callers}": calls.cpu / len(took) * 1e6,
    }


def etcd_joins(server: Server, scale: Scale) -> Figures:
    """Durable entries by 64 callers, where licd's journal is in etcd; its CPU is the daemon's and etcd's."""
    return {f"etcd_{name}": value for name, value in _joins(server, scale, CALLERS[-1]).items()}


def _call(server: Server, number: int, seconds: float) -> Calls:
    loop = Loop()
    callers = [Caller(loop, server) for _ in range(number)]

    def numbers() -> list[int]:
        return [len(caller.took) for caller in callers]

    try:
        loop.until(lambda: min(numbers()) > 1, 20)
        warm, cpu, began = numbers(), server.cpu(), time.monotonic()
        while time.monotonic() < began + seconds:
            loop.poll(0.1)
        cpu, seconds = server.cpu() - cpu, time.monotonic() - began
        done = numbers()
        for caller in callers:
            caller.running = False
        loop.until(lambda: sum(numbers()) >= sum(done) + number, 20)
    finally:
        loop.close()
    took = [span for caller, first, last in zip(callers, warm, done, strict=True) for span in caller.took[first:last]]
    return Calls(took, cpu, seconds, sum(numbers()))


def crowd(server: Server, scale: Scale) -> Figures:
    """A storm of members, the memory they take, their signs of life once a second and as fast as can be, a kill -9."""
    members = Members(server)
    try:
        warm = _warmed(server, members)
        rss = server.rss()
        storm = members.gather(scale.few, STORM)
        _must_hold(server, warm + scale.few)
        members.burst(scale.few)
        figures = {"storm_1000_tls": storm, "rss_per_node_tls_1000": (server.rss() - rss) / scale.few}
        figures["heartbeat_cpu_paced_1000_tls"] = _paced(server, members, scale.paced)
        cpu, began = server.cpu(), time.monotonic()
        beats = members.saturate(scale.joins)
        figures["heartbeat_rate_1000"] = beats / (time.monotonic() - began)
        figures["heartbeat_cpu_saturated_1000"] = (server.cpu() - cpu) / beats * 1e6
        members.settle()
        _must_hold(server, warm + scale.few)
        if server.kind != "grpcio":
            figures["recovery_1000"] = _recovery(server, members)
        return figures
    finally:
        members.loop.close()


def _warmed(server: Server, members: Members) -> int:
    """A few members first, so that what is made once is not counted as theirs."""
    members.gather(20, 20)
    members.burst(20)
    return 20


def _paced(server: Server, members: Members, seconds: float, interval: float = 1.0) -> float:
    """CPU in us for each sign of life, spread evenly."""
    members.pace(1, interval)
    cpu, before = server.cpu(), members.acknowledged
    members.pace(seconds, interval)
    cpu, beats = server.cpu() - cpu, members.acknowledged - before
    members.settle()
    return cpu / beats * 1e6


def _recovery(server: Server, members: Members) -> float:
    server.stop()
    server.start()
    server.guard()
    return members.come_back(STORM)


def plain(server: Server, scale: Scale) -> Figures:
    """Signs of life once a second without TLS."""
    members = Members(server)
    try:
        members.gather(scale.few, STORM)
        members.burst(scale.few)
        return {"heartbeat_cpu_paced_1000": _paced(server, members, scale.paced)}
    finally:
        members.loop.close()


def many(server: Server, scale: Scale) -> Figures:
    """A crowd that grows to ten thousand, each with its own TLS connection; what it costs at each size, and to hold."""
    members = Members(server)
    figures: Figures = {}
    try:
        warm = _warmed(server, members)
        rss = server.rss()
        for size in scale.sizes:
            new = size - len(members.members) + warm
            members.gather(new, STORM)
            members.burst(new)
            figures[f"rss_at_{size}"] = (server.rss() - rss) / size
            figures[f"heartbeat_cpu_at_{size}"] = _paced(
                server, members, scale.paced / 2, len(members.members) / STEADY
            )
        _must_hold(server, warm + size)
        figures["rss_per_node_tls_10000"] = figures[f"rss_at_{size}"]
        figures["hold_cpu_10000"] = _held(server, members, scale.held)
        _must_hold(server, warm + size)
        if server.kind != "grpcio":
            figures["recovery_10000"] = _recovery(server, members)
        return figures
    finally:
        members.loop.close()


def _held(server: Server, members: Members, seconds: float) -> float:
    """Per cent of a processor: licd's nodes beat as it tells them, the others at a third of a lease."""
    interval = None if server.kind == "licd" else server.ttl_s / 3
    members.pace(members.members[0].interval, interval)
    cpu, began = server.cpu(), time.monotonic()
    members.pace(seconds, interval)
    share = (server.cpu() - cpu) / (time.monotonic() - began) * 100
    members.settle()
    return share


def lost(server: Server, scale: Scale) -> Figures:
    """A member is killed right after a sign of life: seconds until its seat (its key) is free, at a lease of 5 s."""
    members = Members(server)
    try:
        members.gather(2, 2)
        members.pace(1, 0.5)
        held = server.held()
        members.members[0].beat()
        began = time.monotonic()
        members.members.pop(0).close()
        while server.held() >= held:
            members.pace(0.05, 0.5)
            if time.monotonic() > began + 4 * LOST_TTL_S:
                raise RuntimeError("the seat of a killed member was never free")
        return {"detect_lost": time.monotonic() - began}
    finally:
        members.loop.close()


def portal(server: Server, scale: Scale) -> Figures:
    """Scans of bound deployments on one core, with PostgreSQL; a trivial handler's answers beside them."""
    assert isinstance(server, OnOneCore)
    rate, cpu = scanned(server, scale.scans)
    return {"portal_scans": rate, "portal_cpu": cpu}


def _must_hold(server: Server, number: int) -> None:
    """Raises if the server does not hold what the load entered."""
    if server.kind != "grpcio" and (held := server.held()) != number:
        raise RuntimeError(f"{server.kind} holds {held} members, the load entered {number}")


TRIALS = {
    "joins": Trial(joins, ttl_s=60),
    "etcd_joins": Trial(etcd_joins, servers=(LicdOverEtcd, Etcd), ttl_s=60),
    "crowd": Trial(crowd),
    "plain": Trial(plain, tls=False),
    "many": Trial(many),
    "lost": Trial(lost, servers=(Licd, Etcd), ttl_s=LOST_TTL_S),
    "portal": Trial(portal, servers=(Portal, Trivial), tls=False),
}
