"""R36: what is written to standard error while its reader stands still, and once it reads again."""

import subprocess
import sys

import pytest

WRITER = """
import os, sys
from licd_daemon.cli.serve.stderr_relay import StderrRelay
with StderrRelay("dropped {bytes}"):
    for number in range(LINES):
        os.write(2, b"%07d%s\\n" % (number, b"x" * 92))
    print("written", flush=True)
    sys.stdin.readline()
    os.write(2, b"last\\n")
"""


def written(lines: int) -> "subprocess.Popen[bytes]":
    """A process that has written so many lines of 100 bytes to a standard error that nobody reads."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.replace("LINES", str(lines))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"written\n"
    return process


@pytest.mark.parametrize("lines", [1, 5_000])
def test_R36_what_can_be_held_comes_whole_and_in_order(lines: int) -> None:
    _, told = written(lines).communicate(b"\n", 60)
    assert told.splitlines() == [b"%07d%s" % (number, b"x" * 92) for number in range(lines)] + [b"last"]


def test_R36_beyond_that_whole_lines_are_dropped_and_counted() -> None:
    lines = 50_000
    _, told = written(lines).communicate(b"\n", 60)
    kept = [line for line in told.splitlines() if line[:1].isdigit()]
    assert {len(line) for line in kept} == {99}
    assert kept == sorted(kept)
    dropped = [int(line.split()[1]) for line in told.splitlines() if line.startswith(b"dropped")]
    assert sum(dropped) + 100 * len(kept) == 100 * lines
    assert sum(dropped) > 3_000_000
    assert told.splitlines()[-1] == b"last"


def test_R36_the_end_waits_for_no_reader() -> None:
    process = written(50_000)
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.close()
    assert process.wait(30) == 0
    process.kill()
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
