"""Bugs planted on purpose, one or more for each sentence of R13-R18, and what must notice them.

A mutant is one replacement in one file of a COPY of the package, which stands first on PYTHONPATH of a subprocess:
the tree itself is never touched. They stand in `bugs.py`; each names the seed from which the simulation hunts it, and
`EXPLORED` are found by the search too. `python -m faults.mutants [NAME...]` plants and hunts them all.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from faults.bugs import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
SEEDS = 15
"""So many schedules, from its first seed on, may a mutant live."""
PATHS = 400
"""So many paths of the model of streams (`faults.streams`)."""
SEARCH_DEPTH = 5


def planted(mutant: Mutant, folder: Path) -> dict[str, str]:
    """Copies the mutant's package with the bug in it; gives the environment of who shall run it.

    Raises:
        ValueError: the code has changed, and the mutant with it must.
    """
    package = mutant.file.removeprefix("daemon/").split("/")[0]
    parent = "daemon" if mutant.file.startswith("daemon/") else ""
    # With what is compiled, but for what the bug changes: Python knows that by its time and size, which may be alike.
    changed = [f"{Path(file).stem}.*.pyc" for file in (mutant.file, *(file for file, _, _ in mutant.also))]
    shutil.copytree(ROOT / parent / package, folder / package, ignore=shutil.ignore_patterns(*changed))
    for file, old, new in ((mutant.file, mutant.old, mutant.new), *mutant.also):
        target = folder / file.removeprefix("daemon/")
        text = target.read_text()
        if text.count(old) != 1:
            message = f"{mutant.name}: its text stands {text.count(old)} times in {file}: adapt the mutant"
            raise ValueError(message)
        target.write_text(text.replace(old, new))
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT / "tests"))), "PYTHONHASHSEED": "0"}


def hunt(mutant: Mutant, timeout: float = 280) -> str:
    """What the simulation found first; empty: the mutant lives."""
    if mutant.profile == "streams":
        return _found(mutant, ("faults.streams", str(mutant.first), str(PATHS)), "VIOLATION", timeout)
    module: tuple[str, ...] = ("faults.simulate", str(mutant.first), str(SEEDS))
    if mutant.profile:
        module = (*module, "--profile", mutant.profile)
    return _found(mutant, module, "VIOLATION", timeout)


def hunt_by_search(mutant: Mutant, timeout: float = 280) -> str:
    """What the search of the model found; empty: the mutant lives."""
    return _found(mutant, ("faults.explore", "--depth", str(SEARCH_DEPTH)), "violated", timeout)


def _found(mutant: Mutant, module: tuple[str, ...], word: str, timeout: float) -> str:
    with tempfile.TemporaryDirectory() as name:
        env = planted(mutant, Path(name))
        command = [sys.executable, "-m", *module]
        # Elsewhere than in the tree, whose packages `-m` would put before the copies.
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, env=env, timeout=timeout, check=False)
    lines = (done.stdout + done.stderr).strip().splitlines()
    found = [line[line.index(word) :] for line in lines if word in line]
    if done.returncode == 1 and found:
        return found[0]
    return "" if done.returncode == 0 else f"broken: {' | '.join(lines[-3:])}"


def hunt_all(hunts: Mapping[str, Callable[[], str]], word: str) -> int:
    """Hunts those that the command line names, or all; 1: one was not caught. A catch begins with `word`."""
    chosen = [name for name in hunts if not sys.argv[1:] or name in sys.argv[1:]]
    missed = 0
    for name in chosen:
        found = hunts[name]()
        missed += not found.startswith(word)
        print(f"{name:36} {found or 'LIVES'}", flush=True)
    print(f"mutants: {len(chosen)}, {missed} not caught")
    return 1 if missed else 0


def main() -> int:
    """See the module."""
    return hunt_all({mutant.name: partial(hunt, mutant) for mutant in MUTANTS}, "VIOLATION")


if __name__ == "__main__":
    sys.exit(main())
