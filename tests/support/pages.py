"""Pages of docs/ that scripts beside them generate."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def generated(script: str, timeout: float = 200) -> str:
    """What a script of docs/, named without its ending, makes of its page now."""
    program = f"import sys; sys.path.insert(0, sys.argv[1]); import {script} as made; print(made.page(), end='')"
    command = [sys.executable, "-c", program, str(DOCS)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout).stdout
