"""What file system the data directory is on; one that dies with its container is reported."""

import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_EPHEMERAL = frozenset({"overlay", "aufs", "tmpfs", "ramfs"})
_OCTAL = re.compile(r"\\([0-7]{3})")


def ephemeral_filesystem(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """The type of the file system that `path` is on, if its files are gone with the container or machine.

    Args:
        path: A file or folder, which need not exist yet.
        mounts: The table of mounts, proc_pid_mountinfo(5).

    Returns:
        `overlay`, `tmpfs` and the like; None: a lasting one, or there is no such table (not Linux).
    """
    try:
        table = mounts.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    place = os.path.realpath(path)
    # The longest prefix counts, and of two mounts on one place the later, which hides the other.
    found = max(
        (
            (len(point), number, kind)
            for number, (point, kind) in enumerate(map(_mount, table.splitlines()))
            if os.path.commonpath((place, point)) == point
        ),
        default=(0, 0, ""),
    )[2]
    return found if found in _EPHEMERAL else None


def _mount(line: str) -> tuple[str, str]:
    """Mount point and type of a line: `36 35 98:0 / /mnt rw master:1 - ext4 /dev/sda1 rw`."""
    place, _, kind = line.partition(" - ")
    point = _OCTAL.sub(lambda digits: chr(int(digits[1], 8)), place.split(" ")[4])
    return point, kind.split(" ")[0]
