"""docs/calls.md is what the protos say: generated anew, it is the same."""

import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parents[3] / "docs"
PRINT_PAGE = "import sys; sys.path.insert(0, sys.argv[1]); import generate_calls; print(generate_calls.page(), end='')"


def test_the_page_of_calls_is_what_the_protos_say() -> None:
    command = [sys.executable, "-c", PRINT_PAGE, str(DOCS)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=200)
    assert run.stdout == (DOCS / "calls.md").read_text(encoding="utf-8"), "run `make proto`"
