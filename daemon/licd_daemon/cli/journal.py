"""`licd journal verify`: reads the local journal from end to end; the daemon may run meanwhile."""

import asyncio
from pathlib import Path

import click

from licd_daemon.cli.options import Group, config_option, data_dir_option, option
from licd_daemon.config import ConfigInvalid, journal_file
from licd_daemon.journal.port import Head, JournalError
from licd_daemon.journal.sqlite import SqliteJournal


@click.group(cls=Group)
def journal(**_: object) -> None:
    """Look after the journal of this machine's daemon."""


@journal.command()
@data_dir_option
@option(
    "--journal",
    "What the daemon was given.  [default: SQLite in the data directory]",
    to="journal_url",
    metavar="URL",
    default="",
)
@config_option
def verify(data_dir: Path, journal_url: str) -> None:
    """Check every entry against its digest, and print the last one's position and digest."""
    path = _path(data_dir, journal_url)
    try:
        head = asyncio.run(_verify(path))
    except JournalError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"position {head.position}\ndigest   {head.digest.hex()}")


def _path(data_dir: Path, journal_url: str) -> Path:
    try:
        path = journal_file(data_dir, journal_url)
    except ConfigInvalid as error:
        raise click.UsageError(str(error)) from None
    if path is None:
        raise click.UsageError("--journal: memory: leaves nothing to verify: name a stored journal")
    try:
        # Opening it would make one.
        found = path.is_file()
    except OSError as error:
        raise click.UsageError(
            f"--data-dir: can't look at {path} ({error.strerror}): run as the daemon's user"
        ) from None
    if not found:
        raise click.UsageError(f"--data-dir: there is no journal at {path}: name the daemon's data directory")
    return path


async def _verify(path: Path) -> Head:
    journal_at_rest = await SqliteJournal.open(path)
    try:
        return await journal_at_rest.verify()
    finally:
        await journal_at_rest.close()
