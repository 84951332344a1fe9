# ruff: noqa: INP001 (a script, not a package)
"""Writes what the commands say of themselves into README.md.

A test compares both.

Run: make readme
"""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"
_BLOCK = re.compile(r"(`(licd[a-z -]*--help)`:\n\n```text\n).*?(\n```)", re.DOTALL)


def said_by(command: str) -> str:
    """The help text of `command`, 80 columns wide."""
    name, *arguments = command.split()
    program = Path(sys.executable).parent / name
    done = subprocess.run(
        [program, *arguments], check=True, capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"}
    )
    return done.stdout.rstrip()


def page() -> str:
    """The page as it should be."""
    return _BLOCK.sub(lambda block: block[1] + said_by(block[2]) + block[3], README.read_text(encoding="utf-8"))


if __name__ == "__main__":
    README.write_text(page(), encoding="utf-8")
