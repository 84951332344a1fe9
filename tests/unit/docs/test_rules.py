"""docs/rules.md: every rule has its heading, and every number that is cited anywhere is one of them."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
RULES = ROOT / "docs" / "rules.md"
SUFFIXES = {".py", ".md", ".proto", ".html", ".js", ".toml", ".yaml", ".yml", ".json"}
_HEADING = re.compile(r"^### R(\d+) \S", re.MULTILINE)
_CITED = re.compile(r"\bR([1-9]\d?)\b(?!\.)")


def _tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = [ROOT / name for name in names.splitlines()]
    return [path for path in paths if path.suffix in SUFFIXES and "_pb2" not in path.name]


def test_the_rules_are_numbered_in_order_without_a_gap() -> None:
    assert [int(number) for number in _HEADING.findall(RULES.read_text())] == list(range(1, 43))


def test_every_rule_that_is_cited_exists() -> None:
    known = set(_HEADING.findall(RULES.read_text()))
    cited = {path: set(_CITED.findall(path.read_text())) - known for path in _tracked()}
    assert {str(path.relative_to(ROOT)): numbers for path, numbers in cited.items() if numbers} == {}
