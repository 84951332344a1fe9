"""One state of the searched model, immutable, and its fingerprint.

Time is in ms, in steps of `UNIT`: a third of a lease.
"""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from licd_daemon.core.leases import Deadline
from licd_daemon.core.model import SessionStatus, State
from node_client.belief import Answer, Belief

UNIT = 1000
LEASE = 3 * UNIT
WINDOW = 4 * UNIT


class Choice(NamedTuple):
    """Something that may happen, to a node if it has a number."""

    what: str
    node: int = -1


class Call(NamedTuple):
    """A Join or Resume under way; `answer` None: it has not reached the daemon yet."""

    sent: int
    session_id: str
    epoch: int
    answer: Answer | str | None = None


@dataclass(frozen=True)
class Node:
    """A process. `up`, `down`: its stream's messages; None: it has no stream. `joins`: how often it joined.

    By this model's own count, `held`: it holds or held a seat in the registration that lives; `met`: one of those in
    which that lives was heard since it joined, or it was there when the cluster was registered (R17).
    """

    belief: Belief = field(default_factory=Belief)
    alive: bool = True
    left: bool = False
    joins: int = 1
    session_id: str = ""
    call: Call | None = None
    up: tuple[Any, ...] | None = None
    down: tuple[Any, ...] = ()
    beat: int | None = None
    sequence: int = 0
    held: bool = False
    met: bool = False

    @property
    def carries(self) -> bool:
        """Whether the registration lives in it."""
        return self.held and self.met


@dataclass(frozen=True)
class System:
    """One state of everything. `told`: what presences remember, by session; `faults`: how many befell it."""

    state: State
    nodes: tuple[Node, ...]
    now: int = 0
    served: int = 0
    deadlines: tuple[tuple[int, str, int], ...] = ()
    told: tuple[tuple[str, Any], ...] = ()
    faults: int = 0
    recovering_from: int = 0
    ended_by_people: bool = False

    def fingerprint(self) -> bytes:
        """The same for all that differ only in when they are."""
        state, now = self.state, self.now
        registration = state.registration
        serials = {key: memory[0] for key, memory in self.told}
        parts: list[Any] = [
            registration and (registration.recovering_since is not None, registration.copied),
            self.served - self.recovering_from if state.recovering else None,
            max(0, state.granting_from - self.served),
            self.faults,
            state.silent_seats,
            self.ended_by_people,
            [
                (s.session_id, s.status, s.seat, s.holder, s.newcomer, s.line and s.line - state.line_head)
                for s in sorted(state.sessions.values(), key=lambda s: s.number)
            ],
            sorted(state.line.items()) and [state.line[key] for key in sorted(state.line)],
            [
                (kind, key, max(-1, until - self.served))
                for kind, key, until in self.deadlines
                if kind != Deadline.MEMORY
            ],
            [(key, memory[1], memory[2] and memory[2] - memory[0]) for key, memory in self.told],
        ]
        for node in self.nodes:
            serial = serials.get(node.session_id, 0)
            left = max(-1, int(node.belief.lease_until * 1000) - now) if node.belief.reported else None
            parts.append(
                (
                    node.belief.reported, node.belief.end, left, node.belief.epoch - state.epoch,
                    node.belief.serial - serial, node.alive, node.left, node.joins, node.session_id,
                    node.held, node.met,
                    None if node.call is None else (max(-9 * UNIT, node.call.sent - now), *node.call[1:]),
                    None if node.up is None else [(s - serial, max(-9 * UNIT, at - now)) for s, at in node.up],
                    [_relative(message, serial, now) for message in node.down],
                    None if node.beat is None else max(-9 * UNIT, node.beat - now),
                )
            )  # fmt: skip
        return hashlib.sha1(repr(parts).encode(), usedforsecurity=False).digest()


def _relative(message: Any, serial: int, now: int) -> Any:
    if message[0] == "state":
        return ("state", message[1] - serial, *message[2:])
    return ("ack", message[1], max(-9 * UNIT, message[2] - now)) if message[0] == "ack" else message


def name_of(number: int, node: Node) -> str:
    """The id of the session that a node is in, or will be."""
    return node.session_id or f"{number}.{node.joins}"


def status_of(system: System, number: int) -> SessionStatus | None:
    """The status of the session that a node is in, though it may not know yet."""
    session = system.state.sessions.get(name_of(number, system.nodes[number]))
    return session.status if session is not None else None


def vouched(system: System, number: int) -> System:
    """A node was heard: if the registration lives in it, everybody who has joined has met it (R17)."""
    if not system.nodes[number].carries:
        return system
    known = system.state.sessions
    nodes = (replace(node, met=node.met or name_of(n, node) in known) for n, node in enumerate(system.nodes))
    return replace(system, nodes=tuple(nodes))


def put(system: System, number: int, **changes: Any) -> System:
    """The system with one node changed."""
    nodes = list(system.nodes)
    nodes[number] = replace(nodes[number], **changes)
    return replace(system, nodes=tuple(nodes))
