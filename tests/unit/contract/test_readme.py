"""The README shows what the commands say of themselves, and its links lead somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text()


def said_by(command: str) -> str:
    name, *arguments = command.split()
    program = Path(sys.executable).parent / name
    done = subprocess.run([str(program), *arguments], capture_output=True, text=True, check=True, env={"COLUMNS": "80"})
    return done.stdout.rstrip()


@pytest.mark.parametrize("command", ["licd --help", "licd-node run --help"])
def test_the_help_texts_are_those_of_the_commands(command: str):
    shown = re.search(rf"`{command}`:\n\n```text\n(.*?)\n?```", README, re.DOTALL)
    assert shown is not None
    assert shown[1].rstrip() == said_by(command)


def test_links_lead_to_files():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("target", re.findall(r"`?make ([a-z]+)", README))
def test_make_targets_exist(target: str):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
