"""R13, R14, R15, R41: what a node may believe: pure, with time passed in. All that decides `is_licensed()` is in here.

- A node is licensed at an instant only if the daemon's last state was LICENSED and the lease runs then (R15).
- The lease runs for lease_ttl from when the acknowledged message was SENT, by boottime (R13). An acknowledgement
  lengthens a lease that runs; it never licenses, and never revives a lease that has ended: only the answer to Join or
  Resume does, for the seat may be another's by now.
- An epoch lower than the highest seen comes from a journal rolled back, and so does one of the same number with another
  id: refused, and nothing changes (R14). Daemons before 0.2 give no id, which is then not compared.
- A `state` counts only if its serial is higher than the last one applied in the session (R13).
- A closed or evicted node never believes again (R15).
- A node past its lease is in JEOPARDY, whatever the last state was (R15).
- A node that verifies believes no more than its license proves (R37).
- If that last state was LICENSED, its program may run on for the license's outage grace, counted from the lease's end
  (R41). Every other word, and every end of the session or the node, is definite and leaves no grace.
"""

import dataclasses
import math

from node_client.proof import LONGEST_LEASE, Proof
from node_client.values import Failure, NodeState, Status

LONGEST_GRACE = 7 * 86_400.0
"""Seconds; no license allows more (R41)."""


class OlderEpochError(Exception):
    """An answer came from a daemon whose journal is older than what this node has seen (R14)."""

    def __init__(self, epoch: str, seen: str) -> None:
        """Keep both epochs for the message."""
        super().__init__(f"the daemon is in epoch {epoch}, this node has seen epoch {seen}")


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """The daemon's answer to Join or Resume; spans in seconds."""

    session_id: str
    epoch: int
    lease_ttl: float
    heartbeat_interval: float
    reported: NodeState
    failures: tuple[Failure, ...] = ()
    outage_grace: float = 0.0
    epoch_id: str = ""
    stream: int = 0
    license: bytes = b""
    max_clock_drift: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class Belief:
    """All that a node believes; instants are seconds of boottime.

    Attributes:
        reported: the state that the daemon reported last in this session; None before the first.
        failures: the daemon's reasons.
        trouble: why the daemon cannot be reached now; None while it can.
        lease_until: when the lease ends.
        epoch: the highest epoch seen, over all sessions.
        epoch_id: its id; empty if no answer gave one.
        serial: the last `state` applied in this session.
        end: CLOSED or EVICTED once the node has ended.
        outage_grace: seconds that the program may go on after the lease's end, as the daemon reported last (R41).
        license: the Container.lic in force, of a node that asked for it; empty if it was given none.
        proof: what the license proves; None for a node that does not verify (R37).
        proven_until: when the license ends.
    """

    reported: NodeState | None = None
    failures: tuple[Failure, ...] = ()
    trouble: Failure | None = None
    lease_until: float = -math.inf
    epoch: int = 0
    serial: int = 0
    end: NodeState | None = None
    outage_grace: float = 0.0
    epoch_id: str = ""
    license: bytes = b""
    proof: Proof | None = None
    proven_until: float = math.inf

    def state_at(self, now: float) -> NodeState:
        """The state at the instant `now`, as far as the daemon's word goes."""
        if self.end is not None:
            return self.end
        if self.reported is None:
            return NodeState.CONNECTING
        return self.reported if now < self.lease_until else NodeState.JEOPARDY

    def status_at(self, now: float) -> Status:
        """Everything a program may ask, at the instant `now` (R15)."""
        state = self.state_at(now)
        licensed = state is NodeState.LICENSED
        troubles = () if self.trouble is None else (self.trouble,)
        left = self.lease_until - now if licensed else 0.0
        status = Status(state, licensed, self.failures + troubles, left, self._grace_left_at(now))
        return status if self.proof is None else self.proof.applied(status, self.proven_until - now)

    def _grace_left_at(self, now: float) -> float:
        if self.reported is not NodeState.LICENSED or not self.lapsed_at(now):
            return 0.0
        return max(0.0, self.lease_until + self.outage_grace - now)

    def lapsed_at(self, now: float) -> bool:
        """Whether a session is there whose lease has ended by `now`."""
        return self.end is None and self.reported is not None and now >= self.lease_until

    def answered(self, answer: Answer, *, sent: float) -> "Belief":
        """After the answer to a Join or Resume that was sent at `sent`: it alone starts a lease.

        Raises:
            OlderEpochError: the answer is refused (R14).
        """
        if self.end is not None:
            return self
        return dataclasses.replace(
            self._seen(answer.epoch, answer.epoch_id),
            reported=answer.reported,
            failures=answer.failures,
            trouble=None,
            lease_until=sent + self._cut(answer.lease_ttl),
            outage_grace=min(answer.outage_grace, LONGEST_GRACE),
            license=answer.license,
        )

    def acknowledged(self, *, epoch: int, lease_ttl: float, sent: float, now: float) -> "Belief":
        """After the acknowledgement, read at `now`, of the heartbeat sent at `sent`.

        Raises:
            OlderEpochError: the acknowledgement is refused (R14).
        """
        if self.end is not None:
            return self
        seen = self._seen(epoch)
        renewed = max(self.lease_until, sent + self._cut(lease_ttl)) if now < self.lease_until else self.lease_until
        return dataclasses.replace(seen, lease_until=renewed)

    def informed(
        self,
        serial: int,
        reported: NodeState,
        failures: tuple[Failure, ...],
        outage_grace: float = 0.0,
        license: bytes = b"",
    ) -> "Belief":
        """After a `state` on the stream; unchanged if it is not newer than the last one applied.

        `license`: another one is in force; empty: the same.
        """
        if self.end is not None or serial <= self.serial:
            return self
        grace = min(outage_grace, LONGEST_GRACE)
        return dataclasses.replace(
            self,
            reported=reported,
            failures=failures,
            serial=serial,
            outage_grace=grace,
            license=license or self.license,
        )

    def proven(self, proof: Proof, until: float) -> "Belief":
        """After the license was verified, which ends at `until` (R37)."""
        if self.end is not None:
            return self
        grace = min(self.outage_grace, proof.outage_grace)
        return dataclasses.replace(self, proof=proof, proven_until=until, outage_grace=grace)

    def troubled(self, trouble: Failure) -> "Belief":
        """After a failure to reach the daemon: the lease, if one runs, runs on."""
        return self if self.end is not None else dataclasses.replace(self, trouble=trouble)

    def unwelcome(self) -> "Belief":
        """After the daemon refused this node itself: that is no silence, so no grace follows the lease (R41)."""
        return self if self.end is not None else dataclasses.replace(self, outage_grace=0.0)

    def forgotten(self) -> "Belief":
        """After the end of the session: only the highest epoch is kept."""
        kept = Belief(epoch=self.epoch, epoch_id=self.epoch_id, trouble=self.trouble, proof=self.proof)
        return self if self.end is not None else kept

    def ended(self, end: NodeState, *failures: Failure) -> "Belief":
        """Permanently: closed or evicted."""
        return self if self.end is not None else Belief(epoch=self.epoch, end=end, failures=failures)

    def _cut(self, lease_ttl: float) -> float:
        return lease_ttl if self.proof is None else min(lease_ttl, LONGEST_LEASE)

    def _seen(self, epoch: int, epoch_id: str = "") -> "Belief":
        """After an answer of that epoch (R14)."""
        another = epoch == self.epoch and self.epoch_id and epoch_id not in ("", self.epoch_id)
        if epoch < self.epoch or another:
            raise OlderEpochError(_named(epoch, epoch_id), _named(self.epoch, self.epoch_id))
        known = self.epoch_id if epoch == self.epoch else ""
        return dataclasses.replace(self, epoch=epoch, epoch_id=epoch_id or known)


def _named(epoch: int, epoch_id: str) -> str:
    return f"{epoch} ({epoch_id})" if epoch_id else str(epoch)
