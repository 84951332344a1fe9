"""Who is ready to lead: each follower keeps a key in etcd, on a lease of its own (R32).

A follower that is killed is counted until its lease ends. The key is named after its lease, so that one that is written
late ends with its own. The election does not look at these keys.
"""

import contextlib
from collections.abc import Callable

from licd_daemon.journal.etcd.keys import Keys
from licd_daemon.journal.etcd.store import Put, Store, StoreUnavailable
from licd_kit.clock import boottime_ms

_RENEWALS_A_LEASE = 3


class Standing:
    """This daemon's own key: `keep` it for as long as the daemon follows, then `withdraw`."""

    def __init__(self, store: Store, prefix: str, ttl_ms: int, *, boot: Callable[[], int] = boottime_ms) -> None:
        """Nothing is written before `keep`. `ttl_ms`: how long a silent follower is counted."""
        self._store = store
        self._keys = Keys(prefix)
        self._ttl_ms = ttl_ms
        self._boot = boot
        self._lease = 0
        self._due = 0

    async def keep(self) -> None:
        """To be called more often than the lease runs; asks etcd only when it is due. What fails is tried again."""
        if self._boot() < self._due:
            return
        self._due = self._boot() + self._ttl_ms // _RENEWALS_A_LEASE
        with contextlib.suppress(StoreUnavailable):
            if self._lease:
                renewed = await self._store.renew(self._lease, self._keys.follower(self._lease))
                if renewed.ttl_s > 0 and renewed.item is not None:
                    return
            self._lease, _ = await self._store.grant(self._ttl_ms // 1000)
            await self._store.commit((), (Put(self._keys.follower(self._lease), b"", self._lease),))

    async def withdraw(self) -> None:
        """Is not ready to lead any more."""
        lease, self._lease, self._due = self._lease, 0, 0
        if lease:
            with contextlib.suppress(StoreUnavailable):
                await self._store.revoke(lease)


async def anyone(store: Store, prefix: str) -> bool:
    """Whether a follower is ready; one that etcd can't name is none."""
    keys = Keys(prefix)
    try:
        return bool((await store.scan(keys.followers, keys.followers_end, limit=1)).items)
    except StoreUnavailable:
        return False
