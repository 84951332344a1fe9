"""A journal that stands somewhere, opened for as long as it is wanted."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from licd_daemon.journal.etcd.backend import EtcdJournal
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_daemon.journal.port import Journal
from licd_daemon.journal.sqlite.backend import SqliteJournal
from licd_daemon.journal.target import SqliteTarget


@asynccontextmanager
async def opened(target: SqliteTarget | EtcdTarget) -> AsyncIterator[Journal]:
    """Open the journal to read or to copy it; a daemon may use it meanwhile.

    Raises:
        JournalError: it can't be opened.
    """
    if isinstance(target, SqliteTarget):
        journal = await SqliteJournal.open(target.path)
        try:
            yield journal
        finally:
            await journal.close()
        return
    client = EtcdClient(target)
    try:
        yield EtcdJournal(client, target.prefix)
    finally:
        await client.close()
