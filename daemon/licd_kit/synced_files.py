"""Files of the data directory, put in place whole or not at all."""

import os
import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes, mode: int) -> None:
    """Writes a file by way of a draft next to it, synced, that then takes its name.

    Args:
        path: The file; one that is there is replaced.
        content: All that it holds afterwards.
        mode: Its permissions, from its first byte on and whatever the umask.

    Raises:
        OSError: It can't be written; then nothing has changed.
    """
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    # 0600 first: a mode that the umask narrows, never one that it would have to.
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
