"""Every distribution names its license and brings the text along."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROJECTS = [path for folder in (".", "daemon", "vendor") if (path := ROOT / folder / "pyproject.toml").exists()]


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: str(path.parent.relative_to(ROOT)))
def test_a_distribution_names_its_license_and_brings_it_along(project: Path) -> None:
    names = tomllib.loads(project.read_text())["project"]
    assert names["license"] == "Apache-2.0"
    assert names["license-files"] == ["LICENSE", "NOTICE"]
    for name in names["license-files"]:
        assert (project.parent / name).read_bytes() == (ROOT / name).read_bytes()
