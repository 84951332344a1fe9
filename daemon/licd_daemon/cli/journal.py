"""`licd journal verify`: reads a journal from end to end; the daemon may run meanwhile. `copy`: moves one at rest."""

import asyncio
from pathlib import Path

import click

from licd_daemon.cli.options import Group, config_option, data_dir_option, option
from licd_daemon.cli.serve.config import ETCD, ConfigInvalid, journal_file
from licd_daemon.journal.port import Head, JournalError


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
    if not journal_url.startswith(ETCD):
        _path(data_dir, journal_url)
    try:
        _print_head(asyncio.run(_verify(data_dir, journal_url)))
    except ConfigInvalid as error:
        raise click.UsageError(str(error)) from None
    except JournalError as error:
        raise click.ClickException(str(error)) from None


@journal.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy a journal while its daemon is stopped: sqlite:PATH or etcd://HOST:PORT,.../PREFIX, to an empty one.

    Start no daemon on the old one afterwards: that would be a second cluster.
    """
    from licd_daemon.journal.journal_copy import copy_now
    from licd_daemon.leadership.port import AlreadyLed, LeadershipUnavailable

    _judge(source, target)
    try:
        _print_head(copy_now(source, target))
    except ConfigInvalid as error:
        raise click.UsageError(str(error)) from None
    except (JournalError, AlreadyLed, LeadershipUnavailable) as error:
        raise click.ClickException(str(error)) from None


def _judge(source: str, target: str) -> None:
    """A name that is wrong must make nothing."""
    if source == target:
        raise click.UsageError("FROM and TO are the same journal")
    for url in (source, target):
        if not url.startswith((ETCD, "sqlite:")):
            raise click.UsageError(f"{url!r} is neither sqlite:PATH nor etcd://HOST:PORT")
    if source.startswith("sqlite:"):
        _path(Path(), source)
    if target.startswith("sqlite:") and not Path(target.removeprefix("sqlite:")).absolute().parent.is_dir():
        raise click.UsageError(f"{target}: there is no such folder: make it first")


def _print_head(head: Head) -> None:
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


async def _verify(data_dir: Path, journal_url: str) -> Head:
    from licd_daemon.journal.journal_copy import opened

    async with opened(data_dir, journal_url) as journal_at_rest:
        return await journal_at_rest.verify()
