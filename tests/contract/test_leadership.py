"""What every leadership MUST do (`licd_daemon.leadership.port`), run over every backend."""

import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from licd_daemon.journal.etcd import url as etcd_url
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.leadership.etcd import EtcdLeadership
from licd_daemon.leadership.port import AlreadyLed, Leadership
from licd_daemon.leadership.sole import SoleLeadership

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(params=["sole", "etcd"])
async def candidate(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Callable[[], Leadership]]:
    made: list[Leadership] = []
    client: EtcdClient | None = None
    if request.param == "etcd":
        target = etcd_url.parse(request.getfixturevalue("etcd").url(secrets.token_hex(4)))
        client = EtcdClient(target)

    def make() -> Leadership:
        if client is None:
            made.append(SoleLeadership(tmp_path / "lock", 5000))
        else:
            made.append(EtcdLeadership(client, target.prefix, 5000, "127.0.0.1:7443"))
        return made[-1]

    yield make
    for leadership in made:
        await leadership.release()
    if client is not None:
        await client.close()


async def test_nobody_leads_before_the_lead_is_taken(candidate: Callable[[], Leadership]) -> None:
    assert not candidate().valid()


async def test_a_leader_leads_at_once(candidate: Callable[[], Leadership]) -> None:
    leader = candidate()
    assert await leader.acquire(7) == 7
    assert leader.valid()
    assert leader.handover_ms == 5000


async def test_two_never_lead(candidate: Callable[[], Leadership]) -> None:
    leader, second = candidate(), candidate()
    await leader.acquire(1)
    with pytest.raises(AlreadyLed):
        await second.acquire(1)
    assert leader.valid()
    assert not second.valid()


async def test_r14_each_epoch_is_higher_than_the_ones_before(candidate: Callable[[], Leadership]) -> None:
    epochs = []
    for _ in range(3):
        leader = candidate()
        epochs.append(await leader.acquire(1))
        await leader.release()
    assert epochs == [1, 2, 3]


async def test_r14_the_epoch_is_at_least_what_the_journal_asks_for(candidate: Callable[[], Leadership]) -> None:
    leader = candidate()
    assert await leader.acquire(10) == 10
    await leader.release()
    assert await candidate().acquire(4) == 11


async def test_who_gave_the_lead_up_does_not_lead(candidate: Callable[[], Leadership]) -> None:
    leader = candidate()
    await leader.acquire(1)
    await leader.release()
    await leader.release()
    assert not leader.valid()
