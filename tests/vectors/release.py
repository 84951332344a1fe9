"""Add a release to tests/vectors/releases: `make release VERSION=1.2.3`, at the release's own commit.

Builds the wheels unless they are there, and lets the code in them write its vectors to the folder of that version. What
is released is never written again: later versions are tested against it.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from support.releases import WHEELS, environment

ROOT = Path(__file__).parents[2]
PROJECTS = [project for project in (ROOT, ROOT / "daemon") if (project / "pyproject.toml").exists()]


def main(version: str) -> None:
    """Builds, writes, and prints the rows of the README's table."""
    folder = WHEELS / version
    if folder.exists():
        raise SystemExit(f"{folder} is there: the vectors of a release are not written again")
    wheel = WHEELS / f"licd-{version}-py3-none-any.whl"
    if not wheel.exists():
        for project in PROJECTS:
            subprocess.run(
                [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", WHEELS], cwd=project, check=True
            )
    if not wheel.exists():
        raise SystemExit(f"{wheel.name} was not made: is {version} the version in pyproject.toml?")
    with tempfile.TemporaryDirectory() as unpacked:
        env = environment(version, Path(unpacked))
        env["PYTHONPATH"] += os.pathsep + str(ROOT / "tests")
        subprocess.run([sys.executable, Path(__file__).with_name("write_release.py"), folder], env=env, check=True)
    for made in sorted(WHEELS.glob(f"*-{version}-*.whl")):
        print(f"| {made.name} | commit ... | {hashlib.sha256(made.read_bytes()).hexdigest()} |")


if __name__ == "__main__":
    main(sys.argv[1])
