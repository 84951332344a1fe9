"""Files that are put in place whole or not at all, and that a power cut does not take back."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file by way of a draft next to it, synced, that then takes its name.

    Args:
        path: The file; one that is there is replaced.
        content: All that it holds afterwards.
        mode: Its permissions, from its first byte on and whatever the umask.

    Raises:
        OSError: It can't be written; then nothing has changed.
    """
    with _draft(path, content, mode) as draft:
        draft.replace(path)
    sync_folder(path.parent)


def create_whole(path: Path, content: bytes, mode: int) -> None:
    """Write a file that is not there yet; otherwise as `write_whole`.

    Raises:
        FileExistsError: It is there; it stays as it is.
        OSError: It can't be written; then nothing has changed.
    """
    with _draft(path, content, mode) as draft:
        os.link(draft, path)  # unlike a rename, it fails where there is such a name
        draft.unlink()
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make durable which files a folder holds, and under which names.

    Raises:
        OSError: It can't be synced.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _draft(path: Path, content: bytes, mode: int) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # 0600 first: a mode that the umask narrows, never one that it would have to.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        yield draft
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
