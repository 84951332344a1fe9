"""What the commands share: the session, refusals as exit code 1, and the two ways to print."""

import json
import os
import pwd
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from rich.cells import cell_len, set_cell_size

from licd_kit.command_line import CommandLine
from licd_kit.logs import configure
from licd_kit.printable import escaped
from licd_vendor.errors import RefusedError
from licd_vendor.passphrase import read_secret
from licd_vendor.store.database import Database, open_database

PASSPHRASE_VARIABLE = "LICD_VENDOR_PASSPHRASE"  # noqa: S105 (the name of a variable)


@dataclass(frozen=True, slots=True)
class Session:
    """Where this invocation works."""

    home: Path
    database_url: str
    passphrase_file: Path | None
    _asked: dict[str, str | None] = field(default_factory=dict, repr=False)

    def passphrase(self) -> str | None:
        """Give the keys' passphrase, asked for once; None: there is none to be had."""
        if "keys" not in self._asked:
            self._asked["keys"] = read_secret("Passphrase of the keys", PASSPHRASE_VARIABLE, self.passphrase_file)
        return self._asked["keys"]

    @property
    def who(self) -> str:
        """Who works here, for the audit table: the account that runs this process."""
        return f"cli:{account()}"

    @contextmanager
    def database(self) -> Iterator[Database]:
        """Open the database, migrated, until the end of the block."""
        database = open_database(self.database_url)
        try:
            yield database
        finally:
            database.close()


def log_to_stderr() -> None:
    """Begin to log: JSON, unless a person reads it on a terminal; of libraries their warnings only."""
    configure("text" if sys.stderr.isatty() else "json", "licd_vendor")


def account() -> str:
    """Give the account's name, or its number if it has none (as in containers)."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


pass_session = click.make_pass_decorator(Session)
output_option = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to print."
)


class RefusingGroup(CommandLine):
    """Prints what was refused on standard error, and exits with 1."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except RefusedError as refusal:
            raise click.ClickException(str(refusal)) from None


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], nothing: str) -> None:
    """Print rows in columns, each as wide as it needs to be (Chinese too), or say that there are none."""
    if not rows:
        click.echo(nothing)
        return
    cells = [tuple("" if cell is None else escaped(str(cell)) for cell in row) for row in (columns, *rows)]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (set_cell_size(cell, width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_fields(fields: dict[str, object]) -> None:
    """Print named values, one a line, aligned."""
    width = max(map(len, fields))
    for name, value in fields.items():
        click.echo(f"{name:<{width}}  {'' if value is None else escaped(str(value))}")
