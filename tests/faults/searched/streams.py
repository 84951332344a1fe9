"""One session's streams, heartbeats, serials and copies, on both sides, over a network that loses, delays and reorders.

Real: `presence` and `node_client.belief`. A model: calls and streams, as rpc/node.py and the Driver treat them. Any
message may arrive at any time, or never; only what a process does not wait for any more is dropped by it.
"""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from faults.crash_points import APPLICATION
from faults.searched.system import LEASE
from faults.simulated.timeline import EPOCH_S
from faults.simulated.world import license_for
from support.beats import Beat

from licd_daemon.core import commands as c
from licd_daemon.core.decide import decide
from licd_daemon.core.model import Now, Policy, Seat, State
from licd_daemon.core.view import node_state
from licd_daemon.engine.engine import Engine
from licd_daemon.engine.presence import Presence
from node_client.belief import Answer, Belief
from node_client.values import NodeState

IN_FLIGHT = 6
FAULTS = 6
FAULT = ("restart", "restore", "withdraw", "give_back", "copy")


class Message(NamedTuple):
    """What is under way, to the daemon or to the process `whom`. `link`: the connection it was sent on."""

    kind: str
    whom: int
    link: int
    what: tuple[Any, ...] = ()


class Choice(NamedTuple):
    """Something that may happen, to a process if it has a number, with a message if one arrives."""

    what: str
    whom: int = -1
    message: Message | None = None


@dataclass(frozen=True)
class Process:
    """A node. `link`: its newest connection; `asks`: it waits there for Resume's answer; `opened`: its stream."""

    belief: Belief
    stream: int
    link: int = 0
    nonce: str = ""
    asks: bool = False
    opened: bool = False
    sequence: int = 0


@dataclass(frozen=True)
class System:
    """One state. `remembered`: the presence; `links`: how many connections there were.

    `older`: what the journal said before the first restart; on some paths, on which nobody is copied, it is restored.
    """

    state: State
    processes: tuple[Process, ...]
    remembered: tuple[Any, ...]
    net: tuple[Message, ...] = ()
    links: int = 1
    nonces: int = 0
    faults: int = 0
    ended: bool = False
    wrong: str = ""
    older: State | None = None
    restored: bool = False


class Stream:
    """The daemon's end of a stream: what is told goes onto the network."""

    def __init__(self, whom: int, link: int, out: list[Message]) -> None:
        self.key, self._out = (whom, link), out

    def state(self, serial: int, told: Any) -> None:
        """See `presence.Stream`."""
        self._out.append(Message("state", *self.key, (serial, NodeState(told[0].value))))

    def ended(self, reason: str) -> None:
        """See `presence.Stream`."""
        self._out.append(Message("over", *self.key, (reason,)))

    def reconnect(self, after_ms: int, address: str, mtls_address: str = "") -> None:
        """See `presence.Stream`."""
        self.ended("SUPERSEDED")


REMEMBERED = ("given", "opened", "nonce", "sequence", "serial", "_reported", "_loss_serial")


@dataclass
class Step:
    """A System taken apart for one step."""

    system: System
    out: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        *values, live = self.system.remembered
        self.engine = Engine(Policy(LEASE), LEASE, self.system.state)
        self.engine.leases.grant("s", 0)
        self.presence = self.engine.presences._by_session["s"] = Presence(self.system.state.epoch, joining=False)
        for name, value in zip(REMEMBERED, values, strict=True):
            setattr(self.presence, name, value)
        self.presence.stream = Stream(live[0], live[1], self.out) if live else None

    def done(self, **changes: Any) -> System:
        """The System after it."""
        live = self.presence.stream.key if isinstance(self.presence.stream, Stream) else None
        remembered = (*(getattr(self.presence, name) for name in REMEMBERED), live)
        net = (*changes.pop("net", self.system.net), *self.out)
        return replace(self.system, remembered=remembered, net=net, **changes)


def start() -> System:
    """A registered session, with a seat and an answer in hand."""
    state, now = State(), Now(EPOCH_S * 1000, 0, 0)
    for command in (
        c.StartEpoch(1, LEASE),
        c.UploadLicense(license_for(1), "LOCAL_CONTAINER", "0" * 32),
        c.Join("s", "s", "s", "s", APPLICATION),
        c.CreateChallenge("0" * 16, license_for(1).license_id, "https://portal/Q/X"),
        c.AttemptCode("0" * 16),
        c.SettleCode("0" * 16, True),
    ):
        state = decide(state, command, now, Policy(LEASE)).state
    assert state.sessions["s"].seat is Seat.HELD, "without a seat there is no loss to search"
    presence = Presence(1, joining=False)
    number = presence.give()
    process = Process(Belief().answered(_answer(state, number), sent=0), number)
    return System(state, (process,), (*(getattr(presence, name) for name in REMEMBERED), None))


def _answer(state: State, number: int) -> Answer:
    word = NodeState(node_state(state, state.sessions["s"])[0].value)
    return Answer("s", state.epoch, 1e9, 5, word, epoch_id=state.epoch_id, stream=number)


def choices(system: System) -> list[Choice]:
    """All that may happen next."""
    if system.ended:
        return []
    found = [Choice("arrive", message=message) for message in dict.fromkeys(system.net)]
    found += [Choice("lose", message=message) for message in dict.fromkeys(system.net)]
    for whom, process in enumerate(system.processes):
        if process.asks or process.opened:
            found.append(Choice("give_up" if process.asks else "cut", whom))
        if len(system.net) < IN_FLIGHT and not process.asks:
            found.append(Choice("beat" if process.opened else "resume", whom))
    found += [Choice("restart"), Choice("withdraw" if _held(system) else "give_back")]
    if len(system.processes) == 1:
        found += [] if system.restored else [Choice("copy")]
        found += [] if system.older is None else [Choice("restore")]
    return [choice for choice in found if choice.what not in FAULT or system.faults < FAULTS]


def _held(system: System) -> bool:
    return system.state.sessions["s"].seat is Seat.HELD


def step(system: System, choice: Choice) -> System:
    """What happens."""
    if choice.message is not None:
        net = list(system.net)
        net.remove(choice.message)
        system = replace(system, net=tuple(net))
        return system if choice.what == "lose" else _arrive(system, choice.message)
    if choice.what in FAULT:
        system = replace(system, faults=system.faults + 1)
    if choice.what == "restart":
        return _start(replace(system, older=system.older or system.state), system.state)
    if choice.what == "restore":
        assert system.older is not None
        return _start(replace(system, restored=True), system.older)
    if choice.what == "copy":
        copy = replace(system.processes[0], asks=False, opened=False)
        return replace(system, processes=(*system.processes, copy))
    if choice.what in ("withdraw", "give_back"):
        return _seat(system, Seat.DRAINING if choice.what == "withdraw" else Seat.HELD)
    return _act(system, choice.what, choice.whom)


def _start(system: System, journal: State) -> System:
    """A daemon starts on a journal that says so; every epoch has an id of its own, also one of the same number."""
    epoch, epoch_id = journal.epoch + 1, f"{system.faults:032x}"
    state = decide(journal, c.StartEpoch(epoch, LEASE, 0, epoch_id), Now(0, 0, 0), Policy(LEASE)).state
    presence = Presence(epoch, joining=False)
    return replace(system, state=state, remembered=(*(getattr(presence, name) for name in REMEMBERED), None))


def _seat(system: System, seat: Seat) -> System:
    session = replace_struct(system.state.sessions["s"], seat=seat)
    state = replace_struct(system.state, sessions=system.state.sessions.set("s", session))
    after = Step(replace(system, state=state))
    after.presence.report(state, session)
    return after.done()


def replace_struct(value: Any, **changes: Any) -> Any:
    """A core value with changes."""
    return type(value)(**{**{name: getattr(value, name) for name in value.__struct_fields__}, **changes})


def _act(system: System, what: str, whom: int) -> System:
    process = system.processes[whom]
    if what in ("give_up", "cut"):
        return _put(system, whom, asks=False, opened=False)
    if what == "resume":
        link = system.links
        system = _put(replace(system, links=link + 1), whom, asks=True, link=link)
        seen = process.belief.epoch, process.belief.epoch_id
        return _send(system, Message("resume", whom, link, (process.stream, process.nonce, *seen)))
    system = _put(system, whom, sequence=process.sequence + 1)
    return _send(system, Message("beat", whom, process.link, (process.sequence + 1, process.belief.serial)))


def _put(system: System, whom: int, **changes: Any) -> System:
    processes = list(system.processes)
    processes[whom] = replace(processes[whom], **changes)
    return replace(system, processes=tuple(processes))


def _send(system: System, message: Message) -> System:
    return replace(system, net=(*system.net, message))


def _arrive(system: System, message: Message) -> System:
    if message.kind in ("resume", "open", "beat"):
        return {"resume": _resumes, "open": _opens, "beat": _beats}[message.kind](Step(system), message)
    process = system.processes[message.whom]
    if process.link != message.link:
        return system
    if message.kind == "answer":
        return _answered(system, process, message) if process.asks else system
    if not process.opened:
        return system
    if message.kind == "over":
        return _put(system, message.whom, opened=False)
    serial, word = message.what
    return _put(system, message.whom, belief=process.belief.informed(serial, word, ()))


# The daemon, as rpc/node.py


def _resumes(at: Step, message: Message) -> System:
    last, nonce, epoch, epoch_id = message.what
    proof = c.Prove("s", "s", epoch, epoch_id)
    if decide(at.system.state, proof, Now(0, 0, 0), Policy(LEASE)).refusal is not None:
        return at.done(net=_with(at, message, "refused", None))
    if (epoch, epoch_id) != (at.system.state.epoch, at.system.state.epoch_id) and epoch >= at.system.state.epoch:
        return at.done(wrong="R14: a session that has seen another journal's epoch is taken up")
    if not at.presence.stale(last):
        at.presence.resumed(last)
        return at.done(net=_with(at, message, "given", _answer(at.system.state, at.presence.give())))
    if at.presence.copied(nonce, str(at.system.nonces + 1)):
        return at.done(ended=True)
    return at.done(net=_with(at, message, "stale", at.presence.nonce), nonces=at.system.nonces + 1)


def _with(at: Step, message: Message, *what: Any) -> tuple[Message, ...]:
    return (*at.system.net, Message("answer", message.whom, message.link, what))


def _opens(at: Step, message: Message) -> System:
    stream = Stream(message.whom, message.link, at.out)
    if at.engine.open("s", message.what[0], stream, "") is None:
        stream.ended("SUPERSEDED")
    return at.done()


def _beats(at: Step, message: Message) -> System:
    sequence, serial = message.what
    if not isinstance(at.presence.stream, Stream) or at.presence.stream.key != (message.whom, message.link):
        return at.done()
    at.engine.beat("s", at.presence, Beat(sequence, serial), 0.0, 0)
    wrong = ""
    if at.engine.acknowledged:
        believes = at.system.processes[message.whom].belief.reported is NodeState.LICENSED
        if believes and len(at.system.processes) == 1 and not _held(at.system):
            wrong = "R13: a loss passes for acknowledged, and the process believes in its seat"
    return at.done(wrong=wrong)


# The process, as the Driver


def _answered(system: System, process: Process, message: Message) -> System:
    verdict, what = message.what
    if verdict == "refused":
        # The Driver would join again, and refuse this daemon's answer; here it tries on, as for a better daemon.
        return _put(system, message.whom, asks=False)
    if verdict == "stale":
        honest = len(system.processes) == 1
        wrong = "R16: an honest process waits, and is told that it is stale" if honest else ""
        return replace(_put(system, message.whom, asks=False, nonce=what), wrong=wrong)
    if what.stream <= process.stream:
        return replace(system, wrong="R16: a stream's number is not higher than the last one given")
    belief = process.belief.answered(what, sent=0)
    system = _put(system, message.whom, asks=False, opened=True, stream=what.stream, nonce="", belief=belief)
    return _send(system, Message("open", message.whom, message.link, (what.stream,)))


def found_when_all_is_well(system: System) -> bool:
    """Whether two copies are found once nothing is lost any more: each resumes when its stream is over, and beats."""
    system = replace(system, net=(), faults=FAULTS)
    for _ in range(6):
        for whom in range(len(system.processes)):
            process = system.processes[whom]
            live = system.remembered[-1] == (whom, process.link)
            if not (process.opened and live):
                # The daemon has no such stream: no acknowledgement comes, and the node gives it up.
                system = _act(_act(system, "cut", whom), "resume", whom)
            while system.net:
                system = _arrive(replace(system, net=system.net[1:]), system.net[0])
                if system.ended:
                    return True
    return False


def violation(system: System) -> str:
    """What is wrong with a state; empty: nothing."""
    if system.ended and len(system.processes) == 1:
        return "R16: an honest process was ended as a copy"
    if not system.ended and len(system.processes) == 2 and not found_when_all_is_well(system):
        return "R16: a copied process is not found"
    return system.wrong
