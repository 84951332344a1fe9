"""A control group (v2) of the tree's own, where licd-node may make one (R38): SIGKILL reaches all in it at one instant.

Without one, a tree that forks faster than /proc can be read could outrun the signals, and processes of another user, or
hidden in /proc, are out of reach. In most containers the control groups are read-only, and there is none.
"""

import contextlib
import os
import pathlib

_PROC = pathlib.Path("/proc/self")


class ControlGroup:
    """The control group at `folder`."""

    def __init__(self, folder: pathlib.Path) -> None:
        """It exists already."""
        self._folder = folder

    def enter(self) -> None:
        """Move this process into it; it stays outside where the system does not allow that."""
        with contextlib.suppress(OSError):
            (self._folder / "cgroup.procs").write_text("0")

    def kill(self) -> None:
        """SIGKILL to each process in it, and in control groups that they made below it."""
        with contextlib.suppress(OSError):
            (self._folder / "cgroup.kill").write_text("1")

    def remove(self) -> None:
        """Take it away, once it is empty."""
        for folder, _, _ in os.walk(self._folder, topdown=False):
            with contextlib.suppress(OSError):
                pathlib.Path(folder).rmdir()


def make() -> ControlGroup | None:
    """A new one below this process's own; None where there may be none."""
    try:
        own = folder_of((_PROC / "cgroup").read_text(), (_PROC / "mountinfo").read_text())
        if own is None or not (own / "cgroup.procs").exists():
            return None
        folder = own / f"licd-node-{os.getpid()}"
        folder.mkdir(exist_ok=True)
    except OSError:
        return None
    made = ControlGroup(folder)
    if (folder / "cgroup.kill").exists():
        return made
    made.remove()  # Linux before 5.14
    return None


def folder_of(cgroup: str, mountinfo: str) -> pathlib.Path | None:
    """The folder of the control group that /proc/PID/cgroup names, by /proc/PID/mountinfo; None: not mounted here."""
    own = next((line[3:] for line in cgroup.splitlines() if line.startswith("0::")), None)
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if own is not None and after.startswith("cgroup2 "):
            root, mounted = before.split()[3:5]
            if pathlib.PurePath(own).is_relative_to(root):
                return pathlib.Path(mounted) / pathlib.PurePath(own).relative_to(root)
    return None
