"""The harness catches planted bugs: for each sentence of R13-R18 one or more, and some of R9, R14, R15 and R33."""

from pathlib import Path

import pytest
from faults.bugs import EXPLORED, MUTANTS, Mutant
from faults.mutants import hunt, hunt_by_search, planted


def named(mutant: Mutant) -> str:
    return mutant.name


@pytest.mark.parametrize("mutant", MUTANTS, ids=named)
def test_the_simulation_catches(mutant: Mutant) -> None:
    found = hunt(mutant)
    assert found.startswith("VIOLATION"), f"{mutant.rule}: {found or 'not caught'}"


@pytest.mark.parametrize("name", EXPLORED)
def test_the_search_catches(name: str) -> None:
    found = hunt_by_search(next(mutant for mutant in MUTANTS if mutant.name == name))
    assert found.startswith("violated"), found or "not caught"


def test_a_mutant_whose_text_is_gone_is_told(tmp_path: Path) -> None:
    gone = Mutant("gone", "R0", "node_client/pace.py", "no such text", "", 0)
    with pytest.raises(ValueError, match="adapt the mutant"):
        planted(gone, tmp_path)
