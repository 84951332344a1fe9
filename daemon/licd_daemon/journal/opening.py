"""The journal that a target names, opened for as long as it is wanted: the one place that knows every backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import assert_never

from licd_daemon.journal.etcd.backend import EtcdJournal
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_daemon.journal.memory import MemoryJournal
from licd_daemon.journal.port import Journal
from licd_daemon.journal.sqlite.backend import SqliteJournal
from licd_daemon.journal.target import JournalTarget, MemoryTarget, SqliteTarget


@asynccontextmanager
async def opened(target: JournalTarget) -> AsyncIterator[Journal]:
    """Open the journal, and close it at the end; a shared one is opened as nobody who leads, for reading or copying.

    Raises:
        JournalError: it can't be opened.
    """
    match target:
        case SqliteTarget():
            journal: Journal = await SqliteJournal.open(target.path)
            close = journal.close
        case MemoryTarget():
            journal = MemoryJournal()
            close = journal.close
        case EtcdTarget():
            client = EtcdClient(target)
            journal, close = EtcdJournal(client, target.prefix), client.close
        case _:
            assert_never(target)
    try:
        yield journal
    finally:
        await close()
