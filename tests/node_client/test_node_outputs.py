"""licd-node in front of closed and full outputs: its exit code is a probe's verdict, and stays so."""

import os
import pathlib
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("check >&-", 1),
        ("check >/dev/full", 1),
        ("check >&- 2>&- <&-", 1),
        ("check | true; exit ${PIPESTATUS[0]}", 1),
        ("--help >/dev/full", 0),
        ("run --application $'a\\xff' -- true", 2),
        ("run --application $'a\\xff' -- true 2>/dev/full", 2),
        ("run --application name=Ü,version=1 -- true", 2),
    ],
)
def test_an_output_that_can_not_be_written_changes_no_exit_code(tmp_path: pathlib.Path, line: str, code: int) -> None:
    ran = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m node_client.run {line}"],
        check=False,
        capture_output=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "ascii"},
    )
    assert ran.returncode == code
    assert b"Traceback" not in ran.stderr
    assert b"ignored" not in ran.stderr
