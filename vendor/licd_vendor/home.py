"""Where the vendor's keys and database stand, and how files are written there.

Rules:

- As root `/var/lib/licd-vendor`, else `$XDG_STATE_HOME/licd-vendor` (by default `~/.local/state`); `--home` and
  `LICD_VENDOR_HOME` say otherwise.
- The directory is 0700. A secret is 0600 from the moment it exists; an existing one is never written over.
- A file appears whole or not at all, and is on the disk when its write has returned (`licd_kit.synced_files`).
"""

import os
from collections.abc import Iterator
from pathlib import Path

from licd_kit.private_files import NotPrivate, close_folder, close_path
from licd_kit.synced_files import create_whole, write_whole
from licd_vendor.errors import RefusedError

PRIVATE, PUBLIC = 0o600, 0o644
_OWN = ("signing.key", "portal.key", "vendor-keys.json", "vendor.json", "licd-vendor.db")


def default_home() -> Path:
    """Give the home directory that holds when none is named."""
    if os.geteuid() == 0:
        return Path("/var/lib/licd-vendor")
    try:
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    except RuntimeError:
        raise RefusedError("home: this user has no home directory; name a directory with --home") from None
    return Path(state) / "licd-vendor"


def make_home(home: Path) -> None:
    """Create the home directory, 0700, unless it is there.

    Raises:
        RefusedError: When it cannot be created.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as fault:
        raise RefusedError(f"home {home}: {fault.strerror}; name another with --home") from None


def keep_private(home: Path) -> Iterator[str]:
    """Close an existing home directory, its keys and its database to other users, and say what was open.

    Raises:
        RefusedError: When others may change what is in it.
    """
    if not home.is_dir():
        return
    try:
        if found := close_folder(home, _OWN):
            yield f"home {home}: {found}"
    except (NotPrivate, OSError) as fault:
        raise RefusedError(f"home: {fault}; or name another with --home") from None
    for path in (*home.glob("*.key"), *home.glob("licd-vendor.db*")):
        if close_path(path):
            yield f"{path}: other users could read it; it is closed now: replace it if they have"


def create_secret(path: Path, content: bytes) -> None:
    """Write a new file that only its owner may read.

    Raises:
        RefusedError: When the file is there already, or cannot be written.
    """
    try:
        create_whole(path, content, PRIVATE)
    except FileExistsError:
        raise RefusedError(f"{path}: is there already, and keys are never written over; move it away first") from None
    except OSError as fault:
        raise RefusedError(f"{path}: {fault.strerror}") from None


def replace_secret(path: Path, content: bytes) -> None:
    """Put a new secret in the place of another, whole or not at all.

    Raises:
        RefusedError: When it cannot be written.
    """
    write_public(path, content, PRIVATE)


def write_public(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write a file, whole or not at all.

    Raises:
        RefusedError: When it cannot be written.
    """
    try:
        write_whole(path, content, mode)
    except OSError as fault:
        raise RefusedError(f"{path}: {fault.strerror}") from None


def read(path: Path, remedy: str) -> bytes:
    """Read a file of the home directory.

    Raises:
        RefusedError: When it cannot be read, with `remedy`.
    """
    try:
        return path.read_bytes()
    except OSError as fault:
        raise RefusedError(f"{path}: {fault.strerror}; {remedy}") from None
