"""Who a process is to the daemon, and what it says: the messages of one session, and the addresses to say them to.

- Identity and secret are fresh for each join (R15) and stay in memory (R16); neither is ever logged.
- An address that a daemon names (the leader's, or where to reconnect to) is tried once, first; then the list goes on.
"""

import dataclasses
import os
import uuid
from collections.abc import Sequence

from licd.v1 import node_service_pb2 as pb
from node_client import clock, wire
from node_client.pace import Pace
from node_client.settings import Settings

CLOCK_SET = 0.005
"""Seconds by which wall clock and boottime come apart only when somebody sets the clock: that is no sample (R21)."""


@dataclasses.dataclass(slots=True)
class Session:
    """One session, from before its Join on.

    `stream`: the last stream number given, 0 by daemons before 0.2; `nonce`: of the refusal that called it stale (R16).
    `sent`: wall time (ns) and boottime (s) of the last heartbeat; `echo`: the stream's last acknowledgement and the
    wall time it came.
    """

    instance_id: str = dataclasses.field(default_factory=lambda: uuid.uuid4().hex)
    secret: bytes = dataclasses.field(default_factory=lambda: os.urandom(32), repr=False)
    session_id: str = ""
    stream: int = 0
    nonce: str = ""
    pace: Pace = dataclasses.field(default_factory=Pace)
    sent: tuple[int, float] | None = None
    echo: tuple[pb.HeartbeatAck, int] | None = None

    def join_request(self, settings: Settings) -> pb.JoinRequest:
        """Open the session; repeated, it is the same join."""
        return pb.JoinRequest(
            node_name=settings.node_name,
            instance_id=self.instance_id,
            resume_secret=self.secret,
            application=wire.application(settings.application),
            wants_license=settings.wants_license,
        )

    def resume_request(self, highest_epoch: int, epoch_id: str, *, wants_license: bool) -> pb.ResumeRequest:
        """Take the session up again; bring back the nonce that its last try was refused with."""
        return pb.ResumeRequest(
            session_id=self.session_id,
            resume_secret=self.secret,
            highest_epoch_seen=highest_epoch,
            epoch_id=epoch_id,
            last_stream=self.stream,
            stale_nonce=self.nonce,
            wants_license=wants_license,
        )

    def leave_request(self) -> pb.LeaveRequest:
        """End the session on purpose."""
        return pb.LeaveRequest(session_id=self.session_id, resume_secret=self.secret)

    def opening(self, *, wants_license: bool) -> pb.KeepAliveRequest:
        """The stream's first message."""
        opening = pb.KeepAliveOpen(
            session_id=self.session_id,
            resume_secret=self.secret,
            stream=self.stream,
            wants_license=wants_license,
        )
        return pb.KeepAliveRequest(open=opening)

    def heartbeat(self, state_serial: int) -> pb.KeepAliveRequest:
        """The heartbeat that the pace is at, echoing the serial applied and the last acknowledgement's times."""
        self.sent = clock.wall_ns(), clock.boottime()
        heartbeat = pb.Heartbeat(
            sequence=self.pace.sequence, sent_at=wire.timestamp(self.sent[0]), state_serial=state_serial
        )
        if self.echo is not None:
            ack, received = self.echo
            heartbeat.ack_sent_at.CopyFrom(ack.sent_at)
            heartbeat.ack_received_at.CopyFrom(wire.timestamp(received))
        return pb.KeepAliveRequest(heartbeat=heartbeat)

    def acknowledged(self, ack: pb.HeartbeatAck, wall_ns: int, now: float) -> None:
        """Keep what the next heartbeat echoes, unless this machine's clock was set while the last one was under way.

        Args:
            ack: the acknowledgement of the last heartbeat.
            wall_ns: the wall time it came, in ns.
            now: boottime then, in seconds.
        """
        sent_wall, sent = self.sent or (wall_ns, now)
        was_set = abs((wall_ns - sent_wall) / 1e9 - (now - sent)) > CLOCK_SET
        self.echo = None if was_set else (ack, wall_ns)

    def pause(self) -> None:
        """Between streams: the sequence goes on, the echo does not."""
        self.pace = self.pace.stopped()
        self.sent = self.echo = None


class Route:
    """The address to try next."""

    def __init__(self, addresses: Sequence[str]) -> None:
        """Start with the first."""
        self._addresses = addresses
        self._index = 0
        self._named = ""

    def __len__(self) -> int:
        """How many addresses were given."""
        return len(self._addresses)

    def take(self) -> str:
        """The address for the next link: the one a daemon named, else the list's."""
        named, self._named = self._named, ""
        return named or self._addresses[self._index % len(self._addresses)]

    def lead(self, address: str) -> None:
        """A daemon named `address`."""
        self._named = address

    def advance(self) -> None:
        """The last one was of no use."""
        self._index += 1
