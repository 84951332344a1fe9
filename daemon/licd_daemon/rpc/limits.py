"""R36: requests a second and peer. A peer is an address without its port.

Two token buckets: one for the calls that the contract names costly, one for all the others.
"""

from licd_daemon.rate_limit import RateLimit
from licd_daemon.rpc.contract import ACCESS


class Limits:
    """The limits of all methods."""

    def __init__(self) -> None:
        self._costly = RateLimit(per_second=10, burst=60)
        self._cheap = RateLimit(per_second=20_000, burst=40_000)

    def take(self, method: str, peer: str) -> None:
        """Takes one call of `method` from `peer`'s allowance.

        Raises:
            Refused: RATE_LIMITED.
        """
        access = ACCESS.get(method)
        (self._costly if access and access.costly else self._cheap).take(peer.rpartition(":")[0])
