"""Token buckets: so many calls at once from one peer, then so many a second (R36)."""

from collections import OrderedDict
from dataclasses import dataclass

from licd_kit.clock import boottime_ms

MAX_PEERS = 10_000


@dataclass(slots=True)
class _Bucket:
    level: float
    at: int


class RateLimit:
    """One bucket a peer: `burst` calls at once, then `per_second`. The peer that was away longest makes room."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_ms = per_second / 1000
        self._burst = burst
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, peer: str) -> int:
        """Take one call's worth: 0, or the milliseconds until there is one again, and then takes none."""
        now = boottime_ms()
        bucket = self._buckets.get(peer)
        if bucket is None:
            bucket = self._buckets[peer] = _Bucket(self._burst, now)
            if len(self._buckets) > MAX_PEERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(peer)
        bucket.level = min(self._burst, bucket.level + (now - bucket.at) * self._per_ms)
        bucket.at = now
        if bucket.level < 1:
            return int((1 - bucket.level) / self._per_ms) + 1
        bucket.level -= 1
        return 0
