"""Seeded schedules of faults in the simulated cluster (R9, R13-R18, R33), and that a seed replays word by word."""

import pytest
from faults.simulated.schedule import schedule
from faults.simulated.world import simulate
from support import seeded

SCHEDULES = 160
BLOCKS = 8


@pytest.mark.parametrize("block", range(BLOCKS))
def test_R13_R17_no_schedule_breaks_a_promise(block: int) -> None:
    each = SCHEDULES // BLOCKS
    done = seeded.run("faults.simulate", block * each, each)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"simulation: {each} schedules, 0 violations"


def test_the_same_seed_is_the_same_schedule_and_another_is_not() -> None:
    assert schedule(7) == schedule(7)
    assert schedule(7).steps == schedule(7).steps
    assert schedule(7).steps != schedule(8).steps


def test_its_nodes_get_seats() -> None:
    """Where nobody ever holds one, no promise can be broken."""
    assert any("LICENSED" in line for line in simulate(2).log)
