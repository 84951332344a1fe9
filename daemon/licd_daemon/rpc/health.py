"""grpc.health.v1 (section 3): each watcher is sent each change, in order, regardless of who else comes and goes.

- An unknown service is NOT_FOUND to Check. Watch answers SERVICE_UNKNOWN, stays open, and reports what is set later.
- Health needs no credentials, so watchers are bounded (R36), in all and from one peer; one more is refused. Of the
  changes that a watcher leaves unread only the newest are kept.
- At the end every service is NOT_SERVING, and the streams end by themselves: a server waits for those that are open.
"""

import asyncio
from collections import Counter, deque

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc

from licd_daemon.core.budget import network_of
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.peer import address_of

MAX_WATCHERS = 500  # of 26 KiB each
MAX_OF_A_PEER = 100
MAX_UNREAD = 64
_RETRY_MS = 5_000
_SERVING = {True: pb.HealthCheckResponse.SERVING, False: pb.HealthCheckResponse.NOT_SERVING}


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # it brings no types
    """The servicer: `set` a service's status, and `close` at the end."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._watchers: set[_Watcher] = set()
        self._of_peer: Counter[str] = Counter()
        self._closed = False

    def set(self, service: str, *, serving: bool) -> None:
        """Say whether a service serves; without effect after `close`."""
        status = _SERVING[serving]
        if self._closed or self._statuses.get(service) == status:
            return
        self._statuses[service] = status
        for watcher in self._watchers:
            if watcher.service == service:
                watcher.unsent.append(status)
                watcher.changed.set()

    def close(self) -> None:
        """Nothing serves from here on, and no watcher waits for more."""
        for service in self._statuses:
            self.set(service, serving=False)
        self._closed = True
        for watcher in self._watchers:
            watcher.changed.set()

    async def Check(self, request: pb.HealthCheckRequest, context: Context) -> pb.HealthCheckResponse:
        """A service's status.

        Raises:
            grpc.aio.AbortError: NOT_FOUND, there is no such service.
        """
        status = self._statuses.get(request.service)
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return pb.HealthCheckResponse(status=status)

    async def Watch(self, request: pb.HealthCheckRequest, context: Context) -> None:
        """A service's status now, and at each change.

        Raises:
            Refused: RATE_LIMITED, there are too many watchers.
        """
        peer = network_of(address_of(context.peer()))
        if len(self._watchers) >= MAX_WATCHERS or self._of_peer[peer] >= MAX_OF_A_PEER:
            message = "Too many streams watch the health: call Check instead, or try again later."
            raise Refused(Reason.RATE_LIMITED, message, retry_after_ms=_RETRY_MS)
        watcher = _Watcher(request.service)
        watcher.unsent.append(self._statuses.get(request.service, pb.HealthCheckResponse.SERVICE_UNKNOWN))
        self._watchers.add(watcher)
        self._of_peer[peer] += 1
        try:
            await self._send(watcher, context)
        finally:
            self._watchers.remove(watcher)
            self._of_peer -= Counter([peer])  # keeps no peer without a watcher

    async def _send(self, watcher: "_Watcher", context: Context) -> None:
        while True:
            while watcher.unsent:
                await context.write(pb.HealthCheckResponse(status=watcher.unsent.popleft()))
            if self._closed:
                return
            watcher.changed.clear()  # nothing is awaited since the last look at `unsent`: no change is missed
            await watcher.changed.wait()


class _Watcher:
    """One stream, and what it has still to send."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.unsent: deque[int] = deque(maxlen=MAX_UNREAD)
        self.changed = asyncio.Event()
