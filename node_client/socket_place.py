"""Where a licd-node's socket is, who may use it, and how others find it.

- The default is a directory of this licd-node's own in the runtime directory: $XDG_RUNTIME_DIR, or $TMPDIR where that
  is set, else /run for root and the directory for temporary files for others; not one whose path is too long.
- A container's probe does not inherit LICD_NODE_SOCKET from the program: running() finds the sockets of this user.
"""

import dataclasses
import os
import pathlib
import socket
import stat
import tempfile
from collections.abc import Iterator

from node_client import local

_PREFIX = "licd-node"
_NAME = "node.sock"
LONGEST = 107
"""Bytes of a Unix socket's path on Linux."""
_LONGEST_NAME = len(f"/{_PREFIX}-12345678/{_NAME}")


class PlaceError(ValueError):
    """The socket cannot be where it was asked for; the message says what to do."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A socket's path and permissions; `directory_mode`: of its directory, which is made if it is missing.

    Attributes:
        path: the socket.
        mode: its permission bits.
        group: the number of its group; -1: this process's.
        directory_mode: the permission bits of a directory that has to be made.
        temporary: whether the directory is this socket's alone and goes with it.
    """

    path: pathlib.Path
    mode: int = 0o600
    group: int = -1
    directory_mode: int = 0o755
    temporary: bool = False

    def refuse_impossible(self) -> None:
        """Look at what is there now.

        Raises:
            PlaceError: the path is too long, another licd-node's, or not a socket.
        """
        length = len(os.fsencode(self.path))
        if length > LONGEST:
            message = f"socket: {self.path} has {length} bytes, {LONGEST} are possible; name a shorter path"
            raise PlaceError(message)
        if not self.path.exists():
            return
        if not stat.S_ISSOCK(self.path.lstat().st_mode):
            message = f"socket: {self.path} is not a socket; remove it, or name another path"
            raise PlaceError(message)
        if is_served(self.path):
            message = f"socket: another program serves {self.path}; stop it, or name another path"
            raise PlaceError(message)

    def bind(self, unbound: socket.socket) -> None:
        """Put a socket there, replacing one that nobody serves any more.

        Raises:
            OSError: the directory cannot be made or written to, or the group not be given.
        """
        if not self.path.parent.exists():
            self.path.parent.mkdir(mode=0o700, parents=True)
            self.path.parent.chmod(self.directory_mode)
        self.path.unlink(missing_ok=True)
        unbound.bind(str(self.path))
        # Nobody gets through before listen(), which comes after these.
        os.chown(self.path, -1, self.group)
        self.path.chmod(self.mode)

    def remove(self) -> None:
        """Take the socket away, and a directory of its own."""
        self.path.unlink(missing_ok=True)
        if self.temporary:
            self.path.parent.rmdir()


def own(mode: int, group: int) -> Place:
    """A new place that no other licd-node has, for a program that inherits its path."""
    directory = _runtime_directory() / f"{_PREFIX}-{os.urandom(4).hex()}"
    return Place(directory / _NAME, mode, group, 0o711 if mode & 0o077 else 0o700, temporary=True)


def well_known() -> pathlib.Path:
    """The path of the one agent of this user."""
    return _runtime_directory() / _PREFIX / _NAME


def running() -> list[str]:
    """The sockets of this user's living licd-nodes in the same runtime directory."""
    found = (*_runtime_directory().glob(f"{_PREFIX}-*/{_NAME}"), well_known())
    return [str(path) for path in found if _is_own(path) and _answers(str(path))]


def is_served(path: pathlib.Path) -> bool:
    """Whether a process accepts connections at `path`."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.settimeout(1.0)
        try:
            asking.connect(str(path))
        except TimeoutError:
            return True
        except OSError as error:
            return isinstance(error, BlockingIOError | PermissionError)
    return True


def _runtime_directory() -> pathlib.Path:
    for directory in _candidates():
        if len(os.fsencode(directory)) + _LONGEST_NAME <= LONGEST and _is_usable(directory):
            return directory
    return pathlib.Path(tempfile.gettempdir())


def _candidates() -> Iterator[pathlib.Path]:
    given = [pathlib.Path(os.environ[name]) for name in ("XDG_RUNTIME_DIR", "TMPDIR") if os.environ.get(name)]
    # After `su`, XDG_RUNTIME_DIR may still be the directory of the user before.
    yield from (path for path in given if path.is_dir() and path.stat().st_uid in (os.geteuid(), 0))
    if os.geteuid() == 0:
        yield pathlib.Path("/run")
    yield pathlib.Path(tempfile.gettempdir())


def _is_usable(directory: pathlib.Path) -> bool:
    return directory.is_absolute() and os.access(directory, os.W_OK | os.X_OK)


def _is_own(path: pathlib.Path) -> bool:
    try:
        directory, found = path.parent.lstat(), path.lstat()
    except OSError:
        return False
    return directory.st_uid == found.st_uid == os.geteuid() and stat.S_ISSOCK(found.st_mode)


def _answers(path: str) -> bool:
    try:
        local.ask(path)
    except (OSError, ValueError):
        return False
    return True
