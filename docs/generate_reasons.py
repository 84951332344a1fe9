# ruff: noqa: INP001 (a script, not a package)
"""Writes the table of failure reasons in docs/errors.md, from the rows of `core/reasons.py`.

A test generates it again and compares.

Run: make reasons
"""

import re
from collections.abc import Iterable
from pathlib import Path

from licd_daemon.core.reasons import FailureReason

PAGE = Path(__file__).with_name("errors.md")
HEAD = "| reason | title | detail | remedy | can be fixed by |\n|---|---|---|---|---|\n"
_TABLE = re.compile(r"(?<=\n)\| reason \| title \|.*?\n(?=\n)", re.DOTALL)


def page() -> str:
    """The page with the table as it should be."""
    table = HEAD + "".join(_line(reason) for reason in FailureReason)
    return _TABLE.sub(lambda _: table, PAGE.read_text(encoding="utf-8"))


def _line(reason: FailureReason) -> str:
    title, says, who, _ = reason.row
    details, remedies = zip(*says.values(), strict=True)
    cells = (f"`{reason}`", title, _one_of(details), _one_of(remedies), who)
    return "".join(f"| {cell} " if cell else "| " for cell in cells) + "|\n"


def _one_of(sayings: Iterable[str]) -> str:
    return " **or** ".join(filter(None, dict.fromkeys(sayings)))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
