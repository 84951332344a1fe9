"""docs/adr: numbered in a row, each record with its date and status, all of them in the index."""

import re
import subprocess
from datetime import date
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "docs" / "adr"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
_TITLE = re.compile(r"# (\d{4}): (.+)\n\n(\d{4}-\d{2}-\d{2}) · (accepted|replaced by \[\d{4}\]\(\S+\))\n\n## Context\n")
_ROW = re.compile(r"^\| \[(\d{4})\]\((\S+)\) \| (.+) \|$", re.MULTILINE)
_CITED = re.compile(r"(?:ADR |docs/adr/)(\d{4})\b")


def test_the_records_are_numbered_in_a_row() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.stem)
def test_a_record_has_its_number_date_and_status(record: Path) -> None:
    found = _TITLE.match(record.read_text())
    assert found, "a record begins with `# NNNN: title`, a line `YYYY-MM-DD · accepted`, and `## Context`"
    assert found[1] == record.name[:4]
    date.fromisoformat(found[3])


def test_the_index_lists_every_record_with_its_title() -> None:
    titles = {record.name: record.read_text().splitlines()[0].removeprefix("# ") for record in RECORDS}
    rows = {name: f"{number}: {title}" for number, name, title in _ROW.findall((FOLDER / "README.md").read_text())}
    assert rows == titles


def test_every_record_that_is_cited_exists() -> None:
    names = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.toml"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    known = {record.name[:4] for record in RECORDS}
    cited = {name: set(_CITED.findall((ROOT / name).read_text())) - known for name in names.splitlines()}
    assert {name: numbers for name, numbers in cited.items() if numbers} == {}
