"""One connection to one daemon: a channel, its calls, and a thread that reads its stream.

- Every link has a generation; all it ever says is posted with it, so that the deciding side can ignore an older one
  from the moment a newer one was made (R16).
- Nothing here blocks: calls are futures, and answers are posted to the client's queue.
- Instants are taken BEFORE a message goes out and right when one came in (R13, R21).
"""

import dataclasses
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import grpc

from licd.v1 import node_service_pb2 as pb
from licd.v1 import node_service_pb2_grpc
from licd.v1.token_service_pb2 import EnrollRequest, EnrollResponse
from licd.v1.token_service_pb2_grpc import TokenServiceStub
from node_client import clock, threads
from node_client.files import Shown

# FINDINGS: keepalive_timeout_ms has no effect in grpc, http2.ping_timeout_ms has; the defaults reconnect after 5.4 s.
# min_reconnect_backoff_ms is how long one attempt may take: over a slow path a TLS handshake takes several round trips.
# A subchannel shared with the link before would bring its dead connection and its waiting time along. A proxy from the
# environment is for the way out to the internet, which a daemon is never behind. bdp_probe measures bandwidth for large
# messages by a ping for each that comes: an acknowledgement would cost the daemon twice.
_OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.bdp_probe", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 5_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Answered:
    """Join, Resume, Leave or Enroll was answered, or failed; `sent` is boottime."""

    generation: int
    sent: float
    response: pb.JoinResponse | pb.ResumeResponse | pb.LeaveResponse | EnrollResponse | None
    error: grpc.RpcError | None


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """The stream brought a message; `now` is boottime, `wall_ns` the wall time it came."""

    generation: int
    response: pb.KeepAliveResponse
    now: float
    wall_ns: int


@dataclasses.dataclass(frozen=True, slots=True)
class Broken:
    """The stream has ended, with an error or politely: both mean "lost"."""

    generation: int
    error: grpc.RpcError | None


Post = Callable[[Answered | Received | Broken], None]
_Unary = Callable[..., Any]


class _Stub(Protocol):
    Join: "grpc.UnaryUnaryMultiCallable[pb.JoinRequest, pb.JoinResponse]"
    Resume: "grpc.UnaryUnaryMultiCallable[pb.ResumeRequest, pb.ResumeResponse]"
    Leave: "grpc.UnaryUnaryMultiCallable[pb.LeaveRequest, pb.LeaveResponse]"
    KeepAlive: "grpc.StreamStreamMultiCallable[pb.KeepAliveRequest, pb.KeepAliveResponse]"


class Link:
    """A channel to `address`; everything it receives goes to `post`."""

    def __init__(self, shown: Shown, address: str, generation: int, post: Post, *, insecure: bool) -> None:
        """Open the channel; the connection itself is made by the first call."""
        self.address = address
        self.generation = generation
        self._post = post
        self._metadata = (("authorization", f"Bearer {shown.token}"),) if shown.token else ()
        self._channel = _channel(shown, address, insecure=insecure)
        make_stub = cast("Callable[[grpc.Channel], _Stub]", node_service_pb2_grpc.NodeServiceStub)
        self._stub = make_stub(self._channel)
        self._requests: queue.SimpleQueue[pb.KeepAliveRequest | None] = queue.SimpleQueue()
        self._reader: threading.Thread | None = None

    def join(self, request: pb.JoinRequest, timeout: float) -> None:
        """Send Join; seconds until it counts as failed."""
        self._call(self._stub.Join.future, request, timeout)

    def resume(self, request: pb.ResumeRequest, timeout: float) -> None:
        """Send Resume; seconds until it counts as failed."""
        self._call(self._stub.Resume.future, request, timeout)

    def leave(self, request: pb.LeaveRequest, timeout: float) -> None:
        """Send Leave; seconds until it counts as failed."""
        self._call(self._stub.Leave.future, request, timeout)

    def enroll(self, request: EnrollRequest, timeout: float) -> None:
        """Send Enroll; seconds until it counts as failed."""
        self._call(TokenServiceStub(self._channel).Enroll.future, request, timeout)

    def open(self, request: pb.KeepAliveRequest) -> None:
        """Open the stream with its first message."""
        self.send(request)
        stream = self._stub.KeepAlive(iter(self._requests.get, None), metadata=self._metadata)
        self._reader = threads.started(self._read, "licd-node-stream", stream)

    def send(self, request: pb.KeepAliveRequest) -> None:
        """Send a message on the stream."""
        self._requests.put(request)

    def close(self) -> None:
        """End calls, stream, threads and channel."""
        self._requests.put(None)
        self._channel.close()
        if self._reader is not None:
            # The cancelled stream ends it shortly; close() of the node leaves no thread behind.
            self._reader.join(0.2)

    def _call(self, call: _Unary, request: object, timeout: float) -> None:
        sent = clock.boottime()
        future = call(request, timeout=timeout, metadata=self._metadata)
        future.add_done_callback(lambda done: self._done(sent, done))

    def _done(self, sent: float, done: Any) -> None:
        try:
            answered = Answered(self.generation, sent, done.result(), None)
        except grpc.RpcError as error:
            answered = Answered(self.generation, sent, None, error)
        except grpc.FutureCancelledError:
            answered = Answered(self.generation, sent, None, grpc.RpcError())
        self._post(answered)

    def _read(self, stream: Iterator[pb.KeepAliveResponse]) -> None:
        error: grpc.RpcError | None = None
        try:
            for response in stream:
                self._post(Received(self.generation, response, clock.boottime(), clock.wall_ns()))
        except grpc.RpcError as raised:
            error = raised
        finally:
            self._requests.put(None)
        self._post(Broken(self.generation, error))


def _channel(shown: Shown, address: str, *, insecure: bool) -> grpc.Channel:
    if insecure:
        return grpc.insecure_channel(address, options=_OPTIONS)
    chain, key = shown.pair or (None, None)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(shown.roots, key, chain), options=_OPTIONS)
