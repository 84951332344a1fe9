"""Faults between the journal and the answer that once left a session without a lease, or a caller without an answer."""

import asyncio

import pytest
from support.waiting import until
from unit.core.world import LEASE
from unit.daemon.deployment import Deployment, join_of, register, resume_of

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.events import TimeMarked
from licd_daemon.core.leases import with_margin
from licd_daemon.core.model import EndReason, SessionStatus, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.journal import chain


async def refusal_of(submitted: "asyncio.Task[State]") -> Refused:
    async with asyncio.timeout(20):
        with pytest.raises(Refused) as caught:
            await submitted
    return caught.value


async def pass_served(deployment: Deployment, coordinator: Coordinator, ms: int) -> None:
    for _ in range(0, ms, 500):
        deployment.time.later(500)
        coordinator.now()


async def test_R16_a_session_lost_and_back_in_one_batch_has_a_lease(deployment: Deployment):
    """Its lease was taken out when it was decided over; without another it would hold its seat for ever."""
    async with deployment.started(told_time=True) as coordinator:
        await register(coordinator, "a")
        await pass_served(deployment, coordinator, with_margin(LEASE) + 500)
        state = await coordinator.submit(resume_of("a"))
        assert state.sessions["a"].status is SessionStatus.LIVE
        assert coordinator.leases.renew("a", coordinator.now().served)
        await pass_served(deployment, coordinator, with_margin(LEASE) + 500)
        await until(lambda: coordinator.state.sessions["a"].status is SessionStatus.LOST)


@pytest.mark.parametrize("outcome", ["lost", "written"])
async def test_R33_an_unknown_outcome_that_cannot_be_read_back_is_waited_out(deployment: Deployment, outcome: str):
    async with deployment.started() as coordinator:
        await register(coordinator, "a")
        deployment.journal.orders, deployment.journal.loads_fail = [outcome], 2
        submitted = asyncio.create_task(coordinator.submit(join_of("b")))
        assert (await refusal_of(submitted)).reason is Reason.JOURNAL_UNAVAILABLE
        assert coordinator.leads()
        assert coordinator.leases.renew("a", coordinator.now().served)
        await until(lambda: coordinator.serving)
        assert deployment.journal.loads_fail == 0
        assert ("b" in coordinator.state.sessions) is (outcome == "written")


async def test_R18_a_join_or_return_of_unknown_outcome_that_was_written_has_its_presence(deployment: Deployment):
    """Without one its stream would be told EXPIRED, and its registration would lose a holder."""
    async with deployment.started() as coordinator:
        await register(coordinator, "a")
    async with deployment.started() as coordinator:
        deployment.journal.orders = ["written"]
        submitted = [asyncio.create_task(coordinator.submit(command)) for command in (resume_of("a"), join_of("b"))]
        await asyncio.wait(submitted)
        await until(lambda: coordinator.serving)
        for name, command in (("a", resume_of("a")), ("b", join_of("b"))):
            await coordinator.submit(command)
            presence = coordinator.presences.get(name)
            assert presence is not None
            assert presence.joining is (name == "b")


async def test_R13_a_seat_given_away_in_an_append_of_unknown_outcome_is_renewed_for_nobody(deployment: Deployment):
    async with deployment.started(told_time=True) as coordinator:
        await register(coordinator, "a", max_nodes=1)
        await coordinator.submit(join_of("b"))
        journal = deployment.journal
        journal.orders, journal.loads_fail = ["written"], 2
        for _ in range(0, with_margin(LEASE) + 500, 500):
            deployment.time.later(500)
            coordinator.leases.renew("b", coordinator.now().served)
        await until(lambda: journal.orders == [])
        while journal.loads_fail:
            assert not coordinator.leases.renew("a", coordinator.now().served)
            await asyncio.sleep(0.01)
        await until(lambda: coordinator.serving)
        assert coordinator.state.sessions["a"].status is SessionStatus.LOST
        assert not coordinator.leases.renew("a", coordinator.now().served)
        assert coordinator.leases.renew("b", coordinator.now().served)


async def test_a_journal_taken_over_by_another_leaves_no_caller_waiting(deployment: Deployment):
    async with deployment.started() as coordinator:
        head = await deployment.journal.verify()
        records, _ = chain.extend(head, [TimeMarked()], coordinator.now())
        await deployment.journal.real.append(records, head)
        submitted = asyncio.create_task(coordinator.submit(join_of("a")))
        assert (await refusal_of(submitted)).reason is Reason.STOPPING
        assert coordinator.failed is not None
        assert not coordinator.leads()


async def test_stopping_during_an_append_leaves_no_caller_waiting(deployment: Deployment):
    async with deployment.started() as coordinator:
        journal = deployment.journal
        journal.hold = asyncio.Event()
        asked = journal.asked
        submitted = asyncio.create_task(coordinator.submit(join_of("a")))
        await until(lambda: journal.asked > asked)
        await coordinator.stop()
        assert (await refusal_of(submitted)).reason is Reason.STOPPING


async def test_R16_an_eviction_of_unknown_outcome_that_was_written_ends_the_lease(deployment: Deployment):
    async with deployment.started() as coordinator:
        await register(coordinator, "a", "b")
        deployment.journal.orders = ["written"]
        await coordinator.submit(c.EndSession("a", EndReason.EVICTED))  # found done when the journal was read back
        await until(lambda: coordinator.serving)
        assert not coordinator.leases.renew("a", coordinator.now().served)
        assert coordinator.presences.get("a") is None


async def test_a_daemon_stopped_as_soon_as_it_was_started_leaves_nothing_behind(deployment: Deployment):
    for _ in range(2):
        async with deployment.started():
            pass
