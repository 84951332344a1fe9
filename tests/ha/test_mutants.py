"""The tests of this folder catch planted bugs; those that take daemons to catch: `python -m ha.mutants`."""

import pytest
from ha.mutants import HUNTED, Hunted, hunt

CHEAP = [each for each in HUNTED if each.cheap]


def named(hunted: Hunted) -> str:
    return hunted.mutant.name


@pytest.mark.parametrize("hunted", CHEAP, ids=named)
def test_it_is_caught(hunted: Hunted) -> None:
    found = hunt(hunted, 200)
    assert found.startswith("FAILED"), f"{hunted.mutant.rule}: {found or 'not caught'}"
