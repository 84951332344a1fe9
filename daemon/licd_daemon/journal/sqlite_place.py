"""Whether the paths of a journal still name the files that its connection writes to (R31).

SQLite goes on writing to files that were deleted, moved or replaced, and COMMIT succeeds: all of it is gone at the next
start. So the identity (device, inode) of `journal.db`, `-wal` and `-shm` is noted when they are opened, and compared.
A file that somebody has written over keeps its identity; its size and time of change show it, since only this process
changes them: with each checkpoint, which happens within a COMMIT of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_Identity = tuple[int, int]
_Extent = tuple[int, int]


class Overwritten(Exception):
    """Another program has written to the journal's file."""


class Place:
    """The files of one journal. `changing` is for the thread that writes, `trouble` for any other."""

    def __init__(self, path: Path) -> None:
        """Notes the files, which are open.

        Raises:
            OSError: one of them is gone already.
        """
        self._path = path
        self._paths = (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")))
        self._identities = [_identity(each) for each in self._paths]
        self._extent = _extent(path)
        self._changes = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around every write: the file's extent may change in it, by this process."""
        self._changes += 1
        try:
            yield
        finally:
            self.note()
            self._changes += 1

    def note(self) -> None:
        """The file's content is this process's own, as it is now."""
        try:
            self._extent = _extent(self._path)
        except OSError:
            return  # `trouble` reports it

    def trouble(self) -> str:
        """What is wrong with the files, with the remedy; "": nothing.

        Raises:
            Overwritten: the file is in its place, and another program has written to it.
        """
        for path, identity in zip(self._paths, self._identities, strict=True):
            try:
                found = _identity(path)
            except OSError as error:
                return f"{path} can't be found ({error.strerror}): put it back, or stop the daemon and restore a backup"
            if found != identity:
                return (
                    f"{path} is another file than this daemon writes to: restart the daemon, which then uses that one"
                )
        changes = self._changes
        extent = _extent(self._path)
        # Odd: a write is under way. Moved on: one was, so the extent may be older than what was noted.
        if changes % 2 == 0 and changes == self._changes and extent != self._extent:
            raise Overwritten
        return ""


def _identity(path: Path) -> _Identity:
    status = path.stat()
    return status.st_dev, status.st_ino


def _extent(path: Path) -> _Extent:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
