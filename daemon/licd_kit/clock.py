"""The machine's clocks as they are: no other module of the daemon and the vendor imports `time`.

Boottime (CLOCK_BOOTTIME counts suspended time) is for everything that must not be moved by hand; the wall clock is for
what people and other machines are told.
"""

import time
from collections.abc import Callable
from pathlib import Path

_ONE_INSTANT_MS = 1
_TRIES = 10
_NS_PER_MS = 1_000_000
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

Source = Callable[[], float]
"""A clock: gives milliseconds."""


def boottime_ms() -> int:
    """Milliseconds since boot, suspended time included (R13); where the system lacks that clock, its monotonic one."""
    return time.clock_gettime_ns(_BOOTTIME) // _NS_PER_MS


def boot_id() -> str:
    """Which boot of this machine it is, that boottime counts from; "" where the system has no such id."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def stopwatch_s() -> float:
    """Seconds since some instant, finer than microseconds: for how long something took, and nothing else."""
    return time.perf_counter()


def wall_ms() -> int:
    """Milliseconds since the Unix epoch by this machine's clock, whatever it was set to."""
    return time.time_ns() // _NS_PER_MS


def fine_wall_ms() -> float:
    """As `wall_ms`, with its fraction: for the timestamps that clocks are measured by (R21)."""
    return time.time_ns() / _NS_PER_MS


def boot_and_wall(boot: Source = boottime_ms, wall: Source = fine_wall_ms) -> tuple[float, float]:
    """Both clocks at one instant; readings that this thread was interrupted between are taken again, a few times."""
    for _ in range(_TRIES):
        before, read, after = boot(), wall(), boot()
        if after - before <= _ONE_INSTANT_MS:
            break
    return after, read
