"""A journal that no daemon uses, for as long as something else works on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_daemon.journal.target import StoredTarget
from licd_daemon.leadership.etcd import EtcdLeadership
from licd_daemon.leadership.port import AlreadyLed
from licd_daemon.leadership.sole import SoleLeadership

_LOCK_HELD_MS = 60_000


@asynccontextmanager
async def at_rest(target: StoredTarget) -> AsyncIterator[None]:
    """Hold the lock of a file; etcd itself refuses what is written while a daemon leads.

    Raises:
        AlreadyLed: a daemon uses the journal.
        LeadershipUnavailable: that can't be found out.
    """
    if isinstance(target, EtcdTarget):
        await _nobody_leads(target)
        yield
        await _nobody_leads(target)
        return
    lock = SoleLeadership(target.folder / "lock", _LOCK_HELD_MS)
    await lock.acquire(1)
    try:
        yield
    finally:
        await lock.release()


async def _nobody_leads(target: EtcdTarget) -> None:
    client = EtcdClient(target)
    try:
        leader = await EtcdLeadership(client, target.prefix, target.lease_ttl_ms, "").leader()
    finally:
        await client.close()
    if leader is not None:
        raise AlreadyLed(f"the daemon at {leader.address} leads there: stop all daemons first")
