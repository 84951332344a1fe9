"""A whole cluster in one thread: real core, coordinator, NodeService and node_client; simulated time, network and disk.

`simulate(seed)` plays the seed's schedule and gives what was violated, with the history.
"""

import contextlib
import random
import secrets
import uuid
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from faults.simulated.checker import Checker
from faults.simulated.daemon import SimulatedDaemon
from faults.simulated.disk import Disk
from faults.simulated.network import Wire
from faults.simulated.node import SimulatedNode
from faults.simulated.schedule import Schedule, Step, schedule
from faults.simulated.timeline import EPOCH_S, Machine, Timeline

from licd_daemon.core import commands as c
from licd_daemon.core.model import EndReason, SessionStatus
from licd_daemon.core.refusal import Refused
from licd_formats.license import License, LicensedApplication, Portal, Vendor
from licd_kit import clock as daemon_clock

REST_S = 100.0
HOUR_S = 3600.0
SLUGGISH_S = 2.0


def license_for(max_nodes: int) -> License:
    """A license for a year."""
    return License(
        license_id="11111111-1111-4111-8111-111111111111",
        issuer="Vendor Ltd",
        company="Acme Ltd",
        issued_at=EPOCH_S - 1,
        expires_at=EPOCH_S + 365 * 86_400,
        project="Sales reports",
        auth_method="LOCAL_CONTAINER",
        application=LicensedApplication("report-server", "10.0", "sales", "2021-10-30"),
        max_nodes=max_nodes,
        portal=Portal("https://portal.vendor.example", "A" * 43),
        vendor=Vendor("Vendor Ltd", "licenses@vendor.example"),
        key_id="key-1",
        recertify_days=None,
    )


@dataclass(frozen=True)
class Outcome:
    """What a schedule showed."""

    schedule: Schedule
    violations: list[str]
    log: list[str]


class World:
    """One schedule's world."""

    def __init__(self, plan: Schedule) -> None:
        self.plan = plan
        self.timeline = Timeline()
        self.disk = Disk(random.Random(f"{plan.seed} disk"))
        self.daemon = SimulatedDaemon(self.timeline, Machine(self.timeline), self.disk, plan.window_s * 1000)
        self.checker = Checker(self.timeline, self.daemon, plan.max_nodes, plan.window_s * 1000)
        self.disk.appended = self.checker.appended
        self.nodes = self.checker.nodes
        self._challenges = 0

    def play(self) -> None:
        """From the first start to rest."""
        self.daemon.start()
        for _ in range(self.plan.first_nodes):
            self.add_node()
        self.timeline.at(3.0, self.register)
        for number in range(self.plan.later_nodes):
            self.timeline.at(5.0 + number, self.add_node)
        for step in self.plan.steps:
            self.timeline.at(step.at, lambda step=step: self.befall(step))  # type: ignore[misc]
        self.timeline.run(self.plan.end)
        self.heal()
        self.timeline.run(self.plan.end + REST_S)
        if self.checker.state.registration is None and 0 < len(self.eligible()) <= self.plan.max_nodes:
            self.register()
            self.timeline.run(self.plan.end + 2 * REST_S)
        self.checker.at_rest(self.eligible(), self.plan.end)
        self.checker.violations += [f"daemon: {failure}" for failure in self.daemon.failed]
        self.daemon.kill()

    def eligible(self) -> list[SimulatedNode]:
        """Those who may have a seat."""
        return [node for node in self.nodes if node.alive and not node.evicted]

    def heal(self) -> None:
        """Every fault is over."""
        self.disk.latency, self.disk.full, self.disk.two_minds = 0.0, False, False
        self.daemon.machine.jump = 0.0
        if not self.daemon.alive:
            self.daemon.start()
        for node in self.nodes:
            node.machine.jump = 0.0
            for wire in (node.up, node.down):
                wire.lag = 0.0
                wire.heal()

    # What people do

    def add_node(self) -> None:
        """A new process joins."""
        node = SimulatedNode(self.timeline, self.daemon, f"node-{len(self.nodes)}", self.plan.seed)
        node.changed = self.checker.believed
        node.acknowledged = self.checker.acknowledged
        node.refused = self.checker.refused
        self.nodes.append(node)

    def _admin(self, work: Coroutine[Any, Any, Any]) -> None:
        async def asked() -> None:
            with contextlib.suppress(Refused):
                await work

        if self.daemon.serving:
            self.daemon.run(asked())
        else:
            work.close()

    def register(self, *_: object) -> None:
        """Upload, QR, code; as a fault too: in the middle of whatever else goes on."""
        self._admin(self._register(right=True))

    async def _register(self, *, right: bool) -> None:
        coordinator, license = self.daemon.coordinator, license_for(self.plan.max_nodes)
        await coordinator.submit(c.UploadLicense(license, "LOCAL_CONTAINER", "0" * 32))
        self._challenges += 1
        challenge_id = f"{self._challenges:016x}"
        await coordinator.submit(c.CreateChallenge(challenge_id, license.license_id, "https://portal/Q/X"))
        await coordinator.submit(c.AttemptCode(challenge_id))
        await coordinator.submit(c.SettleCode(challenge_id, right))

    # What befalls them

    def befall(self, step: Step) -> None:
        """One fault begins; most end by themselves."""
        node = self.nodes[step.whom % len(self.nodes)]
        self.checker.note(f"-- {step.fault} {node.name} {step.span}")
        getattr(self, step.fault)(node, step.span)

    def kill_daemon(self, node: SimulatedNode, span: float) -> None:
        self.daemon.kill()
        self.timeline.after(span / 2, self._start_again)

    def _start_again(self) -> None:
        if not self.daemon.alive:
            self.daemon.start()

    def drain_daemon(self, node: SimulatedNode, span: float) -> None:
        self.daemon.drain()
        self.timeline.after(3.0, self._start_again)

    def stall_daemon(self, node: SimulatedNode, span: float) -> None:
        self.daemon.stall(span)

    def slow_disk(self, node: SimulatedNode, span: float) -> None:
        self.disk.latency = span
        self.timeline.after(span, lambda: setattr(self.disk, "latency", 0.0))

    def sluggish_disk(self, node: SimulatedNode, span: float) -> None:
        """As slow as a daemon can lead with, and for long."""
        self.disk.latency = SLUGGISH_S
        self.timeline.after(2 * span, lambda: setattr(self.disk, "latency", 0.0))

    def full_disk(self, node: SimulatedNode, span: float) -> None:
        self.disk.full = True
        self.timeline.after(span, lambda: setattr(self.disk, "full", False))

    def two_minds(self, node: SimulatedNode, span: float) -> None:
        self.disk.two_minds = True

    def jump_daemon(self, node: SimulatedNode, span: float) -> None:
        self.daemon.machine.jump = HOUR_S if span > 6 else -HOUR_S
        self.timeline.after(span, lambda: setattr(self.daemon.machine, "jump", 0.0))

    def jump_node(self, node: SimulatedNode, span: float) -> None:
        node.machine.jump = HOUR_S if span > 6 else -HOUR_S
        self.timeline.after(span, lambda: setattr(node.machine, "jump", 0.0))

    def stall_node(self, node: SimulatedNode, span: float) -> None:
        node.stall(span)

    def kill_node(self, node: SimulatedNode, span: float) -> None:
        node.kill()

    def kill_all(self, node: SimulatedNode, span: float) -> None:
        alive = [each for each in self.nodes if each.alive]
        for each in alive:
            each.kill()
            self.add_node()

    def leave_node(self, node: SimulatedNode, span: float) -> None:
        node.leave()

    def join_node(self, node: SimulatedNode, span: float) -> None:
        self.add_node()

    def _cut(self, node: SimulatedNode, span: float, *directions: str) -> None:
        node.faulted = True
        for direction in directions:
            wire = getattr(node, direction)
            wire.cut = True
            self.timeline.after(span, wire.heal)

    def cut_up(self, node: SimulatedNode, span: float) -> None:
        self._cut(node, span, "up")

    def cut_down(self, node: SimulatedNode, span: float) -> None:
        self._cut(node, span, "down")

    def cut_both(self, node: SimulatedNode, span: float) -> None:
        self._cut(node, span, "up", "down")

    def stick_up(self, node: SimulatedNode, span: float) -> None:
        self._stick(node, node.up, span)

    def stick_down(self, node: SimulatedNode, span: float) -> None:
        self._stick(node, node.down, span)

    def _stick(self, node: SimulatedNode, wire: Wire, span: float) -> None:
        node.faulted = True
        for pipe in wire.stick():
            self.timeline.after(span, pipe.free)

    def lag(self, node: SimulatedNode, span: float) -> None:
        node.faulted = True
        node.up.lag = node.down.lag = span / 4
        self.timeline.after(span, lambda: setattr(node.up, "lag", 0.0))
        self.timeline.after(span, lambda: setattr(node.down, "lag", 0.0))

    def evict(self, node: SimulatedNode, span: float) -> None:
        live = [key for key, s in self.checker.state.sessions.items() if s.status is SessionStatus.LIVE]
        if node.driver.session_id in live:
            node.gone = True
            self._admin(self.daemon.coordinator.submit(c.EndSession(node.driver.session_id, EndReason.EVICTED)))

    def reset(self, node: SimulatedNode, span: float) -> None:
        self._admin(self.daemon.coordinator.submit(c.ResetRegistration()))

    def wrong_code(self, node: SimulatedNode, span: float) -> None:
        self._admin(self._register(right=False))


class _Chance:
    """Randomness of everything that is not the schedule's own, from one seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"{seed} chance")

    def token_hex(self, size: int = 16) -> str:
        """As in `secrets`."""
        return self._chance.randbytes(size).hex()

    def uuid4(self) -> uuid.UUID:
        """As in `uuid`."""
        return uuid.UUID(bytes=self._chance.randbytes(16), version=4)


@contextlib.contextmanager
def _in_a_world_of_its_own(world: World) -> Iterator[None]:
    """The clocks and the chance of the code within are the world's: the one thing that reality would not repeat."""
    chance = _Chance(world.plan.seed)
    random.seed(world.plan.seed)
    with (
        patch.object(daemon_clock, "time", world.daemon.machine),
        patch.object(secrets, "token_hex", chance.token_hex),
        patch.object(uuid, "uuid4", chance.uuid4),
    ):
        yield


def simulate(seed: int, profile: str = "") -> Outcome:
    """Plays the schedule of a seed, of a profile if one is named."""
    world = World(schedule(seed, profile))
    with _in_a_world_of_its_own(world):
        world.play()
    return Outcome(world.plan, world.checker.violations, world.checker.log)
