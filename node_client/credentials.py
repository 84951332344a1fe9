"""What each connection shows and trusts: the files as they are when it is made (R34, R35).

- A file that cannot be used, such as one that is being replaced, leaves what was read of it last; the log says so, and
  so does the next failure.
- Only plain files are read again: a pipe can be read once, and a named one would stop its reader.
- Another token in the token's file is shown at once, by a connection made for it: the daemon ends what the one before
  opened when that is revoked. If the daemon does not know the new one, the one that it accepted last is shown again,
  until the file changes.
- A token of the node's own is shown rather than the join token that it was made with (`own_token`).
"""

import dataclasses
import logging
import pathlib
from collections.abc import Callable
from typing import TypeVar

from node_client import files
from node_client.files import Shown
from node_client.own_token import OwnToken
from node_client.settings import Settings
from node_client.values import Failure

_LOG = logging.getLogger("node_client")
_TITLE = "A file of this node's credentials cannot be used"
_REMEDY = "Put it back; nothing needs a restart."
T = TypeVar("T")
_Stamp = tuple[int, ...] | None


class Credentials:
    """The credentials of one node. `shown`: by the newest connection."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is read before take(): the settings hold what their check has read."""
        self._settings = settings
        self.own = OwnToken(settings.credential_file, settings.own)
        self._last = self.shown = settings.first
        self._stamp: _Stamp = None
        self._accepted = self._unknown = ""
        self._problem = ""

    def take(self) -> Shown:
        """What the next connection shows."""
        self._stamp = _stamp(self._settings.token_file)
        self.shown = self._chosen()
        return self.shown

    def accepted(self) -> None:
        """The daemon has taken what is shown."""
        self._accepted = self.shown.token
        self.own.accepted()

    def refused(self) -> bool:
        """The daemon does not know what is shown; whether there is another token to be shown at once."""
        if self.own.secret:
            return self.own.refused()
        self._unknown = self.shown.token
        if self._accepted == self._unknown:
            self._accepted = ""
        return self._chosen().token != self.shown.token

    def renewed(self) -> bool:
        """Whether there is another token to be shown. Cheap unless the file has changed: asked with each heartbeat."""
        stamp = _stamp(self._settings.token_file)
        if stamp == self._stamp:
            return False
        self._stamp, self._unknown = stamp, ""
        return self._chosen().token != self.shown.token

    def explained(self, failure: Failure) -> Failure:
        """A failure to reach the daemon, and the file that may be its cause."""
        if not self._problem:
            return failure
        detail = f"{self._problem}; {failure.detail}"
        if failure.reason != "UNREACHABLE":
            return dataclasses.replace(failure, detail=detail)
        reason = "CA_UNREADABLE" if self._problem.startswith("ca:") else "CREDENTIALS_UNREADABLE"
        return Failure(reason, _TITLE, detail, _REMEDY)

    def _chosen(self) -> Shown:
        read = self._read()
        if self.own.shown:
            return dataclasses.replace(read, token=self.own.secret)
        unknown = read.token == self._unknown
        return dataclasses.replace(read, token=self._accepted) if unknown and self._accepted else read

    def _read(self) -> Shown:
        given, last = self._settings, self._last
        problems: list[str] = []

        def now(read: Callable[..., T], before: T, *paths: pathlib.Path | None) -> T:
            named = [path for path in paths if path is not None]
            if not named or any(path.exists() and not path.is_file() for path in named):
                return before
            try:
                return read(*named)
            except ValueError as error:
                problems.append(str(error))
                return before

        self._last = Shown(
            now(files.read_token, last.token, given.token_file),
            now(files.read_roots, last.roots, given.ca),
            now(files.read_pair, last.pair, given.cert, given.key),
        )
        self._report("; ".join(problems))
        return self._last

    def _report(self, problem: str) -> None:
        if problem and problem != self._problem:
            _LOG.warning("%s; what was read of it last is used", problem)
        elif self._problem and not problem:
            _LOG.info("the files of this node's credentials can be used again")
        self._problem = problem


def _stamp(path: pathlib.Path | None) -> _Stamp:
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    # The time of the last change of its mode, too: a file that could not be read keeps its content when it can be.
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size) if status else None
