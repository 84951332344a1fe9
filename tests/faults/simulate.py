"""`python -m faults.simulate FIRST COUNT`: simulated fault schedules of the seeds from FIRST on.

Stops at the first violation, prints it with its history, and exits with 1.
"""

import argparse
import sys
import time

from faults.simulated.schedule import PROFILES
from faults.simulated.world import Outcome, simulate
from support import seeded


def told(outcome: Outcome) -> str:
    """A violation with all that led to it, and how to see it again."""
    seed = outcome.schedule.seed
    return "\n".join(
        (
            str(outcome.schedule),
            *outcome.log,
            *outcome.violations,
            f"again: PYTHONPATH=tests .venv/bin/python -m faults.simulate {seed} 1",
        )
    )


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="faults.simulate", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--profile", choices=PROFILES, default="", help="faults of one kind only")
    options = parser.parse_args()
    seeded.quiet()
    deadline = time.monotonic() + options.seconds
    played = 0
    for seed in range(options.first, options.first + options.count):
        outcome = simulate(seed, options.profile)
        played += 1
        if outcome.violations:
            print(told(outcome))
            return 1
        if time.monotonic() > deadline:
            break
    print(f"simulation: {played} schedules, 0 violations")
    return 0


if __name__ == "__main__":
    seeded.begin_again()
    sys.exit(main())
