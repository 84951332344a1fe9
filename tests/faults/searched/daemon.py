"""The daemon of the searched model: the real engine, alive for one step of a System."""

from dataclasses import dataclass, field, replace
from typing import Any

from faults.searched.system import LEASE, WINDOW, Node, System, name_of
from faults.simulated.timeline import EPOCH_S
from faults.simulated.world import license_for

from licd_daemon.core import commands as c
from licd_daemon.core.leases import Deadline
from licd_daemon.core.model import Now, Policy, Seat, State
from licd_daemon.core.refusal import Refused
from licd_daemon.engine.engine import Engine
from licd_daemon.engine.presence import Presence
from node_client.values import NodeState

WALL = EPOCH_S * 1000
LICENSE_ID = license_for(1).license_id


class Stream:
    """What a presence tells goes to the node's end of the stream."""

    def __init__(self, out: list[Any]) -> None:
        self.out = out
        self.over = False

    def state(self, serial: int, told: Any) -> None:
        """See `presence.Stream`."""
        self.out.append(("state", serial, NodeState(told[0].value)))

    def ended(self, reason: str) -> None:
        """See `presence.Stream`."""
        self.out.append(("ended", reason))
        self.over = True

    def reconnect(self, after_ms: int, address: str, mtls_address: str = "") -> None:
        """See `presence.Stream`."""
        self.out.append(("ended", "SUPERSEDED"))
        self.over = True


@dataclass
class Running:
    """A daemon made alive from a System, to take one step."""

    system: System
    outs: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        system = self.system
        self.served = system.served
        self.engine = Engine(Policy(WINDOW), LEASE, system.state)
        self.engine.writable = True
        self.leases, self.presences = self.engine.leases, self.engine.presences
        for kind, key, until in system.deadlines:
            self.leases._set(Deadline(kind), key, until)
        streams = {node.session_id for node in system.nodes if node.up is not None}
        for key, (serial, told, loss, open_) in system.told:
            presence = Presence(self.state.epoch, joining=False)
            presence.serial, presence._reported, presence._loss_serial = serial, told, loss
            if open_ and key in streams:
                presence.stream = Stream(self.outs.setdefault(key, []))
            self.presences._by_session[key] = presence

    @property
    def state(self) -> State:
        """The durable state."""
        return self.engine.state

    @property
    def at(self) -> Now:
        """Now."""
        return Now(WALL + self.system.now, self.system.now, self.served)

    def start(self) -> None:
        """A new epoch."""
        self.engine.started(self.engine.start(c.StartEpoch(self.state.epoch + 1, LEASE), self.at))

    def do(self, *commands: c.Command) -> Refused | None:
        """One batch, with what is due; gives the verdict on the last command."""
        batch = self.engine.begin(commands, self.at)
        self.engine.committed(batch, self.served)
        return batch.refusals[-1] if commands else None

    def result(self, **changes: Any) -> System:
        """The System after the step; what was told is on its way."""
        nodes = changes.pop("nodes", self.system.nodes)
        nodes = tuple(
            replace(node, down=(*node.down, *self.outs[node.session_id]))
            if node.up is not None and self.outs.get(node.session_id)
            else node
            for node in nodes
        )
        told = tuple(
            (key, (p.serial, p._reported, p._loss_serial, p.stream is not None))
            for key, p in sorted(self.presences._by_session.items())
        )
        deadlines = tuple(
            (int(kind), key, until)
            for kind, each in self.leases._deadlines.items()
            for key, until in sorted(each.items())
        )
        recovering_from = changes.pop("recovering_from", self.system.recovering_from)
        if self.state.recovering and not self.system.state.recovering:
            recovering_from = self.served
        nodes = tuple(self._held(number, node) for number, node in enumerate(nodes))
        return replace(
            self.system, state=self.state, nodes=nodes, told=told, deadlines=deadlines,
            recovering_from=recovering_from, **changes,
        )  # fmt: skip

    def _held(self, number: int, node: Node) -> Node:
        """Whether the node's session holds or held a seat in the registration that lives, by this model's own count."""
        session = self.state.sessions.get(name_of(number, node))
        if self.state.registration is None or session is None:
            return replace(node, held=False) if node.held else node
        held = node.held or session.seat is Seat.HELD
        return node if held == node.held else replace(node, held=held)


def register(running: Running) -> None:
    """QR and code."""
    challenge = f"{running.system.now + running.state.epoch:016x}"
    running.do(c.CreateChallenge(challenge, LICENSE_ID, "https://portal/Q/X"))
    running.do(c.AttemptCode(challenge))
    running.do(c.SettleCode(challenge, True))
