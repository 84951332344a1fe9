"""`licd journal verify` on a real journal."""

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from cli.scripted_daemon import Licd

from licd_daemon.core.events import EpochStarted
from licd_daemon.core.model import Now
from licd_daemon.journal.chain import extend
from licd_daemon.journal.port import Head
from licd_daemon.journal.sqlite.backend import SqliteJournal


async def opened(path: Path) -> tuple[SqliteJournal, Head]:
    """A journal of three entries, and its head."""
    journal = await SqliteJournal.open(path)
    events = [EpochStarted(epoch, 15_000) for epoch in (1, 2, 3)]
    records, head = extend(Head(), events, Now(1_700_000_000_000, 0, 0))
    await journal.append(records, Head())
    return journal, head


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the data directory of the tests keeps its journal."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "journal.db"


def written(path: Path) -> Head:
    """Writes a journal, closes it, and gives its head."""

    async def write() -> Head:
        journal, head = await opened(path)
        await journal.close()
        return head

    return asyncio.run(write())


def test_position_and_digest_are_printed(run: Licd, path: Path) -> None:
    head = written(path)
    result = run("journal", "verify")
    assert (result.exit_code, result.stdout) == (0, f"position 3\ndigest   {head.digest.hex()}\n")


def test_it_works_while_a_daemon_has_the_journal_open(run: Licd, path: Path) -> None:
    async def verify_beside() -> tuple[int, str]:
        journal, _ = await opened(path)
        try:
            result = await asyncio.to_thread(run, "journal", "verify")
            return result.exit_code, result.stdout
        finally:
            await journal.close()

    exit_code, told = asyncio.run(verify_beside())
    assert (exit_code, told.startswith("position 3\n")) == (0, True)


def test_a_changed_entry_is_named_with_what_to_do(run: Licd, path: Path) -> None:
    written(path)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE entries SET body = CAST(replace(body, '2', '7') AS BLOB) WHERE position = 2")
    connection.close()
    result = run("journal", "verify")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "entry 2 does not match its digest: restore the journal from a backup" in result.stderr


def test_a_file_that_is_no_journal_is_told(run: Licd, path: Path) -> None:
    path.write_bytes(b"not a database " * 100)
    result = run("journal", "verify")
    assert (result.exit_code, "restore it from a backup" in result.stderr) == (1, True)


def test_a_journal_elsewhere_is_named_as_for_serve(run: Licd, tmp_path: Path) -> None:
    written(tmp_path / "elsewhere.db")
    assert run("journal", "verify", "--journal", f"sqlite:{tmp_path}/elsewhere.db").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "there is no journal at"),
        (["--data-dir", "/nowhere"], "there is no journal at /nowhere/journal.db"),
        (["--journal", "memory:"], "leaves nothing to verify"),
        (["--journal", "etc:"], "names no journal"),
    ],
)
def test_where_no_journal_is_none_is_made(run: Licd, path: Path, arguments: list[str], told: str) -> None:
    result = run("journal", "verify", *arguments)
    assert (result.exit_code, told in result.stderr) == (2, True)
    assert not path.exists()


def test_an_option_of_clients_is_refused(run: Licd) -> None:
    assert run("--address", "x:1", "journal", "verify").exit_code == 2
    assert run("journal", "--ca", "x", "verify").exit_code == 2


def test_R40_a_journal_on_a_read_only_medium_is_verified_with_its_write_ahead_log(
    run: Licd, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def torn_off() -> Head:
        """What a backup of the disk has, taken while the daemon ran."""
        journal, head = await opened(tmp_path / "live.db")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{tmp_path / 'live.db'}{suffix}", f"{path}{suffix}")
        await journal.close()
        return head

    head = asyncio.run(torn_off())
    monkeypatch.setattr("os.access", lambda _path, mode: not mode & os.W_OK)
    before = {each.name: each.stat().st_mtime_ns for each in path.parent.iterdir()}
    result = run("journal", "verify")
    assert (result.exit_code, result.stdout) == (0, f"position 3\ndigest   {head.digest.hex()}\n"), result.output
    assert {each.name: each.stat().st_mtime_ns for each in path.parent.iterdir()} == before
