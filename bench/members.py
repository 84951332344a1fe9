"""Members of a cluster as the servers see them: a node of licd (and of bare grpcio), a lease and a key in etcd.

Both do the same steps on a connection of their own: enter (durably), open a stream, then give signs of life, each
answered. `Callers` do only the first step, again and again.
"""

import secrets
import time
from typing import Protocol

from google.protobuf.timestamp_pb2 import Timestamp

from bench import etcd_messages as etcd
from bench.http2 import END_HEADERS, END_STREAM, HEADERS, Connection, Loop, frame, header_block, message
from bench.servers import APPLICATION, NODES, Server
from licd.v1 import node_service_pb2 as pb

ENTER, STREAM, SECOND = 1, 5, 3
_ACK, _STATE = 0x0A, 0x12  # the tags of KeepAliveResponse.heartbeat_ack and .state


class Crowd(Protocol):
    """Whom members tell."""

    def is_ready(self, member: "Member") -> None:
        """It is entered, its stream is open, and the server said so."""

    def is_acknowledged(self, member: "Member") -> None:
        """A sign of life was answered."""

    def is_forgiven(self, member: "Member") -> bool:
        """Its connection or stream failed; whether another try is made for it."""


class Member(Connection):
    """One member. `interval`: seconds until its next sign of life, as the server wants them; `beaten`: its last one."""

    interval = 5.0
    beaten = 0.0
    licensed = False

    def __init__(self, loop: Loop, server: Server, crowd: Crowd) -> None:
        self._crowd = crowd
        self._server = server
        super().__init__(loop, server.address, server.tls_context)

    def lost(self, reason: str) -> None:
        """A failure, unless the crowd tries again."""
        if self._crowd.is_forgiven(self):
            self.close()
        else:
            super().lost(reason)

    def beat(self) -> None:
        """Sends a sign of life."""
        raise NotImplementedError

    def _call(self, stream: int, path: str, body: bytes, flags: int = END_STREAM) -> None:
        headers = header_block(path, tls=self._server.secure, token=self._server.token)
        self.send_message(message(stream, body, flags), frame(HEADERS, END_HEADERS, stream, headers))


class Node(Member):
    """A node of licd. `session`, `secret`: as the one that it takes up again, if any."""

    def __init__(self, loop: Loop, server: Server, crowd: Crowd, before: "Node | None" = None) -> None:
        self.session: str = before.session if before else ""
        self.secret: bytes = before.secret if before else secrets.token_bytes(32)
        self._request = pb.KeepAliveRequest(heartbeat=pb.Heartbeat())
        self._beat = self._request.heartbeat
        self._beat.sequence = before.sequence if before else 0
        super().__init__(loop, server, crowd)

    @property
    def sequence(self) -> int:
        """Of the last heartbeat."""
        return self._beat.sequence

    def opened(self) -> None:
        """Joins, or resumes."""
        if self.session:
            resume = pb.ResumeRequest(session_id=self.session, resume_secret=self.secret)
            self._call(ENTER, NODES + "Resume", resume.SerializeToString())
            return
        name = secrets.token_hex(8)
        join = pb.JoinRequest(node_name=name, instance_id=name, resume_secret=self.secret, application=APPLICATION)
        self._call(ENTER, NODES + "Join", join.SerializeToString())

    def received(self, stream: int, body: bytes) -> None:
        """The answer to Join or Resume, an acknowledgement, or news."""
        if stream == ENTER:
            self.session = pb.JoinResponse.FromString(body).session_id
            opening = pb.KeepAliveOpen(session_id=self.session, resume_secret=self.secret)
            self._call(STREAM, NODES + "KeepAlive", pb.KeepAliveRequest(open=opening).SerializeToString(), 0)
        elif body[0] == _ACK:
            ack = pb.KeepAliveResponse.FromString(body).heartbeat_ack
            self._beat.ack_sent_at.CopyFrom(ack.sent_at)
            _stamp(self._beat.ack_received_at)
            self.interval = ack.heartbeat_interval.seconds + ack.heartbeat_interval.nanos / 1e9
            self._crowd.is_acknowledged(self)
        elif body[0] == _STATE:
            state = pb.KeepAliveResponse.FromString(body).state
            first, self._beat.state_serial = not self._beat.state_serial, state.serial
            self.licensed = state.state == pb.NODE_STATE_LICENSED
            if first:
                self._crowd.is_ready(self)
        else:
            self.lost(f"the stream was ended: {pb.KeepAliveResponse.FromString(body)}")

    def beat(self) -> None:
        """Sends a heartbeat with a clock sample in it."""
        self._beat.sequence += 1
        _stamp(self._beat.sent_at)
        self.send_message(message(STREAM, self._request.SerializeToString()))


class Lease(Member):
    """A lease of etcd and the key under it."""

    licensed = True

    def __init__(self, loop: Loop, server: Server, crowd: Crowd, before: "Lease | None" = None) -> None:
        self.lease: int = before.lease if before else secrets.randbits(62) | 1
        self._again = before is not None
        self._ready = False
        self._beat = message(STREAM, etcd.lease_keep_alive(self.lease))
        super().__init__(loop, server, crowd)

    def opened(self) -> None:
        """Grants the lease, or keeps the one that it had."""
        if self._again:
            self._open()
        else:
            self._call(ENTER, etcd.LEASE_GRANT, etcd.lease_grant(self.lease, self._server.ttl_s))

    def _open(self) -> None:
        self._call(STREAM, etcd.LEASE_KEEP_ALIVE, etcd.lease_keep_alive(self.lease), 0)

    def received(self, stream: int, body: bytes) -> None:
        """Granted, put, or kept alive."""
        if stream == ENTER:
            self._call(SECOND, etcd.PUT, etcd.put(b"%016x" % self.lease, b"x" * 160, self.lease))
        elif stream == SECOND:
            self._open()
        elif self._ready:
            self._crowd.is_acknowledged(self)
        else:
            self._ready = True
            self._crowd.is_ready(self)

    def beat(self) -> None:
        """Keeps the lease alive."""
        self.send_message(self._beat)


def _stamp(stamp: Timestamp) -> None:
    stamp.seconds, stamp.nanos = divmod(time.time_ns(), 1_000_000_000)


def member_of(server: Server) -> type[Node] | type[Lease]:
    """What holds a place in this server."""
    return Lease if server.kind == "etcd" else Node


class Caller(Connection):
    """Enters new members one after another on one connection, as fast as the server makes them durable."""

    def __init__(self, loop: Loop, server: Server) -> None:
        self.running = True
        self.took: list[float] = []
        self._stream = 1
        self._began = 0.0
        self._etcd = server.kind == "etcd"
        first, second = (etcd.LEASE_GRANT, etcd.PUT) if self._etcd else (NODES + "Join", "")
        self._first = header_block(first, tls=server.secure, token=server.token)
        self._second = header_block(second, tls=server.secure)
        self._lease, self._ttl_s = secrets.randbits(61), server.ttl_s
        self._parts = _join_parts()
        super().__init__(loop, server.address, server.tls_context)

    def opened(self) -> None:
        """Begins."""
        self._enter()

    def _enter(self) -> None:
        self._began = time.perf_counter()
        if self._etcd:
            self._lease += 1
            self._send(self._first, etcd.lease_grant(self._lease, self._ttl_s))
        else:
            before, between, after = self._parts
            self._send(self._first, before + secrets.token_hex(8).encode() + between + secrets.token_bytes(32) + after)

    def _send(self, headers: bytes, body: bytes) -> None:
        stream = self._stream
        self.send_message(message(stream, body, END_STREAM), frame(HEADERS, END_HEADERS, stream, headers))

    def ended(self, stream: int) -> None:
        """A call is done; etcd's needs a second one."""
        self._stream += 2
        if self._etcd and stream % 4 == 1:
            self._send(self._second, etcd.put(b"%016x" % self._lease, b"x" * 160, self._lease))
            return
        self.took.append(time.perf_counter() - self._began)
        if self.running:
            self._enter()


def _join_parts() -> tuple[bytes, bytes, bytes]:
    """A JoinRequest around its instance_id (16 bytes) and its secret (32)."""
    instance, secret = "i" * 16, b"s" * 32
    join = pb.JoinRequest(node_name="report-1", instance_id=instance, resume_secret=secret, application=APPLICATION)
    before, rest = join.SerializeToString().split(instance.encode())
    between, after = rest.split(secret)
    return before, between, after
