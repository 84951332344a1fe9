"""Folders and files that are one user's alone: what is open to others is closed, or refused in words.

- Our own folder is closed to everybody else; its group keeps what it has where the setgid bit is set, which is how
  Kubernetes mounts a volume (fsGroup). It is left alone, and refused, if it is shared (the sticky bit, as /tmp has) or
  holds nothing but what others have put there.
- A folder of another user is refused, since that user may change what is in it. One of root is used unchanged unless
  all users may write to it, or a group that is not ours.
- Our own files are closed to all others; what is a link or belongs to somebody else was handed to us, and is used
  unchanged.
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path

_OTHERS = 0o007
_ALL_ELSE = 0o077
_ROOT = 0


class NotPrivate(Exception):
    """Others may change what is in a folder; the text says what to do."""


def close_folder(folder: Path, own: Collection[str]) -> str:
    """Close a folder to others, and say what was found; "" if it was closed.

    Args:
        folder: The folder.
        own: Names that show that it is ours: at least one is in it, or nothing is.

    Raises:
        NotPrivate: Others may change what is in it, and it can't be closed.
        OSError: It can't be looked at.
    """
    status = folder.stat()
    mode = stat.S_IMODE(status.st_mode)
    if status.st_uid not in (os.geteuid(), _ROOT):
        raise NotPrivate(f"{folder} belongs to another user (id {status.st_uid}): give it to the daemon's user (chown)")
    excess = mode & (_OTHERS if mode & stat.S_ISGID else _ALL_ELSE)
    if excess and status.st_uid == os.geteuid():
        if mode & stat.S_ISVTX or not _is_own(folder, own):
            raise NotPrivate(f"{folder} is open to other users, and holds other files: name a folder of its own")
        if _chmod(folder, mode & ~excess):
            return f"its mode was {mode:04o}, which let other users in; it is closed now"
    if mode & stat.S_IWOTH or (mode & stat.S_IWGRP and status.st_gid not in (os.getegid(), *os.getgroups())):
        raise NotPrivate(f"other users may write to {folder}: name a folder in it, which is then made private")
    return f"its mode is {mode:04o}, which lets other users in, and can't be changed" if excess else ""


def close_path(path: Path, tolerated: int = 0) -> bool:
    """Close a file or folder to others if it is ours and no link, and say whether it was open.

    Args:
        path: The file or folder, which may be missing.
        tolerated: Bits of its mode that may stay, as long as it has no others that are not the owner's.
    """
    try:
        status = path.lstat()
    except OSError:
        return False
    ours = status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode)
    is_open = status.st_mode & _ALL_ELSE & ~tolerated
    return ours and bool(is_open) and _chmod(path, stat.S_IMODE(status.st_mode) & ~_ALL_ELSE)


def _is_own(folder: Path, own: Collection[str]) -> bool:
    names = {entry.name for entry in folder.iterdir()} - {"lost+found"}
    return not names or not names.isdisjoint(own)


def _chmod(path: Path, mode: int) -> bool:
    try:
        path.chmod(mode)
    except OSError:  # a read-only mount
        return False
    return True
