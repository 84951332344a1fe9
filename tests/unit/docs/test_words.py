"""docs/check_words.py finds what docs/words.txt and docs/glossary.md reject; the glossary has every state."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from licd.v1.node_service_pb2 import NodeState

DOCS = Path(__file__).parents[3] / "docs"


def _check(path: Path, text: str) -> subprocess.CompletedProcess[str]:
    path.write_text(text)
    return subprocess.run([sys.executable, DOCS / "check_words.py", path], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("page.md", "# Title\n\nIt joins anew.\n", ":3: 'anew': write again"),
        ("page.md", "A slot is free.\n", ":1: 'slot': write seat"),
        ("module.py", '"""Joins.\n\nWhoever leaves is gone.\n"""\n', ":3: 'Whoever': write anyone who"),
        ("module.py", "x = 1  # for ever\n", ":1: 'for ever': write permanently"),
        ("module.py", "text = f'{x} is no date'\n", ":1: 'is no date': write is not a valid ..."),
    ],
)
def test_rejected_words_are_found(tmp_path: Path, name: str, text: str, finding: str) -> None:
    run = _check(tmp_path / name, text)
    assert run.returncode == 1
    assert run.stdout == f"{tmp_path / name}{finding}\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("page.md", "Say `anew` and\n\n```\nslot\n```\n\nNothing stands in the way.\n"),
        ("module.py", "anew = whoever\n"),
    ],
)
def test_code_and_idioms_are_left_alone(tmp_path: Path, name: str, text: str) -> None:
    run = _check(tmp_path / name, text)
    assert (run.returncode, run.stdout) == (0, "words: kept\n")


def test_the_glossary_has_every_state_of_a_node() -> None:
    glossary = (DOCS / "glossary.md").read_text()
    states = [
        name.removeprefix("NODE_STATE_")
        for name in NodeState.DESCRIPTOR.values_by_name
        if not name.endswith("UNSPECIFIED")
    ]
    assert [state for state in states if f"\n| {state} |" not in glossary] == []


def test_every_term_of_the_glossary_has_its_rule() -> None:
    rows = [line.split(" | ") for line in (DOCS / "glossary.md").read_text().splitlines() if line.startswith("| ")]
    terms = {cells[0]: cells[2] for cells in rows if cells[0] != "| term"}
    assert [term for term, rule in terms.items() if not re.fullmatch(r"R\d+(, R\d+)*", rule)] == []
