"""`make bench`: rounds of every trial on every server in turn, one table, `bench/results.json`, pictures for docs/.

Servers take turns within each trial, and begin with another one each round, so that what else the machine does meets
all of them alike. One process is the generator; its own use of a processor is shown, and near 100 % it would be the
bottleneck.
"""

import argparse
import gc
import json
import logging
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import structlog

from bench import plots, report
from bench.figures import FIGURES, results
from bench.trials import QUICK, TRIALS, Figures, Scale, measure
from licd_kit.filesystem import ephemeral_filesystem

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
DOCS = HERE.parent / "docs"


def main() -> int:
    """Runs; 0: every trial was measured (whatever it gave)."""
    parser = argparse.ArgumentParser(description="Measures licd beside bare grpcio and etcd.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="few members, short: to see that it runs, not to compare")
    parser.add_argument("--only", metavar="NAME", action="append", help="a figure or a trial (repeatable)")
    options = parser.parse_args()
    trials = [name for name in TRIALS if options.only is None or _wanted(name, options.only)]
    if not trials:
        parser.error(f"--only: no such figure or trial; figures: {', '.join(figure.name for figure in FIGURES)}")
    if shutil.which("etcd") is None:
        parser.error("etcd is not installed: `make bench` installs Debian's etcd-server")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    rounds = [_round(number, trials, QUICK if options.quick else Scale()) for number in range(options.rounds)]
    lines = results(rounds)
    print(report.show(lines, _machine()))
    if options.only is None and not options.quick:
        RESULTS.write_text(json.dumps(lines, indent=1) + "\n")
        report.write(lines, _machine(), DOCS / "performance.md")
        plots.draw(lines, DOCS)
    return 0


def _wanted(trial: str, only: list[str]) -> bool:
    return trial in only or any(figure.trial == trial and figure.name in only for figure in FIGURES)


def _round(number: int, trials: list[str], scale: Scale) -> dict[str, Figures]:
    found: dict[str, Figures] = {}
    for name in trials:
        kinds = TRIALS[name].kinds
        for kind in kinds[number % len(kinds) :] + kinds[: number % len(kinds)]:
            figures, generator = _measured(name, kind, scale)
            found.setdefault(kind, {}).update(figures)
            shown = "  ".join(f"{key}={value:.4g}" for key, value in figures.items())
            print(f"[{number + 1}] {name} {kind}: {shown}  (generator {generator:.0%} of a core)", flush=True)
    return found


def _measured(name: str, kind: str, scale: Scale) -> tuple[Figures, float]:
    with tempfile.TemporaryDirectory(prefix="licd-bench-") as folder:
        if filesystem := ephemeral_filesystem(Path(folder)):
            raise SystemExit(f"bench: {folder} is on {filesystem}, where nothing is durable: set TMPDIR to a disk")
        gc.collect()
        gc.disable()
        try:
            return measure(TRIALS[name], kind, Path(folder) / kind, scale)
        finally:
            gc.enable()


def _machine() -> str:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    etcd = subprocess.run(["etcd", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    parts = (f"{name} {version(name)}" for name in ("licd", "grpcio", "uvloop", "protobuf"))
    return (
        f"{os.cpu_count()} x {model}, {memory} GiB, Linux {platform.release()}, Python {platform.python_version()}, "
        f"{', '.join(parts)}, etcd {etcd}"
    )


if __name__ == "__main__":
    sys.exit(main())
