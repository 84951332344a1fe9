# ruff: noqa: INP001 (a script, not a package)
"""Writes into docs/rules.md where each rule is decided and which tests show it.

A rule is decided in each module, class or function whose docstring begins with its number (`R13:`, or `R13, R14:`), and
shown by each test whose name has the number (`test_R13_...`). Nothing else in the page is changed.

Run: make rules
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rules.md"
SOURCES = ("daemon", "node_client", "vendor")
GENERATED = ("- Decided in: ", "- Shown by: ")

_RULE = re.compile(r"^### R(\d+) .*?(?=^##|\Z)", re.MULTILINE | re.DOTALL)
_HOME = re.compile(r"((?:R\d+, )*R\d+): ")
_TESTED = re.compile(r"(?:^|_)[Rr](\d+)(?=_|$)")
_Definition = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

Homes = dict[int, list[str]]
"""The links to where each rule is decided."""
Tests = dict[int, set[Path]]
"""The files whose tests name each rule."""


def _definitions(path: Path) -> Iterator[_Definition]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return (node for node in ast.walk(tree) if isinstance(node, _Definition))


def _link(path: Path) -> str:
    """A link from the page; the text is the path without the import root's own folders."""
    inside = path.relative_to(ROOT).as_posix()
    text = re.sub(r"^(daemon/licd_daemon|daemon|vendor|tests)/", "", inside)
    return f"[{text}](../{inside})"


def homes() -> Homes:
    """Every rule that a docstring begins with, by its number."""
    found: Homes = {}
    for path in sorted(path for source in SOURCES for path in (ROOT / source).rglob("*.py")):
        by_rule: dict[int, list[str]] = {}
        for node in _definitions(path):
            if begins := _HOME.match(ast.get_docstring(node) or ""):
                for number in re.findall(r"\d+", begins[1]):
                    by_rule.setdefault(int(number), []).append(getattr(node, "name", ""))
        for number, names in by_rule.items():
            listed = ", ".join(f"`{name}`" for name in names if name)
            found.setdefault(number, []).append(f"{_link(path)} {listed}".rstrip())
    return found


def tests() -> Tests:
    """Every rule that a test's name has, by its number."""
    found: Tests = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in _definitions(path):
            name = getattr(node, "name", "")
            if name.startswith("test_"):
                for number in _TESTED.findall(name):
                    found.setdefault(int(number), set()).add(path)
    return found


def _with_lines(rule: str, where: list[str], shown: set[Path]) -> str:
    text = "\n".join(line for line in rule.splitlines() if not line.startswith(GENERATED)).rstrip()
    lines = []
    if where:
        lines.append(GENERATED[0] + " · ".join(where))
    if shown:
        lines.append(GENERATED[1] + " · ".join(_link(path) for path in sorted(shown)))
    return "\n\n".join([text, *(["\n".join(lines)] if lines else [])]) + "\n\n"


def page(text: str) -> str:
    """The text of docs/rules.md, with the generated lines at the end of each rule."""
    decided, shown = homes(), tests()

    def with_lines(found: re.Match[str]) -> str:
        number = int(found[1])
        return _with_lines(found[0], decided.get(number, []), shown.get(number, set()))

    return _RULE.sub(with_lines, text).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
