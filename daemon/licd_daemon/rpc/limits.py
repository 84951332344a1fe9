"""Requests a second and peer (R36). A peer is an address without its port.

Two token buckets: one for calls that cost a key stretching, a picture or a signature, one for all the others.
"""

from collections import OrderedDict
from dataclasses import dataclass

from licd_daemon.clock import boottime_ms
from licd_daemon.core.refusal import Reason, Refused

MAX_PEERS = 10_000
COSTLY = frozenset(
    f"/licd.v1.{method}"
    for method in (
        "RegistrationService/UploadLicense",
        "RegistrationService/CreateChallenge",
        "RegistrationService/SubmitCode",
        "RegistrationService/ReleaseLicense",
        "TokenService/CreateToken",
    )
)


@dataclass(slots=True)
class _Bucket:
    level: float
    at: int


class RateLimit:
    """One bucket a peer: `burst` calls at once, then `per_second`."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_ms = per_second / 1000
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, peer: str) -> None:
        """Takes one call's worth.

        Raises:
            Refused: RATE_LIMITED.
        """
        now = boottime_ms()
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = _Bucket(self._burst, now)
            if len(self._buckets) > MAX_PEERS:
                self._buckets.popitem(last=False)
        bucket.level = min(self._burst, bucket.level + (now - bucket.at) * self._per_ms)
        bucket.at = now
        if bucket.level < 1:
            wait = int((1 - bucket.level) / self._per_ms) + 1
            raise Refused(Reason.RATE_LIMITED, "Too many calls from this address: slow down.", retry_after_ms=wait)
        bucket.level -= 1


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
        (self._costly if method in COSTLY else self._cheap).take(peer.rpartition(":")[0])
