"""R35: the token of a node's own, which it makes with a join token and shows from then on.

- The node chooses it, and keeps it before it sends its hash: an answer that is lost loses nothing, for sent again it is
  the same token.
- The daemon knows which is refused: the join token, once it is used up, or this one, before it is enrolled or after it
  was revoked. So the other is shown next; when both were refused, that is the daemon's answer.
- It is made once: one that was revoked comes back by a new file, or a new start without one.
"""

import hashlib
import os
import pathlib
import secrets


class OwnToken:
    """The token, and whether it is shown. `secret`: empty before it is made."""

    def __init__(self, path: pathlib.Path | None, secret: str) -> None:
        """`path`: the file that it is kept in; None: in memory only."""
        self.secret = secret
        self.shown = bool(secret)
        self._path = path
        self._refused_before = False

    def hash(self) -> bytes:
        """What the daemon is sent of it; makes it if need be.

        Raises:
            OSError: its file cannot be written.
        """
        if not self.secret:
            made = f"licd_{secrets.token_urlsafe(32)}"
            if self._path is not None:
                _write(self._path, made)
            self.secret = made
        return hashlib.sha256(self.secret.encode()).digest()

    def enrolled(self) -> None:
        """The daemon knows it: it is shown from now on."""
        self.shown, self._refused_before = True, False

    def accepted(self) -> None:
        """The daemon has taken what is shown."""
        self._refused_before = False

    def refused(self) -> bool:
        """The daemon does not know what is shown: the other is shown next; whether that is worth doing at once."""
        self.shown = not self.shown
        first, self._refused_before = not self._refused_before, True
        return first


def _write(path: pathlib.Path, secret: str) -> None:
    """Whole or not at all, and readable for its owner only."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{secret}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
