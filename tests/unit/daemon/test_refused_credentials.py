"""R35: refused credentials become few log lines and few events, however many there are, and their counts stay true."""

import pytest
import structlog
from support.waiting import until
from unit.daemon.deployment import Deployment

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.commands import Tick
from licd_daemon.core.events import CredentialsRefused
from licd_daemon.journal import chain
from licd_daemon.journal.port import Query
from licd_daemon.operations.refused_credentials import HOUR_MS, NEWEST, RefusedCredentials, Why


async def recorded(deployment: Deployment, coordinator: Coordinator, most: int) -> list[CredentialsRefused]:
    """The events, once there are as many as there must be."""
    await until(lambda: coordinator.news.counts[CredentialsRefused] >= most)
    records = await deployment.journal.read(Query(kinds=("credentials_refused",)))
    found = [chain.decode(record).event for record in records]
    return [event for event in found if isinstance(event, CredentialsRefused)]


async def test_R35_an_event_comes_at_the_tenth_the_hundredth_and_so_on_and_anew_each_hour(
    deployment: Deployment,
) -> None:
    async with deployment.started(told_time=True) as coordinator:
        refused, began = RefusedCredentials(coordinator), coordinator.now().wall
        for number in range(2_500):
            refused.note(Why.UNKNOWN if number % 2 else Why.WRONG_ROLE, "10.0.0.9")
        deployment.time.later(HOUR_MS - 1)
        refused.note(Why.UNKNOWN, "10.0.0.9")
        deployment.time.later(1)
        for _ in range(10):
            refused.note(Why.UNKNOWN, "10.0.0.10")
        events = await recorded(deployment, coordinator, 4)
        counts = [(event.count, event.since) for event in events]
        assert counts == [(10, began), (100, began), (1000, began), (10, began + HOUR_MS)]
        assert events[-1].addresses == ("10.0.0.10", "10.0.0.9")
        assert {event.actor for event in events} == {None}
        assert refused.counts == {Why.MISSING: 0, Why.UNKNOWN: 1_261, Why.WRONG_ROLE: 1_250}


async def test_R35_a_typing_error_and_a_scanner_without_credentials_are_no_event(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        position, refused = coordinator.position, RefusedCredentials(coordinator)
        with structlog.testing.capture_logs() as lines:
            for _ in range(1_000):
                refused.note(Why.MISSING, "10.0.0.9")
            assert lines == []
            for _ in range(9):
                refused.note(Why.UNKNOWN, "10.0.0.8")
        await coordinator.submit(Tick())
        assert coordinator.position == position
        assert [(line["count"], line["addresses"]) for line in lines] == [(1, ["10.0.0.8"])]
        assert refused.counts[Why.MISSING] == 1_000


async def test_R36_what_is_kept_of_addresses_is_bounded(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        refused = RefusedCredentials(coordinator)
        for number in range(1_000):
            refused.note(Why.UNKNOWN, f"10.0.{number // 256}.{number % 256}")
        last = (await recorded(deployment, coordinator, 3))[-1]
        assert len(last.addresses) == NEWEST
        assert last.addresses[0] == "10.0.3.231"


async def test_R35_the_log_goes_on_once_in_a_while_as_long_as_they_come(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("licd_daemon.operations.refused_credentials.SAY_EVERY_S", 0.05)
    async with deployment.started(told_time=True) as coordinator:
        refused = RefusedCredentials(coordinator)
        with structlog.testing.capture_logs() as lines:
            for _ in range(5_000):
                refused.note(Why.UNKNOWN, "10.0.0.9")
            await until(lambda: len(lines) == 2)
            refused.note(Why.UNKNOWN, "10.0.0.9")
            await until(lambda: len(lines) == 3)
        assert [line["count"] for line in lines] == [1, 4_999, 1]
