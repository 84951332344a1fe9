"""The model that `explore` searches: real engine, core and beliefs; time, network and nodes made small.

A `System` is one state. `Model.choices` names all that may happen next, `Model.step` makes it happen; rules.py judges.
Whatever costs a path more than it teaches is bounded: one call of a node under way, `QUEUE` heartbeats on a stream,
`FAULTS` faults a path.
"""

from collections.abc import Iterator
from dataclasses import replace

from faults.crash_points import APPLICATION
from faults.searched.daemon import Running, Stream, register
from faults.searched.system import LEASE, UNIT, Call, Choice, Node, System, name_of, put, status_of, vouched
from faults.simulated.world import license_for
from support.beats import Beat

from licd_daemon.core import commands as c
from licd_daemon.core.model import EndReason, SessionStatus, State
from node_client.belief import Answer, Belief
from node_client.values import NodeState

QUEUE = 2
FAULTS = 3


class Model:
    """The rules of what may happen."""

    def __init__(self, nodes: int, max_nodes: int, registered: int) -> None:
        self._count = nodes
        self._max = max_nodes
        self._registered = registered

    def start(self) -> System:
        """A cluster registered with its first nodes. The others joined a little later, and have met nobody yet."""
        system = System(State(), tuple(Node() for _ in range(self._count)))
        running = Running(system)
        running.start()
        running.do(c.UploadLicense(license_for(self._max), "LOCAL_CONTAINER", "0" * 32))
        system = running.result()
        for number in range(self._count):
            for what in ("call", "arrive", "answered"):
                system = self.step(system, Choice(what, number))
            if number + 1 == self._registered:
                system = replace(self._register(system, -1), recovering_from=0)
                system = self.step(system, Choice("time"))
                assert system.state.registration is not None, "without one there is nothing to search"
        for number in range(self._count):
            while system.nodes[number].down:
                system = self.step(system, Choice("down", number))
        return replace(system, faults=0)

    # What may happen

    def choices(self, system: System) -> Iterator[Choice]:
        """All that may happen next."""
        yield Choice("time")
        for number, node in enumerate(system.nodes):
            if node.alive:
                yield from self._of_node(system, number, node)
            elif node.up:
                yield Choice("up", number)
        if system.faults < FAULTS:
            yield from (Choice("restart"), Choice("stall"), Choice("reset"))
            if system.state.registration is None or system.state.recovering:
                yield Choice("register")

    def _of_node(self, system: System, number: int, node: Node) -> Iterator[Choice]:
        if node.call is None and node.up is None and node.belief.end is None:
            yield Choice("call", number)
        if node.call is not None:
            yield Choice("arrive" if node.call.answer is None else "answered", number)
            yield Choice("lose", number)
        if node.up is not None:
            if node.beat is None and len(node.up) < QUEUE and node.belief.end is None:
                yield Choice("beat", number)
            if node.up:
                yield Choice("up", number)
        if node.down:
            yield Choice("down", number)
        if system.faults < FAULTS:
            yield from (Choice(what, number) for what in ("die", "leave"))
            if node.up is not None:
                yield Choice("break", number)
            if node.session_id in system.state.sessions:
                yield Choice("evict", number)

    def step(self, system: System, choice: Choice) -> System:
        """What a choice makes of a state."""
        return getattr(self, f"_{choice.what}")(system, choice.node)  # type: ignore[no-any-return]

    # Time and the daemon

    def _time(self, system: System, _: int) -> System:
        running = Running(replace(system, now=system.now + UNIT, served=system.served + UNIT))
        running.do()
        return running.result()

    def _stall(self, system: System, _: int) -> System:
        """A lease's length passes, and the daemon is stopped: none of it is served time (R18)."""
        return replace(system, now=system.now + LEASE, faults=system.faults + 1)

    def _restart(self, system: System, _: int) -> System:
        nodes = tuple(
            replace(
                node, up=None, down=(), beat=None, call=None if node.call and node.call.answer is None else node.call
            )
            for node in system.nodes
        )
        running = Running(replace(system, deadlines=(), told=(), nodes=nodes))
        running.start()
        return running.result(faults=system.faults + 1, recovering_from=system.served)

    def _reset(self, system: System, _: int) -> System:
        running = Running(system)
        running.do(c.ResetRegistration())
        return running.result(faults=system.faults + 1, ended_by_people=True)

    def _register(self, system: System, _: int) -> System:
        running = Running(system)
        register(running)
        system = running.result(faults=system.faults + 1, ended_by_people=running.state.registration is None)
        sessions = system.state.sessions
        if system.state.registration is running.system.state.registration:
            return system
        # Those who wait for a seat that still drains are registered too (R10).
        nodes = (
            replace(node, held=name in sessions and sessions[name].holder, met=name in sessions)
            for number, node in enumerate(system.nodes)
            for name in (name_of(number, node),)
        )
        return replace(system, nodes=tuple(nodes))

    def _evict(self, system: System, number: int) -> System:
        if status_of(system, number) is SessionStatus.LIVE:
            system = vouched(system, number)
        running = Running(system)
        running.do(c.EndSession(system.nodes[number].session_id, EndReason.EVICTED))
        return running.result(faults=system.faults + 1)

    # Calls

    def _call(self, system: System, number: int) -> System:
        node = system.nodes[number]
        call = Call(system.now, name_of(number, node), node.belief.epoch)
        return put(system, number, call=call)

    def _arrive(self, system: System, number: int) -> System:
        """Join or Resume, as NodeService carries them out."""
        node = system.nodes[number]
        assert node.call is not None
        running = Running(system)
        key = node.call.session_id
        secret = key * 3
        command: c.Command = c.Resume(key, secret, node.call.epoch)
        if not node.session_id:
            command = c.Join(key, f"node-{number}", key, secret, APPLICATION)
        refusal = running.do(command)
        answer: Answer | str = "SESSION_EXPIRED"
        presence = running.presences.get(key)
        if node.session_id and presence is not None and refusal is None:
            presence.resumed(0)
        if refusal is not None:
            answer = refusal.metadata.get("ended", str(refusal.reason))
        elif granted := running.engine.grant(key, running.served):
            answer = Answer(key, running.state.epoch, LEASE / 1000, 1.0, NodeState(granted.node_state.value))
        system = running.result()
        if refusal is None:
            system = vouched(system, number)
        return put(system, number, call=node.call._replace(answer=answer))

    def _answered(self, system: System, number: int) -> System:
        node = system.nodes[number]
        assert node.call is not None
        answer = node.call.answer
        if isinstance(answer, str):
            return self._over(put(system, number, call=None), number, answer)
        assert answer is not None
        if answer.epoch < node.belief.epoch:
            return put(system, number, call=None)
        belief = node.belief.answered(answer, sent=node.call.sent / 1000)
        system = put(system, number, belief=belief, call=None, session_id=answer.session_id, up=(), down=(), beat=None)
        return self._open(system, number)

    def _open(self, system: System, number: int) -> System:
        """The stream's `open`, carried out at once: that it may come late is a Resume that comes late."""
        node = system.nodes[number]
        running = Running(system)
        refusal = running.do(c.Resume(node.session_id, node.session_id * 3, 0))
        stream = Stream(running.outs.setdefault(node.session_id, []))
        if refusal is not None or running.engine.open(node.session_id, 0, stream, "") is None:
            return put(system, number, up=None)
        return vouched(running.result(), number)

    def _lose(self, system: System, number: int) -> System:
        return put(system, number, call=None)

    # Streams

    def _beat(self, system: System, number: int) -> System:
        node = system.nodes[number]
        assert node.up is not None
        return put(system, number, up=(*node.up, (node.belief.serial, system.now)), beat=system.now)

    def _up(self, system: System, number: int) -> System:
        """A heartbeat, as `keepalive` serves it."""
        node = system.nodes[number]
        assert node.up
        (serial, sent), rest = node.up[0], node.up[1:]
        system = put(system, number, up=rest)
        running = Running(system)
        presence = running.presences.get(node.session_id)
        beat = Beat(0, serial)
        if presence is None or presence.stream is None:
            return system
        if not running.engine.beat(node.session_id, presence, beat, 0.0, running.served):
            return system
        running.outs.setdefault(node.session_id, []).append(("ack", running.state.epoch, sent))
        running.do()
        return vouched(running.result(), number)

    def _down(self, system: System, number: int) -> System:
        node = system.nodes[number]
        message, rest = node.down[0], node.down[1:]
        belief, now = node.belief, system.now / 1000
        if message[0] == "state":
            return put(system, number, down=rest, belief=belief.informed(message[1], message[2], ()))
        if message[0] == "ack":
            if message[1] >= belief.epoch:
                sent = message[2] / 1000
                belief = belief.acknowledged(epoch=message[1], lease_ttl=LEASE / 1000, sent=sent, now=now)
            return put(system, number, down=rest, belief=belief, beat=None)
        system = put(system, number, down=(), up=None, beat=None)
        return self._over(system, number, message[1])

    def _over(self, system: System, number: int, reason: str) -> System:
        """The session or the stream has ended, as the Driver takes it."""
        node = system.nodes[number]
        if reason == "SUPERSEDED":
            return system
        if reason == "EVICTED":
            belief = node.belief.ended(NodeState.EVICTED)
            running = Running(put(system, number, belief=belief))
            running.do(c.Leave(node.session_id, node.session_id * 3))
            return running.result()
        return put(
            system,
            number,
            belief=node.belief.forgotten(),
            session_id="",
            joins=node.joins + 1,
            held=False,
            met=False,
            up=None,
            down=(),
        )

    def _break(self, system: System, number: int) -> System:
        """The stream is lost with all that is in it, which says nothing of its node."""
        return put(replace(system, faults=system.faults + 1), number, up=None, down=(), beat=None)

    # Ends

    def _die(self, system: System, number: int) -> System:
        return put(replace(system, faults=system.faults + 1), number, alive=False, call=None, down=(), belief=Belief())

    def _leave(self, system: System, number: int) -> System:
        """It stops believing; its Leave arrives, or is lost when the choice is `die`."""
        node = system.nodes[number]
        belief = node.belief.ended(NodeState.CLOSED)
        gone = put(
            replace(system, faults=system.faults + 1),
            number,
            alive=False,
            left=True,
            belief=belief,
            call=None,
            up=None,
            down=(),
        )
        running = Running(vouched(gone, number))
        running.do(c.Leave(node.session_id, node.session_id * 3))
        return running.result()
