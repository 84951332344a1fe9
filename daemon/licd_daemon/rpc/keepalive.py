"""The session's stream: heartbeats in, acknowledgements and news out, in one order (R13, R14, R16, R21).

- A `state` that takes a seat away is written before every later acknowledgement, so a node that has read that
  acknowledgement knows of its loss.
- Nothing is acknowledged for a session without a lease, nor while leadership is not proven.
- The heartbeat's path has no await besides the writing itself.
"""

import asyncio
from collections import deque

from grpc import aio

from licd.v1 import node_service_pb2 as pb
from licd_daemon.clock import wall_ms
from licd_daemon.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.checks import clock_drift
from licd_daemon.core.drift import measure
from licd_daemon.core.model import EndReason
from licd_daemon.presence import Presence, Told
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import NODE_STATE, REGISTRATION_STATE, duration, failure_message, milliseconds, timestamp

MAX_UNSENT = 64


class NodeStream:
    """One stream; see `presence.Stream`. Runs in the task that made it."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._task = asyncio.current_task()
        self._unsent: deque[pb.KeepAliveResponse] = deque()
        self._writing = False
        self.over = False

    def state(self, serial: int, told: Told) -> None:
        """See `presence.Stream.state`."""
        node_state, failures, registration = told
        change = pb.StateChange(
            serial=serial,
            state=NODE_STATE[node_state],
            failures=[failure_message(failure) for failure in failures],
            registration_state=REGISTRATION_STATE[registration],
        )
        self._post(pb.KeepAliveResponse(state=change))

    def ended(self, reason: str) -> None:
        """See `presence.Stream.ended`."""
        self._post(pb.KeepAliveResponse(ended=pb.Ended(reason=f"END_REASON_{reason}")), last=True)

    def reconnect(self, after_ms: int, address: str) -> None:
        """See `presence.Stream.reconnect`."""
        self._post(pb.KeepAliveResponse(reconnect=pb.Reconnect(after=duration(after_ms), address=address)), last=True)

    def _post(self, message: pb.KeepAliveResponse, *, last: bool = False) -> None:
        if self.over:
            return
        self._unsent.append(message)
        self.over = last or len(self._unsent) > MAX_UNSENT
        if not self._writing:
            self._flushing = asyncio.get_running_loop().create_task(self._flush_posted())

    async def _flush_posted(self) -> None:
        try:
            await self.flush()
        except (aio.AbortError, aio.UsageError, asyncio.InvalidStateError, aio.BaseError):
            self.over = True
        if self.over and self._task is not None:
            self._task.cancel()

    async def send(self, message: pb.KeepAliveResponse) -> None:
        """Writes a message behind those that were posted before."""
        self._unsent.append(message)
        await self.flush()

    async def flush(self) -> None:
        """Writes what is unsent; one writer at a time, the others leave it to that one."""
        if self._writing:
            return
        self._writing = True
        try:
            while self._unsent:
                await self._context.write(self._unsent.popleft())
        finally:
            self._writing = False


class Heartbeats:
    """Serves heartbeats: renews leases, judges clocks, notices copies and acknowledged losses."""

    def __init__(
        self, coordinator: Coordinator, lease_ttl_ms: int, heartbeat_interval_ms: int, max_drift_ms: int
    ) -> None:
        self._coordinator = coordinator
        self._lease_ttl = duration(lease_ttl_ms)
        self._interval = duration(heartbeat_interval_ms)
        self._max_drift_ms = max_drift_ms

    def serve(self, session_id: str, presence: Presence, heartbeat: pb.Heartbeat) -> pb.KeepAliveResponse | None:
        """The acknowledgement of a heartbeat on the session's current stream; None: it gets none."""
        received = wall_ms()
        coordinator = self._coordinator
        if heartbeat.sequence <= presence.sequence:
            coordinator.submit_soon(c.EndSession(session_id, EndReason.COPIED))
            return None
        presence.sequence = heartbeat.sequence
        served = coordinator.now().served
        if not coordinator.leads() or not coordinator.leases.renew(session_id, served):
            return None
        presence.heard_at = received
        if heartbeat.HasField("ack_sent_at"):
            self._judge_clock(session_id, presence, heartbeat, received, served)
        if presence.acknowledges_loss(heartbeat.state_serial):
            presence.loss_acknowledged()
            coordinator.submit_soon(c.DrainOver(session_id))
        return pb.KeepAliveResponse(
            heartbeat_ack=pb.HeartbeatAck(
                sequence=heartbeat.sequence,
                epoch=coordinator.state.epoch,
                received_at=timestamp(received),
                sent_at=timestamp(wall_ms()),
                lease_ttl=self._lease_ttl,
                heartbeat_interval=self._interval,
            )
        )

    def _judge_clock(
        self, session_id: str, presence: Presence, heartbeat: pb.Heartbeat, received: int, served: int
    ) -> None:
        """R21: the daemon sent an acknowledgement at t1, the node had it at t2 and sent this at t3."""
        t1, t2 = milliseconds(heartbeat.ack_sent_at), milliseconds(heartbeat.ack_received_at)
        presence.clock.add(measure(t1, t2, milliseconds(heartbeat.sent_at), received, served))
        over = presence.clock_over(served, self._max_drift_ms)
        session = self._coordinator.state.sessions.get(session_id)
        if over is None or session is None:
            return
        joining, presence.joining = presence.joining, False
        if over == (session.clock is not None):
            return
        failure = None
        estimate = presence.clock.estimate(served)
        if over and estimate is not None:
            failure = clock_drift(session.node_name, estimate.offset, estimate.error, self._max_drift_ms)
        self._coordinator.submit_soon(c.JudgeClock(session_id, failure, joining))
