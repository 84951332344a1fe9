"""`python -m faults.streams FIRST COUNT`: random paths through the model of a session's streams (searched/streams.py).

Prints how many paths and steps it has seen, or the path to the first violation.
"""

import random
import sys
from typing import NamedTuple

from faults.searched import streams

STEPS = 40
LIKELY = {"arrive": 5, "resume": 3, "give_up": 3, "beat": 3, "copy": 3, "lose": 0.5}


class Walked(NamedTuple):
    """How many steps were made, how many sessions ended as copied, and the path to the first violation, if any."""

    steps: int
    copies: int
    violation: str


def walk(seeds: range) -> Walked:
    """One path a seed; every second one knows no copy."""
    made = copies = 0
    for seed in seeds:
        chance, system, path = random.Random(seed), streams.start(), list[str]()
        for _ in range(STEPS):
            found = [each for each in streams.choices(system) if seed % 2 or each.what != "copy"]
            if not found:
                break
            # Loss, delay and faults are many; without help, few paths would get anywhere.
            choice = chance.choices(found, [LIKELY.get(each.what, 1) for each in found])[0]
            system = streams.step(system, choice)
            path.append(str(choice))
            made += 1
            if wrong := streams.violation(system):
                return Walked(made, copies, "\n".join((*path, f"seed {seed}: VIOLATION {wrong}")))
        copies += system.ended
    return Walked(made, copies, "")


def main() -> int:
    """See the module."""
    first, count = map(int, sys.argv[1:])
    walked = walk(range(first, first + count))
    if walked.violation:
        print(walked.violation)
        return 1
    print(f"streams: {count} paths, {walked.steps} steps, {walked.copies} copies found, 0 violations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
