"""NodeService: sessions of report servers."""

import asyncio
import hashlib
import secrets
from typing import Any

from grpc import aio

from licd.v1 import node_service_pb2 as pb
from licd.v1 import node_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.model import EndReason
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.view import outage_grace_s
from licd_daemon.engine.presence import Presence
from licd_daemon.operations import fields
from licd_daemon.operations.fields import invalid_field
from licd_daemon.rpc.caller import caller
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import NODE_STATE, duration, failure_message
from licd_daemon.rpc.keepalive import Heartbeats, NodeStream
from licd_daemon.rpc.messages import Requests

COME_BACK_MS = 200


class NodeService(pb_grpc.NodeServiceServicer):
    """See node_service.proto. Durations in ms."""

    def __init__(
        self, coordinator: Coordinator, *, lease_ttl_ms: int, heartbeat_interval_ms: int, max_clock_drift_ms: int
    ) -> None:
        self._coordinator = coordinator
        self._engine = coordinator.engine
        self._lease_ttl = duration(lease_ttl_ms)
        self._max_drift = duration(max_clock_drift_ms)
        self._heartbeats = Heartbeats(coordinator, lease_ttl_ms, heartbeat_interval_ms, max_clock_drift_ms)

    async def Join(self, request: pb.JoinRequest, context: Context) -> pb.JoinResponse:
        """Open a session."""
        command = c.Join(
            session_id=secrets.token_hex(16),
            node_name=fields.text("node_name", request.node_name, 253),
            instance_id=fields.text("instance_id", request.instance_id, 64),
            secret_hash=_hash(fields.secret("resume_secret", request.resume_secret)),
            application=fields.application(
                request.application.name,
                request.application.version,
                request.application.build_date,
                request.application.content,
            ),
            actor=caller(),
        )
        self._coordinator.joins.take(self._coordinator.state, caller(), command.instance_id)
        state = await self._coordinator.submit(command)
        session_id = state.instances.get(command.instance_id, "")
        return pb.JoinResponse(**self._answer(session_id, request.wants_license))

    async def Resume(self, request: pb.ResumeRequest, context: Context) -> pb.ResumeResponse:
        """Take a session up again; the stream that it has ends here, unless the request is stale (R16)."""
        command = c.Resume(
            session_id=fields.text("session_id", request.session_id, 64),
            secret_hash=_hash(fields.secret("resume_secret", request.resume_secret)),
            highest_epoch_seen=request.highest_epoch_seen,
            epoch_id=fields.text("epoch_id", request.epoch_id, 32, least=0),
            actor=caller(),
        )
        stale_nonce = fields.text("stale_nonce", request.stale_nonce, 32, least=0)
        presence = self._coordinator.presences.get(command.session_id)
        if presence is not None and presence.stale(request.last_stream):
            await self._refuse_stale(command, presence, stale_nonce)
        self._coordinator.joins.take_resume(self._coordinator.state, caller(), command.session_id)
        await self._coordinator.submit(command)
        presence = self._coordinator.presences.get(command.session_id)
        if presence is not None:
            presence.resumed(request.last_stream)
        return pb.ResumeResponse(**self._answer(command.session_id, request.wants_license))

    async def _refuse_stale(self, command: c.Resume, presence: Presence, nonce: str) -> None:
        """Refuse with a nonce; end the session for both if the request brings the newest one back (R16).

        Raises:
            Refused: STALE_RESUME, or why the session is not this process's.
        """
        proof = c.Prove(command.session_id, command.secret_hash, command.highest_epoch_seen, command.epoch_id)
        await self._coordinator.submit(proof)
        if presence.copied(nonce, secrets.token_hex(16)):
            await self._coordinator.submit(c.EndSession(command.session_id, EndReason.COPIED, actor=command.actor))
            return
        raise Refused(
            Reason.STALE_RESUME,
            "A newer stream of this session was opened: call again with the nonce if you wait for this answer.",
            metadata={"nonce": presence.nonce},
        )

    def _answer(self, session_id: str, wants_license: bool) -> dict[str, Any]:
        """What Join and Resume answer, from the lease that the engine grants (R13)."""
        granted, state = self._engine.grant(session_id, self._coordinator.now().served), self._engine.state
        if granted is None:
            raise Refused(Reason.SESSION_EXPIRED, "This session has just ended: join again.")
        return {
            "session_id": session_id,
            "epoch": state.epoch,
            "epoch_id": state.epoch_id,
            "stream": granted.stream,
            "lease_ttl": self._lease_ttl,
            "heartbeat_interval": duration(self._heartbeats.interval_ms()),
            "max_clock_drift": self._max_drift,
            "state": NODE_STATE[granted.node_state],
            "failures": [failure_message(failure) for failure in granted.failures],
            "outage_grace": duration(1000 * outage_grace_s(state)),
            "license": state.container_lic.encode() if wants_license else b"",
        }

    async def Leave(self, request: pb.LeaveRequest, context: Context) -> pb.LeaveResponse:
        """End a session on purpose."""
        session_id = fields.text("session_id", request.session_id, 64)
        secret_hash = _hash(fields.secret("resume_secret", request.resume_secret))
        await self._coordinator.submit(c.Leave(session_id, secret_hash, actor=caller()))
        return pb.LeaveResponse()

    async def KeepAlive(self, requests: Requests, context: Context) -> None:
        """The session's stream, from its `open` to whichever end comes first."""
        stream = NodeStream(context)
        try:
            opened = await self._open(stream, requests, context)
            if opened is not None:
                await self._serve(stream, context, *opened)
        except asyncio.CancelledError:
            if not stream.over:
                raise

    async def _open(self, stream: NodeStream, requests: Requests, context: Context) -> tuple[str, Presence] | None:
        """Binds the stream to its session; a verdict against it is sent in-band."""
        try:
            first = await requests.first()
            if first is aio.EOF:
                return None
            if not isinstance(first, pb.KeepAliveRequest) or first.WhichOneof("message") != "open":
                raise invalid_field("message", "the first one is not `open`", "Send `open` first.")
            session_id = fields.text("open.session_id", first.open.session_id, 64)
            secret_hash = _hash(fields.secret("open.resume_secret", first.open.resume_secret))
            number = first.open.stream
            stream.wants_license = first.open.wants_license
            in_time = self._engine.opening(session_id, number) is not None
            self._coordinator.joins.take_resume(self._coordinator.state, caller(), session_id)
            # An `open` that comes too late must not bring a lost session back: it proves itself, and changes nothing.
            await self._coordinator.submit((c.Resume if in_time else c.Prove)(session_id, secret_hash, actor=caller()))
        except Refused as refusal:
            await stream.send(_verdict(refusal))
            return None
        # Again: another answer may have been given, or its stream opened, while this one was proven.
        presence = self._engine.open(session_id, number, stream, context.peer()) if in_time else None
        if presence is None:
            await stream.send(_ended("SUPERSEDED"))
            return None
        return session_id, presence

    async def _serve(self, stream: NodeStream, context: Context, session_id: str, presence: Presence) -> None:
        try:
            while (request := await context.read()) is not aio.EOF:
                if presence.stream is not stream:
                    break
                if not isinstance(request, pb.KeepAliveRequest):
                    stream.ended("REFUSED")
                    break
                if request.HasField("heartbeat"):
                    await self._beat(stream, session_id, presence, request.heartbeat)
            await stream.finish()
        finally:
            presence.detach(stream)

    async def _beat(self, stream: NodeStream, session_id: str, presence: Presence, heartbeat: pb.Heartbeat) -> None:
        received = self._heartbeats.renew(session_id, presence, heartbeat)
        if received is None:
            return
        await self._heartbeats.round()
        if presence.stream is not stream:
            return
        acknowledgement = self._heartbeats.acknowledgement(presence, heartbeat, received)
        if acknowledgement is not None:
            await stream.send(acknowledgement)


def _hash(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()


def _ended(reason: str) -> pb.KeepAliveResponse:
    return pb.KeepAliveResponse(ended=pb.Ended(reason=f"END_REASON_{reason}"))


def _verdict(refusal: Refused) -> pb.KeepAliveResponse:
    """A refused `open`: what can be fixed by waiting is a reconnect, the rest is an end."""
    if refusal.reason in (Reason.NOT_LEADER, Reason.STOPPING, Reason.JOURNAL_UNAVAILABLE, Reason.RATE_LIMITED):
        return pb.KeepAliveResponse(reconnect=pb.Reconnect(after=duration(refusal.retry_after_ms or COME_BACK_MS)))
    if refusal.reason is Reason.SESSION_EXPIRED:
        return _ended(refusal.metadata.get("ended", "EXPIRED"))
    return _ended("REFUSED")
