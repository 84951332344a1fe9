"""The session's stream: heartbeats in, acknowledgements and changes out, in one order (R13, R14, R16, R21).

- A `state` that takes a seat away is written before every later acknowledgement, so a node that has read that
  acknowledgement knows of its loss.
- Nothing is acknowledged for a session without a lease, nor while leadership is not proven.
- A heartbeat renews its lease when it comes. Those that come within `ROUND_S` are acknowledged together: a write that
  comes alone wakes two threads, and that is what a heartbeat costs most. Each acknowledgement has when its heartbeat
  came and when it was sent, so no clock's error grows by the pause (R21).
- An acknowledgement's bytes come from one message that serves all.
- A node's first clock samples are judged at once; later ones a tenth of a second later, many at once: that costs a
  sixth of what it does between two messages.
- The pace that nodes get slows down as they grow many (`core/pace.py`).
"""

import asyncio
from typing import NamedTuple

from grpc import aio

from licd.v1 import node_service_pb2 as pb
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.model import Tally
from licd_daemon.core.pace import Pace
from licd_daemon.engine.clock_verdict import clock_verdict
from licd_daemon.engine.presence import Exchange, NodeReport, Presence
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import (
    NODE_STATE,
    REGISTRATION_STATE,
    duration,
    failure_message,
    milliseconds,
    nanoseconds,
)
from licd_daemon.rpc.peer import shows_certificate

MAX_UNSENT = 64
ROUND_S = 0.005
JUDGED_AFTER_S = 0.1


class NodeStream:
    """One stream; see `presence.Stream`. Runs in the task that made it. `wants_license`: as its `open` said (R37)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._task = asyncio.current_task()
        self._flushing: asyncio.Task[None] | None = None
        self._unsent: list[pb.KeepAliveResponse | bytes] = []
        self._writing = False
        self._license = ""
        self.wants_license = False
        self.over = False

    def state(self, serial: int, report: NodeReport) -> None:
        """See `presence.Stream.state`."""
        node_state, failures, registration, outage_grace_s, license = report
        change = pb.StateChange(
            serial=serial,
            state=NODE_STATE[node_state],
            failures=[failure_message(failure) for failure in failures],
            registration_state=REGISTRATION_STATE[registration],
            outage_grace=duration(1000 * outage_grace_s),
        )
        if self.wants_license and license != self._license:
            self._license, change.license = license, license.encode()
        self._post(pb.KeepAliveResponse(state=change))

    def ended(self, reason: str) -> None:
        """See `presence.Stream.ended`."""
        self._post(pb.KeepAliveResponse(ended=pb.Ended(reason=f"END_REASON_{reason}")), last=True)

    def reconnect(self, after_ms: int, address: str, mtls_address: str = "") -> None:
        """See `presence.Stream.reconnect`."""
        address = mtls_address if shows_certificate(self._context.auth_context()) else address
        self._post(pb.KeepAliveResponse(reconnect=pb.Reconnect(after=duration(after_ms), address=address)), last=True)

    def _post(self, message: pb.KeepAliveResponse, *, last: bool = False) -> None:
        if self.over:
            return
        self._unsent.append(message)
        self.over = last or len(self._unsent) > MAX_UNSENT
        if not self._writing and (self._flushing is None or self._flushing.done()):
            self._flushing = asyncio.get_running_loop().create_task(self._flush_posted())

    async def _flush_posted(self) -> None:
        try:
            await self.flush()
        except (aio.AbortError, aio.UsageError, asyncio.InvalidStateError, aio.BaseError):
            self.over = True
        if self.over and self._task is not None:
            self._task.cancel()

    async def send(self, message: pb.KeepAliveResponse | bytes) -> None:
        """Write a message, or one already serialized, behind those that were posted before."""
        if self._writing or self._unsent:
            self._unsent.append(message)
            await self.flush()
            return
        self._writing = True
        try:
            await self._context.write(message)
        finally:
            self._writing = False
        if self._unsent:
            await self.flush()

    async def finish(self) -> None:
        """Write the rest, and wait for the task that writes: gRPC faults a call whose handler returns meanwhile."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        await self.flush()

    async def flush(self) -> None:
        """Write what is unsent; one writer at a time, the others leave it to that one."""
        if self._writing:
            return
        self._writing = True
        try:
            while self._unsent:
                await self._context.write(self._unsent.pop(0))
        finally:
            self._writing = False


class _Sampled(NamedTuple):
    """A heartbeat that carries a sample of its node's clock; `served`: when it came."""

    session_id: str
    presence: Presence
    heartbeat: pb.Heartbeat
    served: int


class Heartbeats:
    """Serves heartbeats: gathers them into rounds and samples, which the engine judges."""

    def __init__(
        self, coordinator: Coordinator, lease_ttl_ms: int, heartbeat_interval_ms: int, max_drift_ms: int
    ) -> None:
        self._coordinator = coordinator
        self._engine = coordinator.engine
        self._pace = Pace(heartbeat_interval_ms, lease_ttl_ms)
        self._max_drift_ms = max_drift_ms
        self._response = pb.KeepAliveResponse(heartbeat_ack=pb.HeartbeatAck(lease_ttl=duration(lease_ttl_ms)))
        self._tally: Tally | None = None
        self._sampled: list[_Sampled] = []
        self._round: list[asyncio.Future[None]] = []

    def interval_ms(self) -> int:
        """The time between heartbeats that nodes get now."""
        return self._pace.interval_ms(self._coordinator.state.tally.live)

    def renew(self, session_id: str, presence: Presence, heartbeat: pb.Heartbeat) -> float | None:
        """Take a heartbeat on the session's current stream.

        Returns:
            When it came, in ms of the wall clock, for `acknowledgement`; None: it gets none.
        """
        coordinator = self._coordinator
        received = coordinator.clock.raw_wall()
        served = coordinator.served_if_leading()
        if served is None or not self._engine.beat(session_id, presence, heartbeat, received, served):
            return None
        if self._engine.acknowledged:
            coordinator.wake()
        if served >= presence.sample_due and heartbeat.HasField("ack_sent_at"):
            sampled = _Sampled(session_id, presence, heartbeat, served)
            if presence.sample_due:
                self._judge_soon(sampled)
            else:
                self._judge_clock(sampled)
        return received

    def round(self) -> asyncio.Future[None]:
        """To be awaited: done when the heartbeats of this round are to be acknowledged."""
        loop = asyncio.get_running_loop()
        if not self._round:
            loop.call_later(ROUND_S, self._end_round)
        due = loop.create_future()
        self._round.append(due)
        return due

    def _end_round(self) -> None:
        ended, self._round = self._round, []
        for due in ended:
            if not due.done():
                due.set_result(None)

    def acknowledgement(self, presence: Presence, heartbeat: pb.Heartbeat, received: float) -> bytes | None:
        """The acknowledgement of a heartbeat that came at `received`, serialized; None: it gets none any more."""
        coordinator = self._coordinator
        served = coordinator.served_if_leading()
        if served is None:
            return None
        acknowledged = coordinator.clock.raw_wall()
        stamp = int(acknowledged * 1_000_000)
        presence.exchanged(Exchange(milliseconds(heartbeat.sent_at), received, acknowledged, stamp, served))
        ack = self._response.heartbeat_ack
        ack.sequence = heartbeat.sequence
        state = self._engine.state
        ack.epoch = state.epoch
        received_at, sent_at = ack.received_at, ack.sent_at
        received_at.seconds, received_at.nanos = divmod(int(received * 1_000_000), 1_000_000_000)
        sent_at.seconds, sent_at.nanos = divmod(stamp, 1_000_000_000)
        if state.tally is not self._tally:
            self._tally = state.tally
            ack.heartbeat_interval.CopyFrom(duration(self.interval_ms()))
        return self._response.SerializeToString()

    def _judge_soon(self, sampled: _Sampled) -> None:
        self._sampled.append(sampled)
        if len(self._sampled) == 1:
            asyncio.get_running_loop().call_later(JUDGED_AFTER_S, self._judge_sampled)

    def _judge_sampled(self) -> None:
        sampled, self._sampled = self._sampled, []
        for each in sampled:
            self._judge_clock(each)

    def _judge_clock(self, sampled: _Sampled) -> None:
        """R21: the heartbeat completes the exchange before it."""
        session_id, presence, heartbeat, served = sampled
        limit_ms, astray = self._max_drift_ms, self._coordinator.clock.astray()
        level = presence.judge_clock(
            nanoseconds(heartbeat.ack_sent_at), milliseconds(heartbeat.ack_received_at), served, limit_ms
        )
        verdict = clock_verdict(self._engine.state, session_id, presence, level, limit_ms, astray=astray)
        if verdict is not None:
            presence.clock_judged(served)
            self._coordinator.submit_soon(verdict)
