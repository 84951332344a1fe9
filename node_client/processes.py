"""The processes below one, as /proc shows them, and the addresses by which a signal reaches each once (R38)."""

import dataclasses
import os
import pathlib
from collections.abc import Collection, Iterable

_PROC = pathlib.Path("/proc")


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """One process: its number, its parent's, its group's, and whether a signal has stopped it."""

    pid: int
    parent: int
    group: int
    stopped: bool = False


def below(root: int) -> list[Process]:
    """Every process whose ancestor is `root`; empty if /proc is not mounted, or is another PID namespace's."""
    return descendants(root, _all()) if _is_own_proc() else []


def descendants(root: int, processes: Iterable[Process]) -> list[Process]:
    """Those of `processes` whose ancestor is `root`, parents before their children."""
    children: dict[int, list[Process]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process)
    found, unseen = [], [root]
    while unseen:
        of_one = children.pop(unseen.pop(), [])
        found += of_one
        unseen += [process.pid for process in of_one]
    return found


def addressees(processes: Collection[Process], shared: Collection[int]) -> list[int]:
    """Numbers for kill(2) that reach each of `processes` once: whole groups, as -GROUP, where nobody else is inside.

    A group gets a signal at one instant: none of its processes can fork away from it. `shared` are the groups that
    others are in too: their processes are named one by one.
    """
    groups = {process.group for process in processes if process.group not in shared}
    return [-group for group in sorted(groups)] + [process.pid for process in processes if process.group in shared]


def parsed(stat: str) -> Process:
    """Read one /proc/PID/stat; the name of the program may hold anything, spaces and parentheses too.

    Raises:
        ValueError: it is not one.
    """
    before, _, after = stat.rpartition(")")
    state, parent, group = after.split()[:3]
    return Process(int(before.partition(" ")[0]), int(parent), int(group), state == "T")


def _is_own_proc() -> bool:
    try:
        return (_PROC / "self").readlink().name == str(os.getpid())
    except OSError:
        return False


def _all() -> Iterable[Process]:
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            try:
                yield parsed((folder / "stat").read_text(errors="replace"))
            except (OSError, ValueError):
                continue  # it has ended since
