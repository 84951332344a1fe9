"""A door: a place where licd takes in bytes that somebody else has made."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from fuzz.mutation import Mutator

AT_ONCE = 256
Faults = list[tuple[bytes, str]]


@dataclass(frozen=True)
class Door:
    """`seeds`: sound inputs; `words`: what has a meaning there; `enter`: puts inputs in and gives the faults found."""

    seeds: Sequence[bytes]
    words: Sequence[bytes]
    enter: Callable[[Sequence[bytes]], Faults]


def each(read: Callable[[bytes], object], *refusals: type[Exception]) -> Callable[[Sequence[bytes]], Faults]:
    """What enters a reader in this process, which may raise `refusals` and nothing else."""

    def fault(content: bytes) -> str:
        try:
            read(content)
        except refusals:
            return ""
        except BaseException as error:  # a RecursionError or a panic of an extension module is a fault as well
            return repr(error)[:500]
        return ""

    def enter(inputs: Sequence[bytes]) -> Faults:
        return [(content, found) for content in inputs if (found := fault(content))]

    return enter


def tried(door: Door, chance: random.Random, count: int) -> Faults:
    """The faults of the first inputs that showed any, of `count` inputs at most."""
    inputs = iter(Mutator(door.seeds, door.words, chance))
    for begin in range(0, count, AT_ONCE):
        if faults := door.enter(list(islice(inputs, min(AT_ONCE, count - begin)))):
            return faults
    return []
