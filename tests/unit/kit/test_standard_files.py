"""Whatever the standard files of a command are connected to, it ends with its own exit code, and says what was lost."""

import subprocess
import sys
from pathlib import Path

import pytest

PRINTS = """
import sys, click
from licd_kit.command_line import CommandLine

@click.group(cls=CommandLine)
def main(): pass

@main.command()
@click.argument("text")
def say(text): click.echo(text)

@main.command()
def refuse(): raise click.ClickException("refused")

@main.command()
def lines():
    for _ in range(100_000): click.echo("line")

@main.command()
def ask(): click.echo(click.prompt("?", err=True))

@main.command()
def late():
    print("x", end="")

main()
"""


def shell(tmp_path: Path, line: str, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Runs a line of bash, in which `cmd` is the command."""
    script = tmp_path / "prints.py"
    script.write_text(PRINTS)
    define = f'cmd() {{ {sys.executable} {script} "$@"; }}; {line}'
    return subprocess.run(
        ["bash", "-c", define], check=False, capture_output=True, env={"PATH": "/usr/bin:/bin", **environment}
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("cmd say x >/dev/full", 1, b"Error: can't write the output: No space left on device\n"),
        ("cmd --help >/dev/full", 1, b"Error: can't write the output: No space left on device\n"),
        ("cmd say x >&-", 1, b"Error: can't write the output: Bad file descriptor\n"),
        ("cmd late >/dev/full", 0, b""),  # a command that does not look whether it has written
        ("cmd lines | head -1 >/dev/null; exit ${PIPESTATUS[0]}", 141, b""),
        ("cmd refuse 2>/dev/full", 1, b""),
        ("cmd refuse 2>&-", 1, b""),
        ("cmd nothing 2>/dev/full", 2, b""),
        ("cmd refuse >/dev/full", 1, b"Error: refused\n"),
        ("cmd ask <&-", 1, b"?: Aborted!\n"),
    ],
)
def test_what_can_not_be_written_is_said_and_no_traceback(tmp_path: Path, line: str, code: int, said: bytes) -> None:
    ran = shell(tmp_path, line)
    assert (ran.returncode, ran.stderr) == (code, said)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", "Ü 报\n".encode()),
        ("latin-1", b"\xdc \\u62a5\n"),
        ("ascii", "Ü 报\n".encode()),
        ("gbk", "\\xdc 报\n".encode("gbk")),
        ("latin-1:replace", b"\xdc ?\n"),  # as its user chose
    ],
)
def test_every_encoding_will_do(tmp_path: Path, encoding: str, shown: bytes) -> None:
    ran = shell(tmp_path, "cmd say 'Ü 报'", PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, shown, b"")


def test_bytes_that_are_no_text_pass_through_an_argument_as_an_escape(tmp_path: Path) -> None:
    ran = shell(tmp_path, "cmd say $'a\\xffb'", PYTHONUTF8="1")
    assert (ran.returncode, ran.stdout) == (0, b"a\\udcffb\n")
