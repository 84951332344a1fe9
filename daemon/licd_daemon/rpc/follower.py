"""R32: what a daemon serves that does not lead. Its health, truthfully, and where the leader is.

- `grpc.health.v1`: "" is SERVING, the process is well; everything else is NOT_SERVING.
- Every other call is refused as NOT_LEADER, with the leader's address while one is known, before any credentials are
  looked at: their hashes are the leader's to read.
- A node's stream is asked to reconnect there, in-band: an abort of a stream loses its reason (FINDINGS).
"""

from collections.abc import Awaitable, Callable

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2_grpc

from licd.v1 import node_service_pb2 as pb
from licd_daemon.coordinator.latency import Latency
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.leadership.etcd import Leader
from licd_daemon.rpc import aio_server
from licd_daemon.rpc.access import HEALTH
from licd_daemon.rpc.context import Context, Handler
from licd_daemon.rpc.convert import duration
from licd_daemon.rpc.guard import open_handler
from licd_daemon.rpc.health import Health
from licd_daemon.rpc.limits import Limits
from licd_daemon.rpc.messages import AWAITED
from licd_daemon.rpc.peer import shows_certificate
from licd_daemon.rpc.places import Places
from licd_daemon.rpc.server import POLLED, REGISTERED, bind, options

_KEEP_ALIVE = "/licd.v1.NodeService/KeepAlive"
_COME_BACK_MS = 500
_BEING_READ = 256
"""Reconnects that nobody has read yet (R36): anybody may ask for them, and never read."""


class FollowerServer:
    """Serves a follower: `bind`, `start`, `stop`. `leader`: the daemon that leads, as far as is known."""

    def __init__(self, *, max_connections: int) -> None:
        self.leader: Leader | None = None
        limits = Limits()
        refusing = _Refusing(self, limits)
        self._server = aio_server.make([_HealthGuard(limits)], options(max_connections), refusing.refuse)
        self._health = Health()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        keep_alive: Handler = grpc.stream_stream_rpc_method_handler(
            refusing.reconnect, None, pb.KeepAliveResponse.SerializeToString
        )
        self._server.add_registered_method_handlers("licd.v1.NodeService", {"KeepAlive": keep_alive})

    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Binds `address`, in plaintext without `credentials`, and gives the port.

        Raises:
            OSError: the address is in use or not this machine's.
        """
        return bind(self._server, address, credentials)

    async def start(self) -> None:
        """Serve from now on."""
        self._health.set("", serving=True)
        for name in (*POLLED, REGISTERED):
            self._health.set(name, serving=False)
        await self._server.start()

    async def stop(self) -> None:
        """End at once: nothing that it answers is worth waiting for."""
        self._health.close()
        await self._server.stop(None)

    def leader_for(self, context: Context) -> str:
        """Where a caller reaches the daemon that leads: by a certificate, if it came with one; "" if it can't."""
        if self.leader is None:
            return ""
        return self.leader.mtls if shows_certificate(context.auth_context()) else self.leader.address

    def refusal(self, context: Context) -> Refused:
        """What every caller is answered."""
        if leader := self.leader_for(context):
            message = f"This daemon follows: ask the one that leads, at {leader}."
            return Refused(Reason.NOT_LEADER, message, metadata={"leader": leader})
        return Refused(Reason.NOT_LEADER, "This daemon follows, and none leads at the moment: ask again.")


class _HealthGuard(aio.ServerInterceptor):
    """Health is all that decodes what strangers send; the rest is refused unread."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._strangers = Places(AWAITED)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """See `grpc.aio.ServerInterceptor`."""
        handler, method = await continuation(handler_call_details), handler_call_details.method
        if handler is None or not method.startswith(HEALTH):
            return handler
        return open_handler(method, handler, self._limits, self._strangers, Latency())


class _Refusing:
    def __init__(self, follower: FollowerServer, limits: Limits) -> None:
        self._follower = follower
        self._limits = limits
        self._being_read = 0

    async def refuse(self, context: Context) -> None:
        """Refuses a call, whatever its method and arity, before anything of its messages is asked for."""
        self._limits.take("", context.peer())
        raise self._follower.refusal(context)

    async def reconnect(self, _: object, context: Context) -> None:
        """Asks a node to go to the leader."""
        try:
            self._limits.take(_KEEP_ALIVE, context.peer())
        except Refused:
            return  # the stream ends, which says nothing to a node
        if self._being_read >= _BEING_READ:
            return
        leader = self._follower.leader_for(context)
        reconnect = pb.Reconnect(after=duration(0 if leader else _COME_BACK_MS), address=leader)
        self._being_read += 1
        try:
            await context.write(pb.KeepAliveResponse(reconnect=reconnect))
        finally:
            self._being_read -= 1
