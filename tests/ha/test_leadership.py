"""R32: the lead in etcd ends by its own deadline, outlives an outage, and is lost with its key."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from support.etcd import EtcdCluster, etcd_cluster
from support.proxy import Delay, slow_path
from support.waiting import until

from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.keys import Keys
from licd_daemon.journal.etcd.store import Committed, Condition, Delete, OutcomeUnknown, Renewed, Write
from licd_daemon.journal.etcd.url import parse
from licd_daemon.leadership import followers
from licd_daemon.leadership.etcd import EtcdLeadership
from licd_daemon.leadership.port import AlreadyLed, LeadershipUnavailable
from licd_kit.clock import boottime_ms

pytestmark = pytest.mark.asyncio
TTL_MS = 5000


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EtcdCluster]:
    """A server that may be ill-treated."""
    with etcd_cluster(tmp_path / "own") as cluster:
        yield cluster


@pytest_asyncio.fixture
async def store(own: EtcdCluster) -> AsyncIterator[EtcdClient]:
    made = EtcdClient(parse(own.url("licd", lease_ttl="5s")))
    yield made
    await made.close()


def candidate(store: EtcdClient, boot: Callable[[], int] = boottime_ms) -> EtcdLeadership:
    return EtcdLeadership(store, "licd", TTL_MS, "127.0.0.1:7443", boot=boot)


async def test_the_lead_is_renewed_and_does_not_flap(store: EtcdClient) -> None:
    leader = candidate(store)
    await leader.acquire(1)
    end = boottime_ms() + 2 * TTL_MS
    while boottime_ms() < end:
        assert leader.valid()
        await asyncio.sleep(0.01)
    await leader.release()


async def test_an_outage_ends_the_proof_and_not_the_term(own: EtcdCluster, store: EtcdClient) -> None:
    leader = candidate(store)
    epoch = await leader.acquire(1)
    own.kill()
    await until(lambda: not leader.valid())
    own.start()
    await until(leader.valid)
    assert not leader.over.is_set()
    with pytest.raises(AlreadyLed, match=r"127\.0\.0\.1:7443"):
        await candidate(store).acquire(epoch + 1)
    await leader.release()


async def test_a_stopped_etcd_ends_the_proof_before_the_lease(own: EtcdCluster, store: EtcdClient) -> None:
    leader = candidate(store)
    await leader.acquire(1)
    (member,) = own.members
    stopped = last = boottime_ms()
    member.signal(signal.SIGSTOP)

    def over() -> bool:
        nonlocal last
        now = boottime_ms()
        if not leader.valid():
            return True
        last = now
        return False

    try:
        await until(over)
        assert last - stopped <= TTL_MS
    finally:
        member.signal(signal.SIGCONT)
        await leader.release()


@pytest.mark.parametrize("loss", ["key", "lease"])
async def test_who_has_lost_the_key_never_leads_again_in_this_term(store: EtcdClient, loss: str) -> None:
    leader = candidate(store)
    epoch = await leader.acquire(1)
    if loss == "key":
        await store.commit([], [Delete(Keys("licd").leader)])
    else:
        await store.revoke(leader._lease)
    await until(leader.over.is_set)
    assert not leader.valid()
    second = candidate(store)
    assert await second.acquire(1) == epoch + 1
    assert not leader.valid()
    await leader.release()
    assert second.valid()
    await second.release()


async def test_a_process_that_slept_through_its_lease_is_no_leader_when_it_wakes(store: EtcdClient) -> None:
    asleep = 0
    leader = candidate(store, lambda: boottime_ms() + asleep)
    await leader.acquire(1)
    assert leader.valid()
    asleep = 10 * TTL_MS
    assert not leader.valid()
    await leader.release()


async def test_an_election_that_took_longer_than_the_lease_is_none(store: EtcdClient) -> None:
    readings = iter((0, *[10 * TTL_MS] * 100))
    leader = candidate(store, lambda: next(readings))
    with pytest.raises(LeadershipUnavailable, match="too slow"):
        await leader.acquire(1)
    assert await leader.leader() is None


async def test_of_many_candidates_one_is_elected(store: EtcdClient) -> None:
    candidates = [candidate(store) for _ in range(10)]
    results = await asyncio.gather(*(each.acquire(1) for each in candidates), return_exceptions=True)
    assert [result for result in results if not isinstance(result, AlreadyLed)] == [1]
    assert sum(each.valid() for each in candidates) == 1
    for each in candidates:
        await each.release()


async def test_followers_are_counted_while_they_stand_ready(store: EtcdClient) -> None:
    assert not await followers.anyone(store, "licd")
    standing = followers.Standing(store, "licd", TTL_MS)
    await standing.keep()
    assert await followers.anyone(store, "licd")
    await standing.withdraw()
    assert not await followers.anyone(store, "licd")


@pytest.fixture
def late(own: EtcdCluster) -> Iterator[str]:
    with slow_path(own.members[0].endpoint, Delay(0.6), Delay(0.6)) as address:
        yield address


async def test_an_etcd_that_answers_late_can_be_led_over(late: str) -> None:
    # 1.2 s for each answer, of which the lead takes three.
    store = EtcdClient(parse(f"etcd://{late}/licd?lease-ttl=15s"))
    leader = EtcdLeadership(store, "licd", 15_000, "127.0.0.1:7443")
    assert await leader.acquire(1) == 1
    assert leader.valid()
    await leader.release()
    await store.close()


async def test_the_deadline_counts_from_before_the_renewal_was_sent(own: EtcdCluster) -> None:
    now = 0

    class Late(EtcdClient):
        async def renew(self, lease: int, key: bytes) -> Renewed:
            nonlocal now
            renewed = await super().renew(lease, key)
            now += TTL_MS * 3 // 4
            return renewed

    store = Late(parse(own.url("licd", lease_ttl="5s")))
    leader = candidate(store, lambda: now)
    await leader.acquire(1)
    await until(lambda: now > 0)
    assert leader.valid()
    now = TTL_MS
    assert not leader.valid()
    await leader.release()
    await store.close()


class WithoutItsFirstCommit(EtcdClient):
    """The real client; etcd's answer to the first commit is not known."""

    failed = False

    async def commit(self, conditions: Sequence[Condition], writes: Sequence[Write]) -> Committed:
        if self.failed:
            return await super().commit(conditions, writes)
        self.failed = True
        raise OutcomeUnknown("etcd's answer is not known")


async def test_a_follower_whose_key_was_not_written_writes_it_again(own: EtcdCluster) -> None:
    store, now = WithoutItsFirstCommit(parse(own.url("licd", lease_ttl="5s"))), 0
    standing = followers.Standing(store, "licd", TTL_MS, boot=lambda: now)
    await standing.keep()
    assert not await followers.anyone(store, "licd")
    now += TTL_MS
    await standing.keep()
    assert await followers.anyone(store, "licd")
    await standing.withdraw()
    await store.close()
