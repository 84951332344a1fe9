"""docs/rules.md: every number that is cited anywhere is a rule; every rule that is built has a home and tests."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RULES = ROOT / "docs" / "rules.md"
SUFFIXES = {".py", ".md", ".proto", ".html", ".js", ".toml", ".yaml", ".yml", ".json"}
_RULE = re.compile(r"^### R(\d+) \S.*?(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_CITED = re.compile(r"\bR([1-9]\d?)\b(?!\.)")
TEXTS = {int(found[1]): found[0] for found in _RULE.finditer(RULES.read_text())}
BUILT = [number for number, text in TEXTS.items() if "\n*Not built yet.*" not in text]


def _tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in names.splitlines()]
    return [path for path in paths if path.suffix in SUFFIXES and "_pb2" not in path.name]


def test_the_rules_are_numbered_in_order_without_a_gap() -> None:
    assert list(TEXTS) == list(range(1, 43))


def test_every_rule_that_is_cited_exists() -> None:
    cited = {path: {int(number) for number in _CITED.findall(path.read_text())} - TEXTS.keys() for path in _tracked()}
    assert {str(path.relative_to(ROOT)): numbers for path, numbers in cited.items() if numbers} == {}


@pytest.mark.parametrize("number", BUILT)
def test_a_rule_that_is_built_has_a_home_and_a_test_that_names_it(number: int) -> None:
    assert "\n- Decided in: [" in TEXTS[number], f"no docstring begins with `R{number}:`; then run `make rules`"
    assert "\n- Shown by: [" in TEXTS[number], f"no test has R{number} in its name; then run `make rules`"


def test_a_rule_that_is_not_built_has_no_home() -> None:
    assert [n for n, text in TEXTS.items() if n not in BUILT and "\n- Decided in: [" in text] == []


def test_the_page_names_the_homes_and_tests_of_today() -> None:
    script = "import generate_rules as g; raise SystemExit(g.page(g.PAGE.read_text()) != g.PAGE.read_text())"
    stale = subprocess.run([sys.executable, "-c", script], cwd=ROOT / "docs", check=False).returncode
    assert not stale, "docs/rules.md is not of today's docstrings and test names: run `make rules`"
