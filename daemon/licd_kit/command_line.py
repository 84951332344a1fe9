"""What every command line of licd begins with."""

import sys
from typing import Any

import click

from licd_kit.standard_files import open_standard_files


class CommandLine(click.Group):
    """A group of commands, with its standard files in order, whose texts are texts."""

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run a command, or print a help text."""
        open_standard_files()
        return super().main(*args, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UnicodeEncodeError as error:
            if error.reason != "surrogates not allowed":
                raise
            # How Python reads bytes of an argument, a variable or a file's name that are not in the encoding.
            encoding = sys.getfilesystemencoding()
            raise click.UsageError(f"an argument is not valid {encoding}: write it so, or set LC_ALL=C.UTF-8") from None
