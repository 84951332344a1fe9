"""Seeded schedules of faults in the simulated cluster (R9, R13-R18, R33), and that a seed replays word by word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from faults.simulated.schedule import schedule

TESTS = Path(__file__).parents[1]
SCHEDULES = 160
BLOCKS = 8


def simulated(first: int, count: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "faults.simulate", str(first), str(count)]
    path = os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=280, check=False)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_R13_R17_no_schedule_breaks_a_promise(block: int) -> None:
    each = SCHEDULES // BLOCKS
    done = simulated(block * each, each)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"simulation: {each} schedules, 0 violations"


def test_the_same_seed_is_the_same_schedule_and_another_is_not() -> None:
    assert schedule(7) == schedule(7)
    assert schedule(7).steps == schedule(7).steps
    assert schedule(7).steps != schedule(8).steps
