"""How often nodes say that they live (R14): the daemon sets the pace, so that heartbeats can't starve joins.

- As configured, as long as all nodes together stay below `BEATS_PER_S`; above it the interval grows with their number.
- Never beyond half of the lease, so that one lost heartbeat costs no seat.
"""

BEATS_PER_S = 1_000


class Pace:
    """The pace of one daemon; durations in ms."""

    def __init__(self, heartbeat_interval_ms: int, lease_ttl_ms: int) -> None:
        self._shortest = heartbeat_interval_ms
        self._longest = max(heartbeat_interval_ms, lease_ttl_ms // 2)

    def interval_ms(self, nodes: int) -> int:
        """The time between two heartbeats of one node.

        Args:
            nodes: How many nodes are live.
        """
        return min(self._longest, max(self._shortest, nodes * 1000 // BEATS_PER_S))
