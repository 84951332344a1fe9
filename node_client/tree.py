"""The processes under this one, which is their subreaper: to signal, reap and end all of them (R38).

- A process that puts itself into the background, takes a session of its own or loses its parent stays below its
  subreaper: the tree is empty when the subreaper has no child left, and not before.
- What /proc does not show (it is not mounted, or hides it) is reached through the group of the first process alone.
"""

import contextlib
import os
import select
import signal
from collections.abc import Collection

from node_client import clock, processes
from node_client.cgroup import ControlGroup

BETWEEN_KILLS = 0.005
"""Seconds; what forked between a look at /proc and the SIGKILL is found at the next look."""


class Tree:
    """R38: the descendants of the process that makes it; `shared`: the process groups that others are in too."""

    def __init__(self, shared: Collection[int], control_group: ControlGroup | None) -> None:
        """It is empty as yet; `control_group`: the one that its processes are in."""
        self._control_group = control_group
        self._shared = shared
        self.first: int | None = None

    def send(self, number: int, *, reached: bool = False) -> None:
        """Signal each process once; `reached`: those of the shared group have got it already."""
        if number == signal.SIGKILL and self._control_group is not None:
            self._control_group.kill()
        below = processes.below(os.getpid())
        for address in processes.addressees(below, self._shared) or self._unseen():
            if not (reached and address > 0):
                _kill(address, number)
        for process in below:
            if process.stopped and number != signal.SIGKILL:
                # A stopped process takes a signal only when it goes on.
                _kill(process.pid, signal.SIGCONT)

    def send_first(self, number: int) -> None:
        """Signal the first process; once it has ended, those that lost their parents."""
        here = os.getpid()
        orphans = [process.pid for process in processes.below(here) if process.parent == here]
        for pid in [self.first] if self.first is not None else orphans:
            _kill(pid, number)

    def reap(self) -> tuple[int | None, bool]:
        """Take the end of each process that has ended.

        Returns:
            The wait status of the first process, if it was among them; whether the tree is empty.
        """
        ended = None
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ended, True
            if pid == 0:
                return ended, False
            if pid == self.first:
                ended, self.first = status, None

    def end(self, kill_after: float) -> None:
        """Stop all of it: SIGTERM, SIGKILL to what is left `kill_after` seconds later; return when it is empty."""
        kill_at = clock.boottime() + kill_after
        self.send(signal.SIGTERM)
        while not self.reap()[1]:
            if clock.boottime() >= kill_at:
                self.send(signal.SIGKILL)
            select.select([], [], [], BETWEEN_KILLS)

    def _unseen(self) -> list[int]:
        """What is known without /proc."""
        if self.first is None:
            return []
        group = os.getpgid(self.first)
        return [self.first if group in self._shared else -group]


def _kill(address: int, number: int) -> None:
    # It may have ended meanwhile, or be of another user, whom only root may signal.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(address, number)
