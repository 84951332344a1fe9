"""A cluster in simulated time: the daemon's real engine and core, and the nodes' real belief.

What lies between them is played here: appends that take time, fail or crash, streams that break with messages under
way, answers that never arrive, processes that are paused, and a daemon that stalls or restarts with another lease.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.beats import Beat
from unit.core.world import APPLICATION, MINUTE, drift_of, license_of

from licd_daemon.coordinator.service_clock import ServiceClock
from licd_daemon.core import commands as c
from licd_daemon.core.events import AnyEvent, Registered, SessionEnded
from licd_daemon.core.model import EndReason, Policy, SessionStatus, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.engine.engine import Batch, Engine
from licd_daemon.engine.presence import NodeReport, Presence
from node_client.belief import Answer, Belief, OlderEpochError
from node_client.values import NodeState

POLICY = Policy(5 * MINUTE)
LEASES = (15_000, 15_000, 6000, 30_000)


@dataclass
class Stream:
    """One stream; what was written into it arrives in order, or never once it is broken."""

    to_node: deque[tuple[Any, ...]] = field(default_factory=deque)
    to_daemon: deque[tuple[int, int, int]] = field(default_factory=deque)
    broken: bool = False

    def state(self, serial: int, told: NodeReport) -> None:
        self.to_node.append(("state", serial, NodeState(str(told[0]))))

    def ended(self, reason: str) -> None:
        self.to_node.append(("ended", reason))

    def reconnect(self, after_ms: int, address: str, mtls_address: str = "") -> None:
        self.to_node.append(("ended", "RECONNECT"))


class Node:
    """A process. Its clock runs a little faster or slower than the daemon's."""

    def __init__(self, name: str, rate: float) -> None:
        self.name = name
        self.rate = rate
        self.belief = Belief()
        self.session: str | None = None
        self.stream: Stream | None = None
        self.asked: list[tuple[int, float]] = []  # an answer is waited for: (the request's number, when it was sent)
        self.requests = 0
        self.sequence = 0
        self.number = 0
        self.sent: dict[int, float] = {}

    def clock(self, time: int) -> float:
        return time / 1000 * self.rate

    def believes(self, time: int) -> bool:
        return self.belief.status_at(self.clock(time)).licensed


class Daemon:
    """The coordinator's part, without tasks: one batch of the engine at a time, durable when `commit`ted."""

    def __init__(self, time: Callable[[], int]) -> None:
        self.time = time
        self.epoch = 0
        self.founders: set[str] = set()  # those who were there when the cluster was registered
        self.evicted: list[str] = []  # since somebody looked last
        self.start(State(), 15_000)

    @property
    def state(self) -> State:
        """The durable state."""
        return self.engine.state

    def start(self, state: State, lease_ttl_ms: int) -> None:
        self.epoch += 1
        self.lease_ttl_ms = lease_ttl_ms
        self.engine = Engine(POLICY, lease_ttl_ms, state)
        self.presences = self.engine.presences
        self.clock = ServiceClock(state.effective, state.served, boot=self.time, wall=self.time)
        self.queue: deque[tuple[c.Command, Callable[[Refused | None], None]]] = deque()
        self.pending: tuple[Batch, list[Callable[[Refused | None], None]]] | None = None
        command = c.StartEpoch(self.epoch, lease_ttl_ms, 0, f"{self.epoch:032x}")
        self.engine.started(self.engine.start(command, self.clock.now()))

    def submit(self, command: c.Command, answer: Callable[[Refused | None], None] = lambda refusal: None) -> None:
        self.queue.append((command, answer))

    def begin(self) -> None:
        """Decides a batch; its append is under way from here on."""
        if self.pending is not None:
            return
        commands, answers = [command for command, _ in self.queue], [answer for _, answer in self.queue]
        self.queue.clear()
        self.pending = self.engine.begin(commands, self.clock.now(self.engine.writable)), answers

    def commit(self) -> None:
        if self.pending is None:
            return
        (batch, answers), self.pending = self.pending, None
        self._note(batch.state, batch.events)
        self.engine.committed(batch, self.clock.now().served)
        for answer, refusal in zip(answers, batch.refusals, strict=True):
            answer(refusal)

    def _note(self, state: State, events: Sequence[AnyEvent]) -> None:
        """Whom the registration began with, and whom people ended."""
        for event in events:
            if isinstance(event, Registered):
                self.founders = set(state.sessions)
            elif isinstance(event, SessionEnded) and event.reason is EndReason.EVICTED:
                self.evicted.append(event.session_id)

    def fail(self) -> None:
        """The append failed, and has written nothing; who is told so asks again, as if nothing had come."""
        if self.pending is None:
            return
        (batch, answers), self.pending = self.pending, None
        for answer, refusal in zip(answers, self.engine.failed(batch, self.clock.now(False)), strict=True):
            if refusal is None or refusal.reason is not Reason.JOURNAL_UNAVAILABLE:
                answer(refusal)

    def crash(self, lease_ttl_ms: int, written: bool) -> None:
        state = self.state
        if self.pending is not None and written:
            state = self.pending[0].state
            self._note(state, self.pending[0].events)
        self.start(state, lease_ttl_ms)

    def _served(self) -> int:
        return self.clock.now(self.engine.writable).served

    def answer_of(self, name: str) -> Answer | None:
        """What Join and Resume answer."""
        granted = self.engine.grant(name, self._served())
        if granted is None:
            return None
        word, ttl, epoch_id = NodeState(str(granted.node_state)), self.lease_ttl_ms / 1000, self.state.epoch_id
        return Answer(name, self.state.epoch, ttl, 5, word, epoch_id=epoch_id, stream=granted.stream)

    def heard(self, stream: Stream) -> None:
        """One heartbeat that has arrived."""
        number, serial, _ = stream.to_daemon.popleft()
        for name in list(self.state.sessions):
            presence = self.presences.get(name)
            if presence is not None and presence.stream is stream:
                self._serve(name, presence, stream, number, serial)

    def _serve(self, name: str, presence: Presence, stream: Stream, number: int, serial: int) -> None:
        if self.engine.beat(name, presence, Beat(number, serial), 0.0, self._served()):
            stream.to_node.append(("ack", number, self.state.epoch, self.lease_ttl_ms))


class Cluster:
    """One run, driven by a seed."""

    def __init__(self, seed: int, max_nodes: int) -> None:
        self.random = random.Random(seed)
        self.max_nodes = max_nodes
        self.time = 1_000_000
        self.challenges = self.issued = self.names = 0
        self.daemon = Daemon(lambda: self.time)
        self.nodes: list[Node] = []
        self.steps = 0
        self.lives: dict[str, tuple[int, int]] = {}  # the step that each process began in, and the last it lived in
        self.daemon_answers: deque[tuple[Node, int, float, Answer | None]] = deque()
        self.licensed_at_once = 0
        self.outlived = self.nobody_registers_until = 0
        self.log: list[str] = []
        self.upload()

    def upload(self, version: str = "10.0") -> None:
        self.issued += 1
        license = license_of(max_nodes=self.max_nodes, version=version, issued_at=self.issued, expires_at=4_000_000_000)
        self.daemon.submit(c.UploadLicense(license, "LOCAL_CONTAINER", "0" * 32, replace=True))

    def check(self) -> None:
        """R13."""
        believing = [node.name for node in self.nodes if node.believes(self.time)]
        assert len(believing) <= self.max_nodes, (believing, self.log[-40:])
        self.licensed_at_once = max(self.licensed_at_once, len(believing))
        for node in self.nodes:
            self._seen(node.name)
        for name in self.daemon.evicted:
            self._seen(name)  # whoever ends it has seen it
        self.daemon.evicted.clear()
        self.check_life()

    def _seen(self, name: str) -> None:
        self.lives[name] = self.lives.get(name, (self.steps, 0))[0], self.steps

    def check_life(self) -> None:
        """R17: a registration lives on only where one process after another overlapped, back to who was registered."""
        state = self.daemon.state
        if state.registration is None or state.recovering:
            return
        carriers = self.daemon.founders & self.lives.keys()
        # Founders first: a process that began before one of them overlapped with it all the same.
        carried_until = max((self.lives[name][1] for name in carriers), default=0)
        for name, (began, last) in self.lives.items():
            if began <= carried_until:
                carriers.add(name)
                carried_until = max(carried_until, last)
        live = {key for key, s in state.sessions.items() if s.holder and s.status is SessionStatus.LIVE}
        assert live & carriers, (live, self.log[-40:])
        self.outlived += not carriers & self.daemon.founders & live

    def step(self) -> None:
        """One thing happens."""
        action = self.random.choices(ACTIONS, WEIGHTS)[0]
        self.steps += 1
        self.log.append(f"{self.time} {action.__name__}")
        action(self)
        self.check()

    def pick(self, nodes: list[Node]) -> Node | None:
        return self.random.choice(nodes) if nodes else None

    # Time and the daemon

    def passes(self) -> None:
        for _ in range(self.random.choice((1, 2, 6))):
            self.time += self.random.choice((10, 250, 500))
            self.daemon.clock.now(self.daemon.engine.writable)
            self.check()

    def stalls(self) -> None:
        self.time += self.random.choice((2000, 20_000))

    def writes(self) -> None:
        self.daemon.begin()
        if self.random.random() < 0.7:
            self.daemon.commit()

    def commits(self) -> None:
        self.daemon.commit()

    def fails(self) -> None:
        self.daemon.fail()

    def crashes(self) -> None:
        for node in self.nodes:
            if node.stream is not None:
                node.stream.broken = True
        self.daemon.crash(self.random.choice(LEASES), self.random.random() < 0.5)

    # Administrators

    def registers(self) -> None:
        """With all that it takes: the right license, clocks that agree, not too many nodes."""
        if self.time < self.nobody_registers_until:
            return
        self.upload()
        live = [key for key, session in self.daemon.state.sessions.items() if session.status is SessionStatus.LIVE]
        for name in live:
            self.daemon.submit(c.JudgeClock(name, None, False))
        if self.daemon.state.registration is None:
            for name in live[self.max_nodes :]:
                self.daemon.submit(c.EndSession(name, EndReason.EVICTED))
        self.challenges += 1
        challenge_id = f"{self.challenges:016x}"
        for command in (
            c.CreateChallenge(challenge_id, license_of().license_id, "https://portal/Q/X"),
            c.AttemptCode(challenge_id),
            c.SettleCode(challenge_id, True),
        ):
            self.daemon.submit(command)

    def resets(self) -> None:
        self.daemon.submit(c.ResetRegistration())

    def evicts(self) -> None:
        if self.nodes:
            self.daemon.submit(c.EndSession(self.random.choice(self.nodes).name, EndReason.EVICTED))

    def reissues(self) -> None:
        """For another version and back: seats are withdrawn, and given back before their holders have noticed."""
        self.upload("11.0")
        if self.random.random() < 0.5:
            self.writes()
        self.upload("10.0")

    def judges(self) -> None:
        if self.nodes:
            name = self.random.choice(self.nodes).name
            failure = drift_of(name) if self.random.random() < 0.5 else None
            self.daemon.submit(c.JudgeClock(name, failure, True))

    # Nodes

    def spawns(self) -> None:
        more = 3 if self.daemon.state.registration else 0
        if len(self.nodes) < self.max_nodes + more:
            self._spawn()

    def _spawn(self) -> None:
        self.names += 1
        self.nodes.append(Node(f"n{self.names}", self.random.choice((0.995, 1.0, 1.005))))
        self._seen(self.nodes[-1].name)

    def dies(self) -> None:
        if len(self.nodes) > 1 and (node := self.pick(self.nodes)):
            self.nodes.remove(node)

    def all_die(self) -> None:
        """kill -9 of all, and a new process at once for each; nobody registers before their leases are over (R17)."""
        self.nobody_registers_until = self.time + 45_000
        old, self.nodes = list(self.nodes), []
        for _ in old:
            self._spawn()

    def asks(self) -> None:
        """Join or Resume; an answer that was waited for before is given up."""
        node = self.pick([node for node in self.nodes if node.stream is None])
        if node is None:
            return
        node.requests += 1
        number, sent = node.requests, node.clock(self.time)
        node.asked = [(number, sent)]
        command: c.Command
        if node.session is None:
            command = c.Join(node.name, node.name, node.name, node.name, APPLICATION)
        else:
            command = c.Resume(node.name, node.name, node.belief.epoch, node.belief.epoch_id)
            here = self.daemon.presences.get(node.name)
            assert here is None or not here.stale(node.number), "R16: an honest process waits, and is told it is stale"
        last_stream = node.number

        def answered(refusal: Refused | None) -> None:
            presence = self.daemon.presences.get(node.name)
            if refusal is None and presence is not None and isinstance(command, c.Resume):
                presence.resumed(last_stream)
            answer = self.daemon.answer_of(node.name) if refusal is None else None
            if self.random.random() < 0.8:
                self.daemon_answers.append((node, number, sent, answer))

        self.daemon.submit(command, answered)

    def answers_arrive(self) -> None:
        if not self.daemon_answers:
            return
        node, number, sent, answer = self.daemon_answers.popleft()
        if node.asked != [(number, sent)] or node not in self.nodes:
            return
        node.asked = []
        if answer is None:
            node.belief, node.session = node.belief.forgotten(), None
            self.nodes.remove(node)  # a process joins anew under another name
            return
        try:
            node.belief, node.session = node.belief.answered(answer, sent=sent), node.name
            node.number = answer.stream
        except OlderEpochError:
            return
        self._open(node)

    def _open(self, node: Node) -> None:
        stream, number = Stream(), node.number
        node.stream = stream

        def opened(refusal: Refused | None) -> None:
            if refusal is not None or self.daemon.engine.open(node.name, number, stream, "") is None:
                stream.broken = True

        self.daemon.submit(c.Resume(node.name, node.name, 0), opened)

    def beats(self) -> None:
        node = self.pick([node for node in self.nodes if node.stream is not None])
        if node is not None and node.stream is not None:
            node.sequence += 1
            node.sent[node.sequence] = node.clock(self.time)
            node.stream.to_daemon.append((node.sequence, node.belief.serial, self.time))

    def heartbeats_arrive(self) -> None:
        node = self.pick([n for n in self.nodes if n.stream is not None and n.stream.to_daemon and not n.stream.broken])
        if node is not None and node.stream is not None:
            self.daemon.heard(node.stream)

    def news_arrives(self) -> None:
        node = self.pick([node for node in self.nodes if node.stream is not None and node.stream.to_node])
        if node is None or node.stream is None:
            return
        kind, *what = node.stream.to_node.popleft()
        if kind == "state":
            serial, word = what
            node.belief = node.belief.informed(serial, word, ())
        elif kind == "ack":
            number, epoch, ttl = what
            sent = node.sent[number]
            try:
                node.belief = node.belief.acknowledged(
                    epoch=epoch,
                    lease_ttl=ttl / 1000,
                    sent=sent,
                    now=node.clock(self.time),
                )
            except OlderEpochError:
                node.stream = None
        elif what[0] in ("SUPERSEDED", "RECONNECT"):
            node.stream = None
        else:
            node.belief, node.session, node.stream = node.belief.forgotten(), None, None
            self.nodes.remove(node)

    def breaks(self) -> None:
        node = self.pick([node for node in self.nodes if node.stream is not None])
        if node is not None and node.stream is not None:
            node.stream.broken = True
            if self.random.random() < 0.5 and (presence := self.daemon.presences.get(node.name)):
                presence.detach(node.stream)
            node.stream = None

    def notices(self) -> None:
        """A node finds its stream broken, and has read what had arrived before."""
        node = self.pick([node for node in self.nodes if node.stream is not None and node.stream.broken])
        if node is not None:
            node.stream = None

    def leaves(self) -> None:
        node = self.pick([node for node in self.nodes if node.session is not None])
        if node is not None:
            self.nodes.remove(node)  # it believes no more before it says so (R15)
            self.daemon.submit(c.Leave(node.name, node.name))


CHANCES = {
    Cluster.passes: 30, Cluster.stalls: 1, Cluster.writes: 60, Cluster.commits: 60, Cluster.fails: 3,
    Cluster.crashes: 1, Cluster.registers: 10, Cluster.resets: 2, Cluster.evicts: 6, Cluster.reissues: 3,
    Cluster.judges: 3, Cluster.spawns: 10, Cluster.dies: 1, Cluster.asks: 30, Cluster.answers_arrive: 60,
    Cluster.beats: 60, Cluster.heartbeats_arrive: 90, Cluster.news_arrives: 120, Cluster.breaks: 6,
    Cluster.notices: 60, Cluster.leaves: 2, Cluster.all_die: 0.5,
}  # fmt: skip
ACTIONS, WEIGHTS = list(CHANCES), list(CHANCES.values())
