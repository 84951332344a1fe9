"""A real gRPC server of licd.v1.NodeService that does what a test tells it, and keeps what it heard."""

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1 import failure_pb2, node_service_pb2_grpc
from licd.v1 import node_service_pb2 as pb
from node_client import Application, Node
from support.ports import free_port
from support.waiting import eventually

PENDING, LICENSED = pb.NODE_STATE_PENDING, pb.NODE_STATE_LICENSED
WAITING, REJECTED = pb.NODE_STATE_WAITING, pb.NODE_STATE_REJECTED
APPLICATION = Application("Report Server", "10.0.19", "2024-05-31", "sales")
Join = Callable[..., Node]  # the fixture `join`: connects to the scripted daemon, closes at the end
TOKEN = "secret-token"


def duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


@dataclasses.dataclass
class Refuse(Exception):
    """Raised by a script's hook: the call is refused with this."""

    code: grpc.StatusCode
    reason: str
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    failures: tuple[failure_pb2.Failure, ...] = ()
    trailers: tuple[tuple[str, str], ...] = ()
    retry_after: float = 0.0

    def trailer(self) -> bytes:
        info = failure_pb2.ErrorReason(reason=self.reason, domain="licd", metadata=self.metadata)
        details = [any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=info.SerializeToString())]
        for failure in self.failures:
            url = "type.googleapis.com/licd.v1.Failure"
            details.append(any_pb2.Any(type_url=url, value=failure.SerializeToString()))
        if self.retry_after:
            span = pb.Reconnect(after=duration(self.retry_after)).SerializeToString()
            details.append(any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=span))
        return failure_pb2.ErrorTrailer(
            code=self.code.value[0], message=self.reason, details=details
        ).SerializeToString()


class ScriptedDaemon(node_service_pb2_grpc.NodeServiceServicer):
    """Answers LICENSED, 3 s of lease and a heartbeat a second, unless the test says otherwise."""

    def __init__(self) -> None:
        self.epoch = 1
        self.epoch_id = ""
        self.number: int | None = None  # of the last answer; None: no stream numbers, as by a daemon before 0.2
        self.lease_ttl = 3.0
        self.outage_grace: float | None = None  # not sent, as by a daemon before 0.2
        self.heartbeat_interval = 1.0
        self.max_clock_drift = 5.0
        self.license = b""
        self.state = LICENSED
        self.failures: tuple[failure_pb2.Failure, ...] = ()
        self.serial = 0
        self.acknowledges = True
        self.ack_delay = 0.0
        self.on_join: Callable[[pb.JoinRequest], object] = lambda _: None
        self.on_resume: Callable[[pb.ResumeRequest], object] = lambda _: None
        self.on_leave: Callable[[pb.LeaveRequest], object] = lambda _: None
        self.joins: list[pb.JoinRequest] = []
        self.resumes: list[pb.ResumeRequest] = []
        self.leaves: list[pb.LeaveRequest] = []
        self.heartbeats: list[pb.Heartbeat] = []
        self.beaten_at: list[float] = []
        self.opens: list[pb.KeepAliveOpen] = []
        self.authorizations: list[str] = []
        self.streams: list[queue.SimpleQueue[pb.KeepAliveResponse | None]] = []
        self.port = free_port()
        self.credentials: grpc.ServerCredentials | None = None
        self._server: grpc.Server | None = None
        self.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Starts it, on its port."""
        pool = futures.ThreadPoolExecutor(max_workers=40)
        self._server = grpc.server(pool, options=[("grpc.so_reuseport", 0)])
        register: Callable[[object, grpc.Server], None] = node_service_pb2_grpc.add_NodeServiceServicer_to_server
        register(self, self._server)
        address = f"127.0.0.1:{self.port}"
        if self.credentials is None:
            self._server.add_insecure_port(address)
        else:
            self._server.add_secure_port(address, self.credentials)
        self._server.start()

    def stop(self) -> None:
        """Goes away without a word, as a killed one does."""
        server, self._server = self._server, None
        for stream in self.streams:
            stream.put(None)
        if server is not None:
            server.stop(grace=None).wait()

    def push(self, response: pb.KeepAliveResponse) -> None:
        """Sends a message on the newest stream, as soon as there is one."""
        eventually(lambda: self.streams)
        self.streams[-1].put(response)

    def tell(self, state: pb.NodeState, *failures: failure_pb2.Failure, serial: int | None = None) -> None:
        """Tells a `state` on the newest stream, and with every later answer; the serial rises unless it is named."""
        if serial is None or serial > self.serial:
            self.state, self.failures = state, failures
        self.serial = self.serial + 1 if serial is None else serial
        change = pb.StateChange(serial=self.serial, state=state, failures=failures, outage_grace=self._grace())
        self.push(pb.KeepAliveResponse(state=change))

    def end(self, reason: pb.EndReason) -> None:
        """Ends the newest stream in-band."""
        eventually(lambda: self.streams)
        newest = self.streams[-1]
        newest.put(pb.KeepAliveResponse(ended=pb.Ended(reason=reason)))
        newest.put(None)

    # The service

    def Join(self, request: pb.JoinRequest, context: grpc.ServicerContext) -> pb.JoinResponse:
        self._hear(context)
        self.joins.append(request)
        self._hooked(context, lambda: self.on_join(request))
        return self._answer(f"session-{request.instance_id}")

    def Resume(self, request: pb.ResumeRequest, context: grpc.ServicerContext) -> pb.ResumeResponse:
        self._hear(context)
        self.resumes.append(request)
        self._hooked(context, lambda: self.on_resume(request))
        # The same fields with the same numbers.
        return pb.ResumeResponse.FromString(self._answer(request.session_id).SerializeToString())

    def Leave(self, request: pb.LeaveRequest, context: grpc.ServicerContext) -> pb.LeaveResponse:
        self._hear(context)
        self.leaves.append(request)
        self._hooked(context, lambda: self.on_leave(request))
        return pb.LeaveResponse()

    def KeepAlive(
        self, requests: Iterator[pb.KeepAliveRequest], context: grpc.ServicerContext
    ) -> Iterator[pb.KeepAliveResponse]:
        self._hear(context)
        responses: queue.SimpleQueue[pb.KeepAliveResponse | None] = queue.SimpleQueue()
        self.streams.append(responses)
        threading.Thread(target=self._listen, args=(requests, responses), daemon=True).start()
        yield from iter(responses.get, None)

    def _listen(
        self, requests: Iterator[pb.KeepAliveRequest], responses: "queue.SimpleQueue[pb.KeepAliveResponse | None]"
    ) -> None:
        try:
            for request in requests:
                if request.HasField("open"):
                    self.opens.append(request.open)
                else:
                    self._beaten(request.heartbeat, responses)
        except Exception:
            pass
        finally:
            responses.put(None)

    def _beaten(self, heartbeat: pb.Heartbeat, responses: "queue.SimpleQueue[pb.KeepAliveResponse | None]") -> None:
        self.beaten_at.append(time.monotonic())
        self.heartbeats.append(heartbeat)
        if not self.acknowledges:
            return
        ack = pb.HeartbeatAck(
            sequence=heartbeat.sequence,
            epoch=self.epoch,
            lease_ttl=duration(self.lease_ttl),
            heartbeat_interval=duration(self.heartbeat_interval),
        )
        ack.received_at.CopyFrom(_now())
        ack.sent_at.CopyFrom(_now())
        responses.put(pb.KeepAliveResponse(heartbeat_ack=ack))

    def _answer(self, session_id: str) -> pb.JoinResponse:
        return pb.JoinResponse(
            session_id=session_id,
            epoch=self.epoch,
            epoch_id=self.epoch_id,
            stream=self._give(),
            lease_ttl=duration(self.lease_ttl),
            heartbeat_interval=duration(self.heartbeat_interval),
            max_clock_drift=duration(self.max_clock_drift),
            state=self.state,
            failures=self.failures,
            outage_grace=self._grace(),
            license=self.license,
        )

    def _give(self) -> int:
        if self.number is None:
            return 0
        self.number += 1
        return self.number

    def _grace(self) -> Duration | None:
        return None if self.outage_grace is None else duration(self.outage_grace)

    def _hear(self, context: grpc.ServicerContext) -> None:
        self.authorizations.append(str(dict(context.invocation_metadata()).get("authorization")))

    def _hooked(self, context: grpc.ServicerContext, hook: Callable[[], object]) -> None:
        try:
            hook()
        except Refuse as refuse:
            context.set_trailing_metadata((*refuse.trailers, ("grpc-status-details-bin", refuse.trailer())))
            context.abort(refuse.code, refuse.reason)


def _now() -> Timestamp:
    now = Timestamp()
    now.GetCurrentTime()
    return now
