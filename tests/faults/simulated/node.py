"""A node as a process of the simulated world: the real Driver and Belief of node_client, over a simulated link.

The Driver's thread is played by the world: it takes one turn after another, a little late as threads are, and none
while its process is stalled or dead.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Any

import grpc
from faults.simulated.daemon import CallError, ServerCall, SimulatedDaemon
from faults.simulated.network import Pipe, Wire
from faults.simulated.timeline import Act, Machine, Timeline
from grpc import aio

from licd.v1 import node_service_pb2 as pb
from node_client import clock
from node_client.belief import Belief
from node_client.driver import Driver
from node_client.link import Answered, Broken, Received
from node_client.settings import Settings
from node_client.values import Application, NodeState

APPLICATION = Application("report-server", "10.0.19", "2024-05-31", "sales")


class SimulatedLink:
    """The port of `node_client.link.Link` over the simulated network."""

    def __init__(self, node: "SimulatedNode", generation: int) -> None:
        self.address = "daemon:7443"
        self.generation = generation
        self._node = node
        self._timeline = node.timeline
        self._daemon = node.daemon
        chance = random.Random(f"{node.seed} {node.name} {generation}")
        self._up = Pipe(node.timeline, node.up, chance, lambda act: act())
        self._down = Pipe(node.timeline, node.down, chance, self._come)
        self._process: object = None
        self._call: ServerCall | None = None
        self._answers: list[Act] = []
        self._connected = False
        self._task: Any = None

    def _come(self, act: Act) -> None:
        self._node.wake(act)

    def _connect(self) -> bool:
        """False: nobody listens there, as the node is told."""
        if self._connected:
            return not self._up.closed
        self._connected = True
        if not self._daemon.alive or not self._daemon.serving:
            self._timeline.after(0.001, self._reset)
            return False
        self._process = self._daemon.loop
        self._daemon.died.append(self._reset)
        return True

    def _reset(self) -> None:
        """The daemon is gone, and its kernel says so, unless the network is cut."""
        self._up.close()
        error = CallError(grpc.StatusCode.UNAVAILABLE, "connection reset")
        for answer in self._answers:
            self._down.send(answer)
        self._answers.clear()
        if self._call is not None:
            self._down.send(lambda: self._node.post(Broken(self.generation, error)))

    def join(self, request: pb.JoinRequest, timeout: float) -> None:
        """See Link."""
        self._unary("Join", request, timeout)

    def resume(self, request: pb.ResumeRequest, timeout: float) -> None:
        """See Link."""
        self._unary("Resume", request, timeout)

    def leave(self, request: pb.LeaveRequest, timeout: float) -> None:
        """See Link."""
        self._unary("Leave", request, timeout)

    def _unary(self, method: str, request: Any, timeout: float) -> None:
        sent = clock.boottime()
        done: list[bool] = []

        def answered(result: Any) -> None:
            if not done:
                done.append(True)
                failed = isinstance(result, CallError)
                answer = Answered(self.generation, sent, None if failed else result, result if failed else None)
                self._node.post(answer)

        def fail(code: grpc.StatusCode) -> Act:
            return lambda: answered(CallError(code))

        def arrive() -> None:
            if self._connect() and self._daemon.loop is self._process and self._daemon.serving:
                self._daemon.unary(method, request, lambda result: self._down.send(lambda: answered(result)))

        self._answers.append(fail(grpc.StatusCode.UNAVAILABLE))
        self._up.send(arrive)
        self._timeline.after(timeout, lambda: self._node.wake(fail(grpc.StatusCode.DEADLINE_EXCEEDED)))

    def open(self, request: pb.KeepAliveRequest) -> None:
        """See Link."""
        call = self._call = ServerCall(self._node.name, lambda sent: self._respond(request.open.session_id, sent))
        self.send(request)

        def arrive() -> None:
            if self._daemon.loop is self._process and self._daemon.serving:
                self._task = self._daemon.stream(call, self._ended)

        self._up.send(arrive)

    def _respond(self, session_id: str, sent: pb.KeepAliveResponse | bytes) -> None:
        message = pb.KeepAliveResponse.FromString(sent) if isinstance(sent, bytes) else sent
        if message.HasField("heartbeat_ack"):
            self._node.acknowledged(session_id)
        if message.ended.reason == pb.END_REASON_REFUSED:
            self._node.refused(session_id)

        def come() -> None:
            self._node.post(Received(self.generation, message, clock.boottime(), clock.wall_ns()))

        self._down.send(come)

    def _ended(self) -> None:
        self._down.send(lambda: self._node.post(Broken(self.generation, None)))

    def send(self, request: pb.KeepAliveRequest) -> None:
        """See Link."""
        call = self._call
        assert call is not None
        self._up.send(lambda: self._tell(call, request))

    def _tell(self, call: ServerCall, message: Any) -> None:
        if self._daemon.alive and self._daemon.loop is self._process and not self._daemon.loop.is_closed():
            self._daemon.loop.call_soon(call.receive, message)
            self._daemon.pump()

    def close(self) -> None:
        """Cancels the stream, behind what was sent before."""
        self._down.close()

        def cancelled() -> None:
            if self._task is not None and self._daemon.alive and self._daemon.loop is self._process:
                self._daemon.loop.call_soon(self._task.cancel)
                self._daemon.pump()
            self._up.close()

        if self._call is not None:
            self._up.send(cancelled)

    def process_died(self) -> None:
        """kill -9 of the node: its kernel ends the connection; the daemon sees a polite end."""
        call = self._call
        self._down.close()
        if call is not None:
            self._up.send(lambda: self._tell(call, aio.EOF))


class _Inbox:
    """Stands where the Driver's queue does."""

    def __init__(self, post: Callable[[Any], None]) -> None:
        self.put = post


class _Driver(Driver):
    """The Driver, whose link is simulated and whose thread is the world's."""

    def __init__(self, node: "SimulatedNode", settings: Settings) -> None:
        super().__init__(settings, node.change, lambda: None)
        self._node = node
        self._events = _Inbox(node.post)  # type: ignore[assignment]
        self._retry_at = clock.boottime()

    def _open_link(self) -> Any:
        self._drop_link()
        self._generation += 1
        self._link = SimulatedLink(self._node, self._generation)  # type: ignore[assignment]
        return self._link

    @property
    def over(self) -> bool:
        """Whether its thread would have ended."""
        return self._done

    @property
    def session_id(self) -> str:
        """The session it is in, or was in last."""
        return self._session.session_id


class SimulatedNode:
    """One process. `faulted`: it, or its network, was ever disturbed; `gone`: it was told to leave, or evicted."""

    def __init__(self, timeline: Timeline, daemon: SimulatedDaemon, name: str, seed: int) -> None:
        self.timeline = timeline
        self.daemon = daemon
        self.name = name
        self.seed = seed
        self._chance = random.Random(f"{seed} {name}")
        self.machine = Machine(
            timeline, rate=1 + self._chance.uniform(-0.004, 0.004), booted=self._chance.uniform(10, 1e6)
        )
        self.up, self.down = Wire(), Wire()
        self.belief = Belief()
        self.changed: Callable[[SimulatedNode, Belief, Belief], None] = lambda node, before, after: None
        self.acknowledged: Callable[[str], None] = lambda session_id: None
        self.refused: Callable[[str], None] = lambda session_id: None
        self.alive, self.stalled, self.faulted, self.gone = True, False, False, False
        self.sessions: set[str] = set()
        self._inbox: deque[Any] = deque()
        self._waiting: list[Act] = []
        self._turn_at: float | None = None
        with self._here():
            settings = Settings(("daemon:7443",), APPLICATION, name, "", None, insecure=True)
            self.driver = _Driver(self, settings)
        self._plan()

    def _here(self) -> "_Here":
        return _Here(self.machine)

    def believes(self) -> bool:
        """What is_licensed() says at this instant; a stalled process says what it said, until its lease ends."""
        return self.alive and self.belief.status_at(self.machine.boottime()).licensed

    def change(self, change: Callable[[Belief], Belief]) -> Belief:
        """See RemoteNode."""
        before, self.belief = self.belief, change(self.belief)
        if before is not self.belief:
            self.changed(self, before, self.belief)
        return self.belief

    def post(self, event: Any) -> None:
        """Something for the client's thread."""
        self._inbox.append(event)
        self._plan(self._chance.random() ** 4 * 0.05)

    def wake(self, act: Act) -> None:
        """Something for another thread of the process; it waits while the process is stalled."""
        if self.stalled:
            self._waiting.append(act)
        elif self.alive:
            with self._here():
                act()

    def _plan(self, delay: float = 0.0) -> None:
        when = self.timeline.now + delay
        if self._turn_at is None or when < self._turn_at:
            self._turn_at = when
            self.timeline.at(when, lambda: self._turn(when))

    def _turn(self, planned: float) -> None:
        if self._turn_at != planned or not self.alive or self.stalled:
            return
        self._turn_at = None
        with self._here():
            self.driver._tick(clock.boottime())
            if self._inbox:
                self.driver._handle(self._inbox.popleft())
            patience = self.driver._patience(clock.boottime())
        if self.driver.session_id:
            self.sessions.add(self.driver.session_id)
        if self.driver.over:
            self.alive = False
        elif self._inbox:
            self._plan(self._chance.random() * 0.002)
        else:
            self._plan(max(patience / self.machine.rate, 0.0) + 1e-6)

    def stall(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        if not self.stalled:
            self.faulted = self.stalled = True
            self.timeline.after(seconds, self._go_on)

    def _go_on(self) -> None:
        self.stalled = False
        waiting, self._waiting = self._waiting, []
        for act in waiting:
            self.wake(act)
        self._turn_at = None
        self._plan(self._chance.random() * 0.01)

    def kill(self) -> None:
        """kill -9."""
        self.faulted = True
        if self.alive:
            self.alive = False
            if self.driver._link is not None:
                self.driver._link.process_died()  # type: ignore[attr-defined]

    def leave(self) -> None:
        """close(): it stops believing first, then the thread leaves."""
        if self.alive and not self.stalled:
            self.gone = True
            with self._here():
                self.change(lambda belief: belief.ended(NodeState.CLOSED))
                self.driver.stop()

    @property
    def evicted(self) -> bool:
        """It was told so."""
        return self.belief.end is NodeState.EVICTED


class _Here:
    """The code within runs on a machine: node_client's clocks are this machine's."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __enter__(self) -> None:
        self._before = vars(clock)["time"]
        vars(clock)["time"] = self._machine

    def __exit__(self, *_: object) -> None:
        vars(clock)["time"] = self._before
