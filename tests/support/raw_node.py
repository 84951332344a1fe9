"""A node that speaks raw gRPC: every message is the test's own decision."""

import queue
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1 import node_service_pb2 as pb
from support.daemon import Stubs

WAIT_S = 10
Answer = TypeVar("Answer", pb.JoinResponse, pb.ResumeResponse)
APPLICATION = {"name": "report-server", "version": "10.0.19", "build_date": "2024-05-01", "content": "sales"}


class RawNode:
    """One session. `clock_ms`: by how much its clock differs."""

    def __init__(self, stubs: Stubs, name: str = "report-1", clock_ms: int = 0, **application: str) -> None:
        self.stubs = stubs
        self.name = name
        self.clock_ms = clock_ms
        self.application = pb.Application(**{**APPLICATION, **application})
        self.instance_id = secrets.token_hex(8)
        self.secret = secrets.token_bytes(32)
        self.session_id = ""
        self.epoch = 0
        self.epoch_id = ""
        self.stream_number = 0
        self.sequence = 0
        self.serial = 0
        self._stream: Stream | None = None

    @property
    def stream(self) -> "Stream":
        """The stream that was opened last."""
        assert self._stream is not None, "open() comes first"
        return self._stream

    def join(self, **changes: Any) -> pb.JoinResponse:
        """Joins, or joins again."""
        fields = {
            "node_name": self.name,
            "instance_id": self.instance_id,
            "resume_secret": self.secret,
            "application": self.application,
        }
        answer = self.stubs.nodes.Join(pb.JoinRequest(**{**fields, **changes}), timeout=WAIT_S)
        self.session_id = answer.session_id
        return self._given(answer)

    def resume(self, stubs: Stubs | None = None, **changes: Any) -> pb.ResumeResponse:
        """Resumes, at another daemon if `stubs` are given."""
        self.stubs = stubs or self.stubs
        fields = {
            "session_id": self.session_id,
            "resume_secret": self.secret,
            "highest_epoch_seen": self.epoch,
            "epoch_id": self.epoch_id,
            "last_stream": self.stream_number,
        }
        return self._given(self.stubs.nodes.Resume(pb.ResumeRequest(**{**fields, **changes}), timeout=WAIT_S))

    def _given(self, answer: Answer) -> Answer:
        self.epoch, self.epoch_id, self.stream_number = answer.epoch, answer.epoch_id, answer.stream
        return answer

    def copied(self) -> "RawNode":
        """A copy of the process, as a snapshot of its machine makes one; it has no stream yet."""
        copy = RawNode(self.stubs, self.name, self.clock_ms)
        kept = ("instance_id", "secret", "session_id", "epoch", "epoch_id", "stream_number", "sequence", "serial")
        for name in kept:
            setattr(copy, name, getattr(self, name))
        return copy

    def leave(self) -> None:
        """Leaves."""
        request = pb.LeaveRequest(session_id=self.session_id, resume_secret=self.secret)
        self.stubs.nodes.Leave(request, timeout=WAIT_S)

    def open(self, number: int | None = None, **changes: Any) -> "Stream":
        """Opens the stream of the last answer, or of another number."""
        self._stream = Stream(self, self.opening(number, **changes))
        return self._stream

    def opening(self, number: int | None = None, **changes: Any) -> pb.KeepAliveRequest:
        """The first message of a stream."""
        stream = self.stream_number if number is None else number
        fields = {"session_id": self.session_id, "resume_secret": self.secret, "stream": stream}
        opening = pb.KeepAliveOpen(**{**fields, **changes})
        return pb.KeepAliveRequest(open=opening)

    def joined(self) -> "RawNode":
        """Joins and opens the stream."""
        self.join()
        self.open()
        return self


class Stream:
    """One stream: what is sent, and what has come."""

    def __init__(self, node: RawNode, open_message: pb.KeepAliveRequest | None = None) -> None:
        self.node = node
        self._out: queue.SimpleQueue[pb.KeepAliveRequest | None] = queue.SimpleQueue()
        self._in: queue.Queue[pb.KeepAliveResponse | None] = queue.Queue()
        self._last_ack: tuple[Timestamp, Timestamp] | None = None
        self.call = node.stubs.nodes.KeepAlive(self._requests())
        self._out.put(open_message or node.opening())
        threading.Thread(target=self._read, daemon=True).start()

    def _requests(self) -> Iterator[pb.KeepAliveRequest]:
        while (message := self._out.get()) is not None:
            yield message

    def _read(self) -> None:
        try:
            for response in self.call:
                self._in.put(response)
        except grpc.RpcError:
            pass
        self._in.put(None)

    def heartbeat(self, *, sequence: int | None = None, serial: int | None = None) -> None:
        """Sends one heartbeat."""
        self.node.sequence = self.node.sequence + 1 if sequence is None else sequence
        beat = pb.Heartbeat(
            sequence=self.node.sequence,
            sent_at=self._now(),
            state_serial=self.node.serial if serial is None else serial,
        )
        if self._last_ack is not None:
            beat.ack_sent_at.CopyFrom(self._last_ack[0])
            beat.ack_received_at.CopyFrom(self._last_ack[1])
        self._out.put(pb.KeepAliveRequest(heartbeat=beat))

    def _now(self) -> Timestamp:
        stamp = Timestamp()
        stamp.GetCurrentTime()
        stamp.FromNanoseconds(stamp.ToNanoseconds() + self.node.clock_ms * 1_000_000)
        return stamp

    def next(self, timeout: float = WAIT_S) -> pb.KeepAliveResponse | None:
        """The next response; None: the stream has ended."""
        response = self._in.get(timeout=timeout)
        if response is not None and response.HasField("heartbeat_ack"):
            self._last_ack = (response.heartbeat_ack.sent_at, self._now())
        if response is not None and response.HasField("state"):
            self.node.serial = response.state.serial
        return response

    def until(self, kind: str, timeout: float = WAIT_S) -> Any:
        """The next response of a kind; the others are passed over."""
        while (response := self.next(timeout)) is not None:
            if response.HasField(kind):
                return getattr(response, kind)
        raise AssertionError(f"the stream ended before a {kind} came")

    def until_state(self, state: str, timeout: float = WAIT_S) -> pb.StateChange:
        """The next change to a node state, such as LICENSED."""
        while True:
            change = self.until("state", timeout)
            if pb.NodeState.Name(change.state) == f"NODE_STATE_{state}":
                return change

    def beat(self) -> pb.HeartbeatAck:
        """A heartbeat and its acknowledgement."""
        self.heartbeat()
        while (ack := self.until("heartbeat_ack")).sequence != self.node.sequence:
            continue
        return ack

    @contextmanager
    def beating(self, every: float = 0.1) -> Iterator[None]:
        """Heartbeats go out by themselves while the block runs; their acknowledgements wait to be read."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(every):
                self.heartbeat()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def end(self) -> None:
        """Cancels the stream."""
        self._out.put(None)
        self.call.cancel()
