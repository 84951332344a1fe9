"""What befalls a simulated world, drawn from one seed: the same seed gives the same schedule, word by word."""

import random
from dataclasses import dataclass, field

# How likely each fault is. Those without a node's name befall the daemon, its disk or its administrator.
FAULTS = {
    "kill_daemon": 4,
    "drain_daemon": 1,
    "stall_daemon": 3,
    "slow_disk": 2,
    "full_disk": 2,
    "two_minds": 2,
    "jump_daemon": 1,
    "stall_node": 4,
    "kill_node": 3,
    "leave_node": 2,
    "cut_up": 3,
    "cut_down": 3,
    "cut_both": 3,
    "lag": 2,
    "jump_node": 1,
    "join_node": 3,
    "evict": 2,
    "reset": 1,
    "register": 2,
    "wrong_code": 2,
}
LATE = {"stick_up": 3, "stick_down": 1, "sluggish_disk": 2}
"""These come on top of a schedule that is otherwise drawn, in a third of them."""
RESTARTS = {"kill_all": 4}
"""New processes in the place of all, which only the profile of restarts draws (R17)."""
PROFILES = {
    "everything": tuple(FAULTS),
    "admin": ("evict", "reset", "register", "cut_down", "cut_both", "kill_daemon", "join_node", "stall_node"),
    "disk": ("slow_disk", "stall_node", "cut_up", "cut_both", "lag", "kill_daemon", "full_disk", "join_node"),
    "daemon": ("kill_daemon", "drain_daemon", "stall_daemon", "slow_disk", "full_disk", "two_minds", "jump_daemon"),
    "evictions": ("evict", "cut_down", "cut_both", "stall_node", "kill_daemon"),
    "silence": ("stall_node", "cut_up", "slow_disk"),
    "restarts": ("kill_all", "kill_node", "join_node", "leave_node"),
    "late": ("stick_up", "sluggish_disk", "cut_up"),
}
DRAWN = ("everything", "everything", "everything", "admin", "admin", "disk", "daemon")
"""Which profile a schedule is of, unless it is told; the others are for hunting one kind of bug."""
SPANS = (0.2, 1.0, 3.0, 6.0, 12.0, 15.5, 16.0, 20.0, 40.0)


@dataclass(frozen=True)
class Step:
    """One fault: when, what, at whom (a number to choose a node by), and for how long; seconds."""

    at: float
    fault: str
    whom: int
    span: float


@dataclass(frozen=True)
class Schedule:
    """A world and all that befalls it."""

    seed: int
    max_nodes: int
    first_nodes: int
    later_nodes: int
    window_s: int
    steps: tuple[Step, ...] = field(repr=False)

    @property
    def end(self) -> float:
        """When the last fault is over."""
        return max((step.at + step.span for step in self.steps), default=0.0) + 1.0


def schedule(seed: int, profile: str = "") -> Schedule:
    """The schedule of a seed, of a profile if one is named."""
    chance = random.Random(seed)
    max_nodes = chance.choice((1, 1, 2, 2, 3))
    drawn = chance.choice(DRAWN)
    faults = PROFILES[profile or drawn]
    weights = [{**FAULTS, **LATE, **RESTARTS}[fault] for fault in faults]
    at, steps = 8.0, []
    for _ in range(chance.randint(4, 14)):
        at += chance.choice((0.0, 0.3, 1.0, 3.0, 8.0, 16.0)) * (0.5 + chance.random())
        span = chance.choice(SPANS) * (0.8 + 0.4 * chance.random())
        steps.append(Step(round(at, 3), chance.choices(faults, weights)[0], chance.randrange(1 << 16), round(span, 3)))
    first = chance.randint(1, max_nodes)
    later, window_s = chance.randint(0, 2), chance.choice((0, 60, 300, 300))
    if not profile and chance.randrange(3) == 0:
        steps += _late(chance, at)
    return Schedule(seed, max_nodes, first, later, window_s, tuple(steps))


def _late(chance: random.Random, end: float) -> list[Step]:
    """One to three of `LATE`, anywhere in a schedule that ends at `end`."""
    drawn = chance.choices(list(LATE), list(LATE.values()), k=chance.randint(1, 3))
    return [
        Step(round(chance.uniform(8.0, end), 3), fault, chance.randrange(1 << 16), round(chance.uniform(1.0, 25.0), 3))
        for fault in drawn
    ]
