"""The protocol, small enough to be searched: every order of messages, losses, restarts, stalls, to a bounded depth.

What is real: the engine, the core beneath it and `node_client.belief`. What is a model: time (units of a third of a
lease), two or three nodes that say and hear one thing at a time, streams that keep their order and lose their tail,
calls that arrive late or never. One state stands for all that differ only in when they are: instants are kept relative
to now.

Searched breadth first from a registered cluster, with nodes that joined it later; in every state:

- no more than `max_nodes` nodes believe (R13), and no seat is free that is believed in;
- the registration lives while a node that held a seat and had met the living does and was in sight within the window,
  and it ends after the window when none does (R17); a new process alone never brings it back, nor keeps it, nor gets a
  seat that silence freed.

`python -m faults.explore [--quick|--depth N]` prints how much it has seen, or the path to a violation.
"""

import argparse
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from faults.searched.model import Model
from faults.searched.rules import violation
from faults.searched.system import Choice, System

QUICK_DEPTH = 5
"""All paths of so many steps, within seconds."""


class Found(NamedTuple):
    """How many states were seen, to which depth, and the path to the first violation, if any."""

    states: int
    depth: int
    violation: str


@dataclass(frozen=True)
class _Node:
    """A state on the frontier, and how it was come by."""

    system: System
    depth: int
    before: "_Node | None" = None
    choice: Choice | None = None

    def path(self) -> list[str]:
        """The choices from the beginning."""
        steps = [] if self.before is None else self.before.path()
        return steps if self.choice is None else [*steps, str(self.choice)]


def explore(depth: int, *, nodes: int = 2, max_nodes: int = 1, registered: int = 1, budget_s: float = 60.0) -> Found:
    """Searches to `depth` steps, or until `budget_s` seconds are over, from a cluster registered with `registered`."""
    model = Model(nodes, max_nodes, registered)
    deadline = time.monotonic() + budget_s
    start = _Node(model.start(), 0)
    seen = {start.system.fingerprint()}
    frontier = deque([start])
    reached = 0
    while frontier:
        node = frontier.popleft()
        reached = max(reached, node.depth)
        if node.depth == depth:
            continue
        if time.monotonic() > deadline:
            break
        for choice in model.choices(node.system):
            system = model.step(node.system, choice)
            after = _Node(system, node.depth + 1, node, choice)
            wrong = violation(node.system, system, max_nodes)
            if wrong:
                return Found(len(seen), after.depth, "\n".join((*after.path(), f"violated: {wrong}")))
            mark = system.fingerprint()
            if mark not in seen:
                seen.add(mark)
                frontier.append(after)
    return Found(len(seen), reached, "")


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="faults.explore", description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--depth", type=int, default=9)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--max-nodes", type=int, default=1)
    parser.add_argument("--registered", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=600.0)
    options = parser.parse_args()
    depth = QUICK_DEPTH if options.quick else options.depth
    began = time.monotonic()
    found = explore(
        depth,
        nodes=options.nodes,
        max_nodes=options.max_nodes,
        registered=options.registered,
        budget_s=options.seconds,
    )
    if found.violation:
        print(found.violation)
        return 1
    print(f"explored: {found.states} states to depth {found.depth} in {time.monotonic() - began:.0f} s, 0 violations")
    return 0


if __name__ == "__main__":
    sys.exit(main())
