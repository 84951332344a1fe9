"""The daemon as a process of the simulated world: the real coordinator and NodeService on an event loop of its own.

The world moves the loop on; while the process is stalled or dead, it does not. So a stall is what it is in reality:
nothing runs, and afterwards the clock has jumped.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, cast

import grpc
from faults.simulated.disk import Disk, SimulatedJournal, SimulatedLeadership
from faults.simulated.timeline import Machine, Timeline
from google.protobuf.message import Message

from licd_daemon.coordinator.coordinator import Coordinator, CoordinatorConfig
from licd_daemon.core.model import Actor, Policy, Role
from licd_daemon.core.refusal import Refused
from licd_daemon.rpc import errors
from licd_daemon.rpc.caller import called_by
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.messages import Requests
from licd_daemon.rpc.node import NodeService
from licd_daemon.rpc.places import Places

LEASE_MS = 15_000
INTERVAL_MS = 5_000
DRIFT_MS = 5_000
NODE = Actor(Role.NODE, "token")
IDLE_ROUNDS = 10_000


class ProcessLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is the world's, and which runs only when it is told to."""

    _scheduled: list[Any]
    _ready: Any

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self._machine = machine

    def time(self) -> float:
        """Boottime of its machine."""
        return self._machine.boottime()

    def run_due(self) -> None:
        """Runs what is due, to the last consequence."""
        for _ in range(IDLE_ROUNDS):
            while self._scheduled and self._scheduled[0]._cancelled:
                heapq.heappop(self._scheduled)._scheduled = False
            if not self._ready and not (self._scheduled and self._scheduled[0]._when <= self.time()):
                return
            self.call_soon(self.stop)
            self.run_forever()
        raise AssertionError("the daemon's loop never comes to rest")

    def next_due(self) -> float | None:
        """When it wants to run again, in its machine's boottime."""
        return self._scheduled[0]._when if self._scheduled else None


class CallError(grpc.RpcError, grpc.Call):
    """What a client sees of a call that failed."""

    def __init__(self, code: grpc.StatusCode, details: str = "", trailer: bytes | None = None) -> None:
        super().__init__()
        self._code = code
        self._details = details
        self._trailers = () if trailer is None else (("grpc-status-details-bin", trailer),)

    def code(self) -> grpc.StatusCode:
        """The status."""
        return self._code

    def details(self) -> str:
        """The status message."""
        return self._details

    def trailing_metadata(self) -> Any:
        """The details of a refusal."""
        return self._trailers

    def initial_metadata(self) -> Any:
        """None."""
        return ()

    def is_active(self) -> bool:
        """It has failed."""
        return False

    def time_remaining(self) -> float:
        """None."""
        return 0.0

    def cancel(self) -> bool:
        """It has failed."""
        return False

    def add_callback(self, callback: Any) -> bool:
        """It has failed."""
        return False


def refused(refusal: Refused) -> CallError:
    """The refusal as it crosses the wire."""
    status = errors._status(refusal)
    return CallError(errors.STATUS[refusal.reason], refusal.message, status.SerializeToString())


class ServerCall:
    """The server's end of one stream: what NodeService reads from and writes to."""

    def __init__(self, peer: str, send: Callable[[Any], None]) -> None:
        self._peer = peer
        self._send = send
        self._inbox: asyncio.Queue[Any] = asyncio.Queue()
        self.over = False

    def receive(self, message: Any) -> None:
        """A message has come, or aio.EOF."""
        self._inbox.put_nowait(message)

    async def read(self) -> Any:
        """See `grpc.aio.ServicerContext`."""
        return await self._inbox.get()

    async def write(self, message: Any) -> None:
        """See `grpc.aio.ServicerContext`."""
        await asyncio.sleep(0)
        if self.over:
            raise asyncio.InvalidStateError("RPC already finished")
        self._send(message)

    def peer(self) -> str:
        """See `grpc.aio.ServicerContext`."""
        return self._peer

    def auth_context(self) -> dict[str, list[bytes]]:
        """See `grpc.aio.ServicerContext`: it shows no certificate."""
        return {}


class SimulatedDaemon:
    """One process after another on one disk. `failed` collects what must never happen inside it."""

    def __init__(self, timeline: Timeline, machine: Machine, disk: Disk, window_ms: int) -> None:
        self.timeline = timeline
        self.machine = machine
        self.disk = disk
        self.failed: list[str] = []
        self.alive = False
        self.stalled = False
        self.died: list[Callable[[], None]] = []
        self._window_ms = window_ms
        self._wake_at: float | None = None

    def boottime_ms(self) -> int:
        """Its machine's boottime."""
        return int(self.machine.boottime() * 1000)

    def wall_ms(self) -> int:
        """Its machine's wall clock."""
        return int(self.machine.wall() * 1000)

    def start(self) -> None:
        """A new process; `serving` once it has loaded the journal."""
        self.loop = ProcessLoop(self.machine)
        self.alive, self.serving, self.died = True, False, []
        self._journal = SimulatedJournal(self.disk)
        self._leadership = SimulatedLeadership(self.disk, INTERVAL_MS, self.boottime_ms)
        self.coordinator = Coordinator(
            CoordinatorConfig(self._journal, self._leadership, Policy(self._window_ms), LEASE_MS)
        )
        self.run(self._start())

    async def _start(self) -> None:
        try:
            await self.coordinator.start()
        except Exception:  # a supervisor tries again
            self.timeline.after(1.0, self.restart)
            return
        self.nodes = NodeService(
            self.coordinator,
            lease_ttl_ms=LEASE_MS,
            heartbeat_interval_ms=INTERVAL_MS,
            max_clock_drift_ms=DRIFT_MS,
        )
        self.serving = True

    def restart(self) -> None:
        """kill -9, and a new process."""
        self.kill()
        self.start()

    def kill(self) -> None:
        """kill -9: nothing more of it reaches the disk or the network."""
        if not self.alive:
            return
        self.alive = self.stalled = self.serving = False
        for tell in self.died:
            tell()
        loop = self.loop
        loop.create_task(self._journal.die())
        loop.run_due()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_due()
        loop.close()

    def drain(self) -> None:
        """SIGTERM."""
        if not self.serving or self.stalled:
            return

        async def stop() -> None:
            self.coordinator.presences.each_stream(lambda stream: stream.reconnect(500, ""))
            await asyncio.sleep(0.1)
            await self.coordinator.stop()
            await self._leadership.release()

        self.run(stop())
        process = self.loop
        self.timeline.after(2.0, lambda: self.kill() if self.alive and self.loop is process else None)

    def stall(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT later."""
        if not self.alive or self.stalled:
            return
        self.stalled = True
        process = self.loop

        def go_on() -> None:
            if self.alive and self.loop is process:
                self.stalled = False
                self.pump()

        self.timeline.after(seconds, go_on)

    def run(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Begins work in the process; what it raises must never happen."""
        task = self.loop.create_task(self._guarded(work))
        self.pump()
        return task

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:
            if self.alive:
                self.failed.append(f"INTERNAL: {error!r}")

    def pump(self) -> None:
        """Lets the process run as far as it can now."""
        if not self.alive or self.stalled:
            return
        self.loop.run_due()
        if self.coordinator.failed is not None and not isinstance(self.coordinator.failed, asyncio.CancelledError):
            self.failed.append(f"the coordinator failed: {self.coordinator.failed!r}")
        due = self.loop.next_due()
        if due is None:
            return
        when = (due - self.machine.booted) / self.machine.rate
        if self._wake_at is None or when < self._wake_at or self._wake_at <= self.timeline.now:
            self._wake_at = when + 1e-6
            self.timeline.at(self._wake_at, self.pump)

    def unary(self, method: str, request: Message, answer: Callable[[Message | CallError], None]) -> None:
        """A call; `answer` is called in the process, when its answer leaves."""

        async def call() -> None:
            called_by(NODE)
            try:
                answer(await getattr(self.nodes, method)(request, None))
            except Refused as refusal:
                answer(refused(refusal))

        self.run(call())

    def stream(self, call: ServerCall, ended: Callable[[], None]) -> "asyncio.Task[None]":
        """A KeepAlive stream; `ended` is called in the process when the handler is done."""

        async def serve() -> None:
            called_by(NODE)
            try:
                context = cast(Context, call)
                await self.nodes.KeepAlive(Requests(context, Places(1)), context)
            finally:
                call.over = True
                ended()

        return self.run(serve())
