"""Runs in which the order of sets and maps is always the same: a seed is then the same run in every process."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import structlog

TESTS = Path(__file__).parents[1]


def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`python -m module arguments` in a process of its own."""
    path = os.pathsep.join((str(TESTS), os.environ.get("PYTHONPATH", "")))
    env = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=280, check=False)


def begin_again() -> None:
    """Make this process one of those; the first thing that a program does."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})


def quiet() -> None:
    """The daemon's log lines say nothing that the history of a simulation does not."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
