"""R37: what a verified license proves: pure, with time passed in.

- A node that verifies is licensed only while its license proves it: signed by a pinned key, of its application, not
  ended. What the daemon says can only be less than that.
- A lease longer than an hour is cut to one, and the grace of an absent daemon to what the license allows (R41).
"""

import dataclasses
import math

from node_client.values import Failure, NodeState, Status

LONGEST_LEASE = 3600.0
"""Seconds that a node which verifies believes an answer."""
DRIFT = 5.0
"""Seconds; the limit between clocks where nobody names another."""
LONGEST_DRIFT = 3600.0
"""Seconds; no daemon allows more (R21)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Proof:
    """What the check of a license found.

    Attributes:
        failures: why it is not accepted; empty: it is.
        ended: the words for its end.
        expires_at: its end, in seconds since 1970.
        outage_grace: seconds that it allows a program to go on without the daemon (R41).
    """

    failures: tuple[Failure, ...] = ()
    ended: tuple[Failure, ...] = ()
    expires_at: float = math.inf
    outage_grace: float = 0.0

    def left(self, wall: float, drift: float) -> float:
        """Seconds until the license has ended for certain: by a clock that shows `wall`, less the drift limit."""
        return self.expires_at + min(max(drift, 0.0), LONGEST_DRIFT) - wall

    def applied(self, status: Status, left: float) -> Status:
        """What of a status is believed, `left` seconds before the license's end."""
        if not status.may_run:
            return status
        failures = self.failures or (self.ended if left <= 0 else ())
        if failures:
            return Status(NodeState.REJECTED, licensed=False, failures=status.failures + failures)
        return dataclasses.replace(
            status,
            lease_left=min(status.lease_left, LONGEST_LEASE, left),
            grace_left=min(status.grace_left, self.outage_grace, left),
        )


MISSING = Proof(
    (
        Failure(
            "LICENSE_MISSING",
            "The daemon gave no license that this program could verify",
            remedy="Upload the license again; a daemon before 0.2 gives none, and kept none.",
        ),
    )
)
UNTRUSTED = Proof(
    (
        Failure(
            "LICENSE_UNTRUSTED",
            "The license is not signed by a vendor whose key is in this program",
            remedy="Upload the Container.lic that the vendor of this program has sent.",
        ),
    )
)
