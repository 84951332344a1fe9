"""The clocks of a node, never mixed (R13, R15). This module alone reads them.

- `boottime` counts suspended time too, so a lease cannot outlive a suspended machine. Where the system has no
  CLOCK_BOOTTIME (macOS, Windows) it is `time.monotonic`.
- `wall_ns` is only sent to the daemon, which judges drift by it (R21); no decision here rests on it.
- `monotonic` is for how long a caller waits.
"""

import sys
import time

if sys.platform == "linux":

    def boottime() -> float:
        """Seconds since the machine started, suspended time included (R13)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
else:

    def boottime() -> float:
        """Seconds on a clock that is never set (R15: the fallback without CLOCK_BOOTTIME)."""
        return time.monotonic()


def wall_ns() -> int:
    """Nanoseconds since 1970-01-01T00:00:00Z by this machine's wall clock."""
    return time.time_ns()


def monotonic() -> float:
    """Seconds on a clock that is never set and may stand still while the machine is suspended."""
    return time.monotonic()
