"""`make soak MINUTES=60 SEED=n`: random faults until the time is over; the seed is printed, and replays them.

A round is a real cluster's schedule, crash points of the journal, and many simulated schedules. What stands at the end
is `soak: N schedules, 0 violations` and exit code 0; at the first violation all that led to it, and exit code 1.
`--real SEED` plays one real schedule again.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from faults import crash_points, nemesis
from faults.cluster import OPTIONS
from faults.explore import explore
from faults.simulate import told
from faults.simulated.world import simulate
from support import seeded
from support.daemon import Daemon
from support.skew import Skew
from support.vendor import TestVendor

SIMULATED_A_ROUND = 60
CRASHES_A_ROUND = 20
ROUNDS_A_SEED = 100_000
DEPTH = 11


def real(seed: int) -> list[str]:
    """One real schedule."""
    with tempfile.TemporaryDirectory() as name:
        folder, vendor = Path(name), TestVendor()
        clock = Skew(folder / "clock")
        keys = vendor.write_keys(folder / "vendor-keys.json")
        daemon = Daemon(folder / "data", keys, *OPTIONS, env=clock.env)
        try:
            return nemesis.play(seed, daemon, vendor, folder, clock)
        except AssertionError as error:
            return [f"{error!r}", *map(str, daemon.log[-20:])]


def _real_told(seed: int) -> str:
    found = real(seed)
    steps = "\n".join(map(str, nemesis.schedule(seed)))
    again = f"again: PYTHONPATH=tests .venv/bin/python -m faults.soak --real {seed}"
    return "\n".join((steps, *found, again)) if found else ""


def _simulated_told(seed: int) -> str:
    outcome = simulate(seed)
    return told(outcome) if outcome.violations else ""


def _crash_told(seed: int) -> str:
    found = asyncio.run(crash_points.crash(seed))
    return f"crash point {seed}: {found}" if found else ""


def _explored_told(seed: int) -> str:
    return explore(DEPTH, budget_s=600).violation


class Soak:
    """Plays until the deadline, and counts."""

    def __init__(self, seed: int, minutes: float) -> None:
        self._first = seed * ROUNDS_A_SEED
        self._deadline = time.monotonic() + minutes * 60
        self.played = 0
        self.violation = ""

    def run(self) -> None:
        """Rounds until the deadline, or the first violation."""
        number = 0
        while self._goes_on():
            self._play(_real_told, self._first + number)
            for each in range(CRASHES_A_ROUND):
                self._play(_crash_told, self._first + number * CRASHES_A_ROUND + each)
            for each in range(SIMULATED_A_ROUND):
                self._play(_simulated_told, self._first + number * SIMULATED_A_ROUND + each)
            number += 1
            print(f"round {number}: {self.played} schedules", flush=True)

    def _goes_on(self) -> bool:
        return not self.violation and time.monotonic() < self._deadline

    def _play(self, play: Callable[[int], str], seed: int) -> None:
        if self._goes_on():
            self.violation = play(seed)
            self.played += 1


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--real", type=int)
    options = parser.parse_args()
    seeded.quiet()
    if options.real is not None:
        violation = _real_told(options.real)
        print(violation or "1 schedule, 0 violations")
        return bool(violation)
    print(f"soak: seed {options.seed}, {options.minutes:g} minutes", flush=True)
    violation = _explored_told(0) if options.minutes > 10 else ""
    soak = Soak(options.seed, options.minutes)
    if not violation:
        soak.run()
        violation = soak.violation
    if violation:
        print(violation)
        print(f"soak: seed {options.seed}: violated after {soak.played} schedules")
        return 1
    print(f"soak: {soak.played} schedules, 0 violations")
    return 0


if __name__ == "__main__":
    seeded.begin_again()
    sys.exit(main())
