"""`licd journal verify`: reads a journal from end to end; the daemon may run meanwhile. `copy`: moves one at rest."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from licd_daemon.cli.options import Group, config_option, data_dir_option, option
from licd_daemon.journal import target as targets
from licd_daemon.journal.port import Head, JournalError
from licd_daemon.journal.target import MemoryTarget, SqliteTarget, StoredTarget
from licd_kit.options import ConfigInvalid


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
    target = _stored(journal_url, data_dir)
    _check_file(target)
    try:
        with _where_sqlite_can_read(target) as readable:
            head = asyncio.run(_verify(readable))
    except JournalError as error:
        raise click.ClickException(str(error)) from None
    _print_head(head)


@journal.command()
@click.argument("source", metavar="FROM")
@click.argument("target", metavar="TO")
def copy(source: str, target: str) -> None:
    """Copy a journal while its daemon is stopped: sqlite:PATH or etcd://HOST:PORT,.../PREFIX, to an empty one.

    Start no daemon on the old one afterwards: that would be a second cluster.
    """
    from licd_daemon.leadership.port import AlreadyLed, LeadershipUnavailable

    ends = _ends(source, target)
    try:
        _print_head(asyncio.run(_copy(*ends)))
    except (JournalError, AlreadyLed, LeadershipUnavailable) as error:
        raise click.ClickException(str(error)) from None


def _ends(source: str, target: str) -> tuple[StoredTarget, StoredTarget]:
    """Where a copy comes from and goes to: a name that is wrong must make nothing."""
    if source == target:
        raise click.UsageError("FROM and TO are the same journal")
    start, end = _named(source), _named(target)
    _check_file(start)
    if isinstance(end, SqliteTarget) and not end.path.absolute().parent.is_dir():
        raise click.UsageError(f"{target}: there is no such folder: make it first")
    return start, end


def _print_head(head: Head) -> None:
    click.echo(f"position {head.position}\ndigest   {head.digest.hex()}")


def _named(url: str) -> StoredTarget:
    try:
        target = targets.parse_stored(url)
    except ConfigInvalid as error:
        raise click.UsageError(str(error)) from None
    if target is None:
        raise click.UsageError(f"{url!r} is neither sqlite:PATH nor etcd://HOST:PORT")
    return target


def _stored(journal_url: str, data_dir: Path) -> StoredTarget:
    try:
        target = targets.parse(journal_url, data_dir)
    except ConfigInvalid as error:
        raise click.UsageError(str(error)) from None
    if isinstance(target, MemoryTarget):
        raise click.UsageError("--journal: memory: leaves nothing to verify: name a stored journal")
    return target


def _check_file(target: StoredTarget) -> None:
    """Opening a file that is not there would make one."""
    if not isinstance(target, SqliteTarget):
        return
    try:
        found = target.path.is_file()
    except OSError as error:
        raise click.UsageError(
            f"--data-dir: can't look at {target.path} ({error.strerror}): run as the daemon's user"
        ) from None
    if not found:
        raise click.UsageError(f"--data-dir: there is no journal at {target.path}: name the daemon's data directory")


@contextmanager
def _where_sqlite_can_read(target: StoredTarget) -> Iterator[StoredTarget]:
    """R40. SQLite reads a write-ahead log only where it may write: what is on a read-only medium is copied first."""
    if not isinstance(target, SqliteTarget) or all(os.access(path, os.W_OK) for path in (target.path, target.folder)):
        yield target
        return
    try:
        with TemporaryDirectory(prefix="licd-verify-") as folder:
            copied = Path(folder) / target.path.name
            for suffix in ("", "-wal"):
                source = target.path.with_name(target.path.name + suffix)
                if source.exists():
                    shutil.copyfile(source, f"{copied}{suffix}")
            yield SqliteTarget(copied)
    except OSError as error:
        raise click.ClickException(
            f"{target.path} can't be copied to a temporary folder ({error.strerror}): name one with room in TMPDIR"
        ) from None


async def _verify(target: StoredTarget) -> Head:
    from licd_daemon.journal.opening import opened

    async with opened(target) as journal_at_rest:
        return await journal_at_rest.verify()


async def _copy(source: StoredTarget, target: StoredTarget) -> Head:
    from licd_daemon.journal.journal_copy import copy
    from licd_daemon.journal.opening import opened
    from licd_daemon.leadership.at_rest import at_rest

    async with at_rest(source), at_rest(target), opened(source) as original, opened(target) as made:
        return await copy(original, made)
