"""`make soak` in small: a seed replays, and its last line says how it went."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def test_a_soak_says_its_seed_and_ends_with_one_line() -> None:
    path = os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, "-m", "faults.soak", "--minutes", "0.2", "--seed", "1"]
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=280, check=False)
    lines = done.stdout.splitlines()
    assert lines[0] == "soak: seed 1, 0.2 minutes"
    assert lines[-1].startswith("soak: "), done.stdout + done.stderr
    assert lines[-1].endswith(" schedules, 0 violations"), done.stdout + done.stderr
    assert done.returncode == 0
