"""docs/states.md is what the core does: generated anew, it is the same."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
PRINT_PAGE = (
    "import sys; sys.path.insert(0, sys.argv[1]); import generate_states; print(generate_states.page(), end='')"
)


def test_the_state_diagrams_are_what_the_core_does() -> None:
    command = [sys.executable, "-c", PRINT_PAGE, str(DOCS)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=280)
    assert run.stdout == (DOCS / "states.md").read_text(encoding="utf-8"), "run: python docs/generate_states.py"
