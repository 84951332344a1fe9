"""A journal from one place to another, while no daemon uses either: `licd journal copy`.

- Every entry is copied as it is, and its digest with it; the copy's end must have the digest of the original's.
- A journal that a daemon uses is not copied, and none is copied onto entries that are there.
- Snapshots are not copied: they are only a shortcut for a start.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from licd_daemon.cli.serve.config import ETCD, ConfigInvalid, journal_file
from licd_daemon.journal.etcd import url as etcd_url
from licd_daemon.journal.etcd.backend import EtcdJournal
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.port import Head, Journal, JournalError
from licd_daemon.journal.sqlite.backend import SqliteJournal
from licd_daemon.leadership.etcd import EtcdLeadership
from licd_daemon.leadership.port import AlreadyLed
from licd_daemon.leadership.sole import SoleLeadership

_BATCH = 1000
_LOCK_HELD_MS = 60_000


@asynccontextmanager
async def opened(data_dir: Path, url: str) -> AsyncIterator[Journal]:
    """The journal that `url` names, to read; a daemon may use it meanwhile.

    Raises:
        ConfigInvalid: it names none that lasts.
        JournalError: it can't be opened.
    """
    if url.startswith(ETCD):
        target = etcd_url.parse(url)
        client = EtcdClient(target)
        try:
            yield EtcdJournal(client, target.prefix)
        finally:
            await client.close()
        return
    path = journal_file(data_dir, url)
    if path is None:
        raise ConfigInvalid("--journal", "memory: leaves nothing behind: name a stored journal")
    journal = await SqliteJournal.open(path)
    try:
        yield journal
    finally:
        await journal.close()


async def copy(source_url: str, target_url: str) -> Head:
    """Copies a journal, and gives its end.

    Args:
        source_url: `sqlite:PATH` or `etcd://...`; no daemon uses it.
        target_url: the same; it holds no entry yet.

    Raises:
        ConfigInvalid, JournalError.
        AlreadyLed: a daemon uses one of them.
        LeadershipUnavailable: that can't be known.
    """
    async with (
        _unused(source_url),
        _unused(target_url),
        opened(Path(), source_url) as source,
        opened(Path(), target_url) as target,
    ):
        return await _copied(source, target)


async def _copied(source: Journal, target: Journal) -> Head:
    found = await target.verify()
    if found.position:
        raise JournalError(f"the target holds {found.position} entries already: name an empty one")
    end = await source.verify()
    _, records = await source.load(replay=True)
    head = Head()
    for start in range(0, len(records), _BATCH):
        batch = records[start : start + _BATCH]
        await target.append(batch, head)
        head = Head(batch[-1].position, batch[-1].digest)
    if not head == await target.verify() == await source.verify() == end:
        raise JournalError("the copy does not end as the original does: remove it, and copy again")
    return end


@asynccontextmanager
async def _unused(url: str) -> AsyncIterator[None]:
    """Holds the lock of a file; etcd itself refuses what is written while a daemon leads."""
    if not url.startswith(ETCD):
        path = journal_file(Path(), url)
        lock = SoleLeadership((path or Path("journal.db")).parent / "lock", _LOCK_HELD_MS)
        await lock.acquire(1)
        try:
            yield
        finally:
            await lock.release()
        return
    await _nobody_leads(url)
    yield
    await _nobody_leads(url)


async def _nobody_leads(url: str) -> None:
    target = etcd_url.parse(url)
    client = EtcdClient(target)
    try:
        leader = await EtcdLeadership(client, target.prefix, target.lease_ttl_ms, "").leader()
    finally:
        await client.close()
    if leader is not None:
        raise AlreadyLed(f"the daemon at {leader.address} leads there: stop all daemons first")


def copy_now(source_url: str, target_url: str) -> Head:
    """See `copy`; for a program without an event loop."""
    return asyncio.run(copy(source_url, target_url))
