"""Where a secret that a person knows comes from: never the command line, which every process of a machine can read.

Rules:

- In this order: the environment variable, the file, a prompt on a terminal that does not echo.
- A file's last line end does not count. An empty secret is none.
"""

import os
import sys
from pathlib import Path

import click

from licd_vendor.errors import RefusedError

_MAX_BYTES = 1024


def read_secret(what: str, variable: str, file: Path | None, *, confirm: bool = False) -> str | None:
    """Give a secret; None: there is none and nobody to ask.

    Args:
        what: What it is, for prompt and refusals.
        variable: The environment variable that may hold it.
        file: The file that may hold it.
        confirm: It is a new one: ask twice.

    Raises:
        RefusedError: When the file can't be read, or holds none.
    """
    if os.environ.get(variable):
        return os.environ[variable]
    if file is not None:
        return _from_file(what, file)
    if not sys.stdin.isatty():
        return None
    answer: str = click.prompt(what, hide_input=True, confirmation_prompt=confirm, err=True)
    return answer


def _from_file(what: str, file: Path) -> str:
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1).decode()
    except (OSError, UnicodeDecodeError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else "not UTF-8"
        raise RefusedError(f"{what}: {file}: {reason}") from None
    secret = content.removesuffix("\n").removesuffix("\r")
    if not secret or len(content) > _MAX_BYTES:
        raise RefusedError(f"{what}: {file}: must hold 1 to {_MAX_BYTES} bytes")
    return secret
