"""The daemon of the searched model: real core, leases, presences, publication, alive for one step of a System."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from faults.searched.system import LEASE, WINDOW, Node, System, name_of
from faults.simulated.world import license_for

from licd_daemon.coordinator.presence import Presence, Presences
from licd_daemon.coordinator.publication import Publication
from licd_daemon.core import commands as c
from licd_daemon.core.decide import decide
from licd_daemon.core.leases import Deadline, Leases, seatless_first
from licd_daemon.core.model import Now, Policy, Seat
from licd_daemon.core.refusal import Refused
from node_client.values import NodeState

WALL = 1_700_000_000_000
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

    def reconnect(self, after_ms: int, address: str) -> None:
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
        self.state, self.served = system.state, system.served
        self.leases = Leases(LEASE)
        for kind, key, until in system.deadlines:
            self.leases._set(Deadline(kind), key, until)
        self.presences = Presences()
        streams = {node.session_id for node in system.nodes if node.up is not None}
        for key, (serial, told, loss, open_) in system.told:
            presence = Presence(self.state.epoch, joining=False)
            presence.serial, presence._told, presence._loss_serial = serial, told, loss
            if open_ and key in streams:
                presence.stream = Stream(self.outs.setdefault(key, []))
            self.presences._by_session[key] = presence
        self.publication = Publication(self.leases, self.presences)

    @property
    def at(self) -> Now:
        """Now."""
        return Now(WALL + self.system.now, self.system.now, self.served)

    def do(self, command: c.Command) -> Refused | None:
        """Decides, appends and publishes."""
        decision = decide(self.state, command, self.at, Policy(WINDOW))
        before, self.state = self.state, decision.state
        if decision.events:
            self.publication.publish(before, self.state, decision.events, self.served)
        return decision.refusal

    def time(self) -> None:
        """What is due."""
        over: dict[Deadline, Callable[[str], c.Command]] = {
            Deadline.LEASE: c.LeaseOver,
            Deadline.DRAIN: lambda key: c.DrainOver(key, silent=True),
            Deadline.MEMORY: c.MemoryOver,
        }
        first, rest = seatless_first(list(self.leases.due(self.served)), self.state)
        for kind, key in first:
            self.do(over[kind](key))
        self.do(c.Tick())
        for kind, key in rest:
            self.do(over[kind](key))

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
            (key, (p.serial, p._told, p._loss_serial, p.stream is not None))
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
