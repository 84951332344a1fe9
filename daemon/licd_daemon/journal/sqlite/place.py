"""R31: whether the paths of a journal still name the files that its connection writes to.

SQLite goes on writing to files that were deleted, moved or replaced, and COMMIT succeeds: all of it is gone at the next
start. So the identity (device, inode) of `journal.db`, `-wal` and `-shm` is noted when they are opened, and compared.
A file that somebody has written over keeps its identity; its size and time of change show it, since only this process
changes them: `-wal` with each COMMIT, `journal.db` with each checkpoint, which happens within a COMMIT of its own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_Identity = tuple[int, int]
_Extent = tuple[int, int]
_Extents = tuple[_Extent | None, _Extent | None]


class Overwritten(Exception):
    """Another program has written to `journal.db`; it may be the same journal all the same."""


class Place:
    """The files of one journal. `changing` is for the thread that writes, `trouble` for any other."""

    def __init__(self, path: Path) -> None:
        """Note the files, which are open.

        Raises:
            OSError: one of them is gone already.
        """
        self._paths = (path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm")))
        self._identities = [_identity(each) for each in self._paths]
        self._extents = self._found()
        self._accepted: _Extent | None = None
        self._overwritten = self._log_overwritten = False
        self._changes = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Around every write: the files' extents may change in it, by this process."""
        self._changes += 1
        # Before the write: its own change would hide another program's.
        self._compare(self._found(), self._extents)
        try:
            yield
        finally:
            self._extents = self._found()
            self._changes += 1

    def accept(self) -> None:
        """`journal.db`, as `trouble` found it, was read since and is the same journal, regardless of who changed it."""
        self._overwritten = False

    def trouble(self) -> str:
        """What is wrong with the files, with the remedy; "": nothing.

        Raises:
            Overwritten: the file is in its place, and another program has written to it.
        """
        for path, identity in zip(self._paths, self._identities, strict=True):
            try:
                found = _identity(path)
            except OSError as error:
                return f"{path} can't be found ({error.strerror}): put it back, or {self._remedy(path)}"
            if found != identity:
                return (
                    f"{path} is another file than this daemon writes to: restart the daemon, which then uses that one"
                )
        changes, noted = self._changes, self._extents
        extents = self._found()
        # Odd: a write is under way. Moved on: one was, so what was found may be older than what was noted.
        if changes % 2 == 0 and changes == self._changes:
            self._compare(extents, noted)
        if self._log_overwritten:
            return f"{self._paths[1]} was overwritten by another program: stop the daemon and restore a backup"
        if self._overwritten:
            self._accepted = extents[0]
            raise Overwritten
        return ""

    def _remedy(self, missing: Path) -> str:
        if missing == self._paths[0]:
            return "stop the daemon and restore a backup"
        # SQLite's close writes the log, which is still open, into journal.db; a backup would be older.
        return "restart the daemon by SIGTERM (never kill -9): its stop writes everything into journal.db"

    def _compare(self, found: _Extents, noted: _Extents) -> None:
        # A flag stays: the next write notes the extents again. None: the file is not in its place, or was not then.
        (database, log), (noted_database, noted_log) = found, noted
        if database and noted_database and database not in (noted_database, self._accepted):
            self._overwritten = True
        if log and noted_log and log != noted_log:
            self._log_overwritten = True

    def _found(self) -> _Extents:
        return _extent(self._paths[0], self._identities[0]), _extent(self._paths[1], self._identities[1])


def _identity(path: Path) -> _Identity:
    status = path.stat()
    return status.st_dev, status.st_ino


def _extent(path: Path, identity: _Identity) -> _Extent | None:
    try:
        status = path.stat()
    except OSError:
        return None  # `trouble` reports it by its name
    return (status.st_size, status.st_mtime_ns) if (status.st_dev, status.st_ino) == identity else None
