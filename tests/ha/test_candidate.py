"""R32: a candidate outlives what befalls etcd; a real etcd, and roles that serve nothing."""

import asyncio
from collections.abc import AsyncIterator
from secrets import token_hex

import pytest
import pytest_asyncio
from support.etcd import EtcdCluster

from licd_daemon.cli.serve.candidate import Candidate, CandidateConfig, Term
from licd_daemon.coordinator.coordinator import Coordinator, CoordinatorConfig
from licd_daemon.core.model import Policy
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.url import EtcdTarget, parse
from licd_daemon.journal.port import Journal, JournalUnavailable
from licd_daemon.leadership.etcd import Leader
from licd_daemon.leadership.port import Leadership

pytestmark = pytest.mark.asyncio


class Serving:
    """Either role."""

    leader: Leader | None = None

    async def stop(self) -> None:
        """Nothing to give free."""

    def withdraw(self) -> None:
        """Nobody asks."""

    async def drain(self, successor: Leader | None) -> None:
        """Nobody to tell."""


@pytest.fixture
def target(etcd: EtcdCluster) -> EtcdTarget:
    return parse(etcd.url(token_hex(4), lease_ttl="5s"))


@pytest_asyncio.fixture
async def store(target: EtcdTarget) -> AsyncIterator[EtcdClient]:
    made = EtcdClient(target)
    yield made
    await made.close()


def coordinator(journal: Journal, leadership: Leadership) -> Coordinator:
    return Coordinator(CoordinatorConfig(journal, leadership, Policy(300_000), 15_000))


async def test_an_etcd_that_is_lost_right_after_the_election_does_not_end_the_daemon(
    store: EtcdClient, target: EtcdTarget
) -> None:
    stop, epochs = asyncio.Event(), list[int]()

    async def follow() -> Serving:
        return Serving()

    async def lead(term: Term) -> Serving:
        epochs.append(term.coordinator.state.epoch)
        if len(epochs) == 1:
            raise JournalUnavailable("it could not be written")
        stop.set()
        return Serving()

    config = CandidateConfig(
        store, target.prefix, target.lease_ttl_ms, "127.0.0.1:7443", "", "", coordinator, follow, lead
    )
    async with asyncio.timeout(20):
        assert await Candidate(config).run(stop) == 0
    assert epochs == [1, 2]
