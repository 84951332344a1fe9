"""`python -m ha.run FIRST COUNT`: seeded fault schedules over three etcd servers, three daemons and four nodes.

Stops at the first violation, prints it with its history, and exits with 1.
"""

import argparse
import logging
import sys
import time

from ha.world import World


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="ha.run", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    deadline = time.monotonic() + options.seconds
    world, played = World(), 0
    try:
        world.begin()
        for seed in range(options.first, options.first + options.count):
            violations = world.play(seed)
            played += 1
            print(f"{played} schedules, last {seed}", end="\r", flush=True)
            if violations:
                print("\n".join((*world.checker.history, *violations, f"again: python -m ha.run {seed} 1")))
                return 1
            if time.monotonic() > deadline:
                break
    finally:
        world.close()
    print(f"{played} schedules, 0 violations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
