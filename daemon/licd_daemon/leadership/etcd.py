"""R32: leadership of one of several daemons, over etcd.

Rules:

- Who makes the leader key leads; it is made only if it is absent, on a lease of its own, together with the new epoch.
  The revision that made it is the term, and every write of the journal is fenced by it.
- `valid()` is true until the lease's end, counted from when the last renewal that succeeded was SENT, less a margin for
  clock rates. etcd counts from receipt, so it never lets another lead before.
- A renewal is the lease's and, after it, a read of the leader key: etcd has been seen to renew a lease that was gone.
- A lease outlives an outage of etcd: while the key is still this daemon's own it leads on, in the same term.
- Another's key, no key, or a lease that has ended: never valid again.
- An election of unknown outcome is given up: its lease is revoked, so that a late one can't succeed.
- etcd 3.4 has been seen to end a live lease early, and an administrator may: a new leader's fresh leases are longer by
  one lease of etcd, for which the one before may have gone on acknowledging (R18).
"""

import asyncio
import contextlib
from collections.abc import Callable

import msgspec
import structlog

from licd_daemon.journal.etcd.keys import Keys
from licd_daemon.journal.etcd.store import Created, Item, Modified, Put, Store, StoreUnavailable
from licd_daemon.journal.port import UNREADABLE
from licd_daemon.leadership.port import AlreadyLed, LeadershipUnavailable
from licd_kit.clock import boottime_ms

log = structlog.get_logger(__name__)

RATE_MARGIN = 0.02  # of the lease: two boottime clocks disagree by far less
_RENEWALS_A_LEASE = 5
_RELEASE_S = 2.0
NO_TERM = -1


class Leader(msgspec.Struct, frozen=True):
    """What the leader key says of the daemon that leads.

    `address`, `mtls`: where clients reach it, with a token and with a certificate; `console`: its URL. "": nowhere.
    """

    address: str
    epoch: int
    console: str = ""
    mtls: str = ""


_decoder = msgspec.json.Decoder(Leader)


class EtcdLeadership:
    """See `port.Leadership`. One term: made again for each election."""

    def __init__(
        self,
        store: Store,
        prefix: str,
        ttl_ms: int,
        address: str,
        *,
        console: str = "",
        mtls: str = "",
        boot: Callable[[], int] = boottime_ms,
    ) -> None:
        """Nothing is asked before `acquire`.

        Args:
            store: etcd.
            prefix: Before all keys.
            ttl_ms: How long a silent leader keeps the lead; whole seconds. etcd may take longer.
            address: Where clients reach this daemon.
            console: The URL of its console, if others can reach it.
            mtls: Where clients with a certificate reach this daemon, if they do.
            boot: Boottime in milliseconds.
        """
        self._store = store
        self._keys = Keys(prefix)
        self._ttl_ms = ttl_ms
        self._address = address
        self._console = console
        self._mtls = mtls
        self._boot = boot
        self._lease = 0
        self._valid_until = 0
        self._proven_at: int | None = None
        self._sync_ms = 0
        self._failure = ""
        self._renewing: asyncio.Task[None] | None = None
        self._term = NO_TERM
        self.over = asyncio.Event()

    def term(self) -> int:
        """The revision that made the leader key: what writes are fenced by; below 0: not elected."""
        return self._term

    async def leader(self) -> Leader | None:
        """Who leads now; None: nobody.

        Raises:
            LeadershipUnavailable: etcd does not say.
        """
        try:
            item = await self._store.get(self._keys.leader)
        except StoreUnavailable as error:
            raise LeadershipUnavailable(str(error)) from None
        return _read(item) if item else None

    async def acquire(self, at_least: int) -> int:
        """See `port.Leadership.acquire`.

        Raises:
            AlreadyLed: another daemon leads.
            LeadershipUnavailable: etcd can't be reached, or its answer is not known.
        """
        leader = await self.leader()
        if leader is not None:
            raise _already_led(leader)
        try:
            return await self._campaign(at_least)
        except StoreUnavailable as error:
            await self.release()
            raise LeadershipUnavailable(str(error)) from None
        except BaseException:
            await self.release()
            raise

    async def _campaign(self, at_least: int) -> int:
        sent = self._boot()
        self._lease, ttl_s = await self._store.grant(-(-self._ttl_ms // 1000))
        self._ttl_ms = max(self._ttl_ms, ttl_s * 1000)
        epoch_item = await self._store.get(self._keys.epoch)
        epoch = max(at_least, int(epoch_item.value) + 1 if epoch_item else 1)
        claim = msgspec.json.encode(Leader(self._address, epoch, self._console, self._mtls))
        elected = await self._store.commit(
            (
                Created(self._keys.leader, 0),
                Modified(self._keys.epoch, epoch_item.modified if epoch_item else 0),
            ),
            (Put(self._keys.leader, claim, self._lease), Put(self._keys.epoch, str(epoch).encode())),
        )
        if not elected.done:
            raise _already_led(await self.leader())
        self._proven(sent, ttl_s)
        if not self.valid():
            raise LeadershipUnavailable("etcd took longer to answer than the lease runs: it is too slow to lead over")
        self._term = elected.revision
        self._renewing = asyncio.create_task(self._renew_on())
        return epoch

    def valid(self) -> bool:
        """See `port.Leadership.valid`."""
        return not self.over.is_set() and self._boot() < self._valid_until

    @property
    def proof_interval_ms(self) -> int:
        """See `port.Leadership.proof_interval_ms`: one lease of etcd."""
        return self._ttl_ms

    @property
    def handover_ms(self) -> int:
        """See `port.Leadership.handover_ms`: one lease of etcd. The journal has those of the daemons before."""
        return self._ttl_ms

    def proof_age_ms(self) -> int | None:
        """See `port.Leadership.proof_age_ms`."""
        return None if self._proven_at is None else self._boot() - self._proven_at

    @property
    def sync_ms(self) -> int:
        """See `port.Leadership.sync_ms`."""
        return self._sync_ms

    def trouble(self) -> str:
        """See `port.Leadership.trouble`."""
        if self.over.is_set():
            return "its lease in etcd has ended, or another daemon's key is there"
        return self._failure or ("" if self.valid() else "etcd has not answered for longer than the lease runs")

    async def release(self) -> None:
        """See `port.Leadership.release`. If it does not reach etcd, the lease ends automatically."""
        self.over.set()
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        lease, self._lease = self._lease, 0
        if lease:
            with contextlib.suppress(StoreUnavailable, TimeoutError):
                await asyncio.wait_for(self._store.revoke(lease), _RELEASE_S)

    def _proven(self, sent: int, ttl_s: int) -> None:
        self._valid_until = max(self._valid_until, sent + int(ttl_s * 1000 * (1 - RATE_MARGIN)))
        self._proven_at, self._sync_ms, self._failure = sent, self._boot() - sent, ""

    async def _renew_on(self) -> None:
        pause_ms = self._ttl_ms // _RENEWALS_A_LEASE
        try:
            while not self.over.is_set():
                started = self._boot()
                try:
                    await self._renew(started)
                except StoreUnavailable as error:
                    self._failure = str(error)
                    log.error("leadership_not_proven", error=str(error))
                await asyncio.sleep(max(pause_ms // 4, pause_ms - (self._boot() - started)) / 1000)
        except Exception:
            log.exception("leadership_renewal_failed")
        finally:
            # Who renews no more must follow, or it would neither lead nor look for the one that does.
            self.over.set()

    async def _renew(self, sent: int) -> None:
        renewed = await self._store.renew(self._lease, self._keys.leader)
        if renewed.ttl_s > 0 and renewed.item is not None and renewed.item.created == self._term:
            self._proven(sent, renewed.ttl_s)
            return
        self.over.set()
        log.critical("leadership_lost", reason="its lease in etcd has ended, or another daemon's key is there")


def _read(item: Item) -> Leader:
    try:
        return _decoder.decode(item.value)
    except UNREADABLE:
        raise LeadershipUnavailable(
            f"the key {item.key.decode('ascii', 'replace')} in etcd is not licd's: give this cluster another prefix"
        ) from None


def _already_led(leader: Leader | None) -> AlreadyLed:
    return AlreadyLed(f"the daemon at {leader.address} leads" if leader else "another daemon was elected just now")
