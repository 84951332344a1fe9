"""CONTRIBUTING.md has a line for every directory of the top level, and for every room of the daemon."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]
_CELL = re.compile(r"^\| ([^|]+) \|", re.MULTILINE)


def _directories(folder: str) -> set[str]:
    """The directories in a folder that have tracked files."""
    names = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    inside = (Path(name).relative_to(folder).parts for name in names.splitlines())
    return {f"{folder}/{parts[0]}".removeprefix("./") for parts in inside if len(parts) > 1}


def _named() -> set[str]:
    """The directories of the table; a second one in a cell is next to the first."""
    found: set[str] = set()
    for cell in _CELL.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")):
        first, *others = re.findall(r"`([^`]+)`", cell) or [""]
        found |= {first, *(f"{Path(first).parent}/{other}" for other in others)}
    return found


def test_every_directory_has_its_line() -> None:
    named = _named()
    tops = _directories(".") | _directories("daemon")
    missing = {name for name in tops if not any(f"{path}/".startswith(f"{name}/") for path in named)}
    missing |= _directories("daemon/licd_daemon") - named
    assert {name for name in missing if not name.startswith(".")} == set()


def test_every_directory_that_has_a_line_exists() -> None:
    assert [name for name in _named() - {""} if not (ROOT / name).is_dir()] == []
