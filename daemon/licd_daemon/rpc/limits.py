"""R36: requests a second and peer. A peer is an address without its port; of IPv6, a network of 64 bits.

Two token buckets: one for the calls that the contract names costly, one for all the others.
"""

from licd_daemon.core.budget import network_of
from licd_daemon.core.refusal import too_many_calls
from licd_daemon.rpc.contract import ACCESS
from licd_daemon.rpc.peer import address_of
from licd_kit.rate_limit import RateLimit


class Limits:
    """The limits of all methods."""

    def __init__(self) -> None:
        self._costly = RateLimit(per_second=10, burst=60)
        self._cheap = RateLimit(per_second=20_000, burst=40_000)

    def take(self, method: str, peer: str) -> None:
        """Take one call of `method` from `peer`'s allowance.

        Raises:
            Refused: RATE_LIMITED.
        """
        access = ACCESS.get(method)
        limit = self._costly if access and access.costly else self._cheap
        if wait_ms := limit.take(network_of(address_of(peer))):
            raise too_many_calls(wait_ms)
