"""R23 around the core: who may set effective time, and that it is set durably or not at all."""

import dataclasses
from pathlib import Path

import pytest
from support.vendor import DAY, TestVendor
from unit.core.world import HOUR
from unit.daemon.deployment import ADMIN, Deployment

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.leader_clock import LeaderClock
from licd_daemon.core import commands as c
from licd_daemon.core.effective import Confirmed
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.journal.memory import MemoryJournal
from licd_kit.clock import wall_ms

LIMIT = 5_000
LICENSE = TestVendor().license(issued_at=wall_ms() // 1000 - DAY)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    deployment = Deployment(tmp_path, MemoryJournal())
    deployment.time.wall = wall_ms() + 1_000
    return deployment


async def licensed(coordinator: Coordinator) -> LeaderClock:
    await coordinator.submit(c.UploadLicense(LICENSE, "LOCAL_CONTAINER", "ab" * 16))
    return LeaderClock(coordinator, (), LIMIT)


async def test_R24_a_code_takes_effective_time_to_its_challenges_time_both_ways(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        clock = await licensed(coordinator)
        for jump in (HOUR, -2 * HOUR):
            deployment.time.wall += jump
            wall = deployment.time.wall
            assert coordinator.now().wall != wall
            await clock.confirm_by_code(wall, ADMIN)
            assert coordinator.now().wall == coordinator.state.effective == wall
            assert coordinator.state.clock_untrusted is None


async def test_R24_a_code_sets_nothing_where_nothing_is_in_doubt(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        clock = await licensed(coordinator)
        before, position = coordinator.now().wall, coordinator.position
        await clock.confirm_by_code(before - LIMIT, ADMIN)
        assert (coordinator.now().wall, coordinator.position) == (before, position)


async def test_R23_what_can_not_be_journaled_is_not_confirmed(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        clock = await licensed(coordinator)
        before = coordinator.now().wall
        deployment.time.wall += HOUR
        deployment.journal.orders = ["fail"] * 4
        with pytest.raises(Refused) as caught:
            await clock.confirm_by_code(deployment.time.wall, ADMIN)
        assert caught.value.reason is Reason.JOURNAL_UNAVAILABLE
        assert coordinator.now().wall == before


async def test_R23_confirmed_time_that_went_back_is_where_the_next_run_begins(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        await licensed(coordinator)
        later = coordinator.now().wall + 24 * HOUR
        coordinator.clock.shift(24 * HOUR, 24 * HOUR)
        await coordinator.submit(c.ConfirmTime(Confirmed.NTP))
        assert coordinator.state.effective == later
        coordinator.clock.shift(-24 * HOUR, -24 * HOUR)
        await coordinator.submit(c.ConfirmTime(Confirmed.CODE))
    async with deployment.started() as coordinator:
        assert coordinator.now().wall < later


async def test_R2_a_license_of_later_issue_moves_no_clock(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        await licensed(coordinator)
        before = coordinator.now().wall
        reissue = dataclasses.replace(LICENSE, issued_at=before // 1000 + 600, max_nodes=5)
        await coordinator.submit(c.UploadLicense(reissue, "LOCAL_CONTAINER", "ab" * 16))
        assert coordinator.now().wall == coordinator.state.effective == before
