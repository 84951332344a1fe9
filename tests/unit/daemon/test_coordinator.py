"""The single writer: batches, durable before answered, and what it does without its journal or its lead (R31, R33)."""

import asyncio

import pytest
from support.waiting import until
from unit.core.world import LEASE
from unit.daemon.deployment import Deployment, join_of, leave_of, register, resume_of

from licd_daemon.coordinator import write_queue
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import budget
from licd_daemon.core import commands as c
from licd_daemon.core.leases import Deadline, with_margin
from licd_daemon.core.model import EndReason, Seat, SessionStatus, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.view import registration_state


async def refusal_of(submitted: "asyncio.Future[State] | asyncio.Task[State]") -> Refused:
    """Why a command was refused, without waiting for ever."""
    async with asyncio.timeout(20):
        with pytest.raises(Refused) as caught:
            await submitted
    return caught.value


def submit_all(coordinator: Coordinator, *commands: c.Command) -> list["asyncio.Task[State]"]:
    return [asyncio.create_task(coordinator.submit(command)) for command in commands]


async def test_many_commands_share_few_appends(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        before = len(deployment.journal.appends)
        await asyncio.gather(*submit_all(coordinator, *(join_of(f"node-{n}") for n in range(500))))
        assert coordinator.state.tally.live == 500
        assert len(deployment.journal.appends) - before <= 4


async def test_nothing_is_answered_or_shown_before_it_is_durable(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        journal = deployment.journal
        journal.hold = asyncio.Event()
        asked = journal.asked
        change = coordinator.news.next_change()
        (submitted,) = submit_all(coordinator, join_of("a"))
        await until(lambda: journal.asked > asked)
        assert not submitted.done()
        assert not change.is_set()
        assert "a" not in coordinator.state.sessions
        assert coordinator.presences.get("a") is None
        journal.hold.set()
        state = await submitted
        assert state.sessions["a"].status is SessionStatus.LIVE
        assert coordinator.presences.get("a") is not None
        assert change.is_set()


async def test_commands_that_arrive_during_an_append_go_into_the_next(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        journal = deployment.journal
        journal.hold = asyncio.Event()
        asked = journal.asked
        first = submit_all(coordinator, join_of("first"))
        await until(lambda: journal.asked > asked)
        others = submit_all(coordinator, *(join_of(f"node-{n}") for n in range(10)))
        await asyncio.sleep(0)
        journal.hold.set()
        await asyncio.gather(*first, *others)
        assert journal.appends[-2:] == [1, 10]


async def test_a_refused_command_in_a_batch_is_its_own_affair(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        good, bad, also_good = submit_all(coordinator, join_of("a"), resume_of("unknown"), join_of("b"))
        assert (await refusal_of(bad)).reason is Reason.SESSION_EXPIRED
        assert set((await good).sessions) == set((await also_good).sessions) == {"a", "b"}


async def test_R33_an_append_that_fails_takes_everything_back_and_works_again_by_itself(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await register(coordinator, "a")
        before = coordinator.state
        deployment.journal.orders = ["fail"]
        submitted = submit_all(coordinator, join_of("b"), c.ResetRegistration())
        for task in submitted:
            refusal = await refusal_of(task)
            assert refusal.reason is Reason.JOURNAL_UNAVAILABLE
            assert refusal.retry_after_ms
        assert coordinator.state == before
        assert coordinator.presences.get("b") is None
        await until(lambda: coordinator.serving)  # nobody asks for anything meanwhile
        state = await coordinator.submit(join_of("b"))
        assert state.sessions["b"].node_name == "b"
        assert str(registration_state(state)) == "REGISTERED"
    assert await deployment.journal.verify()


async def test_R33_while_the_journal_fails_it_says_so_and_leads_on(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        deployment.journal.orders = ["fail"] * 3
        (submitted,) = submit_all(coordinator, join_of("a"))
        await refusal_of(submitted)
        assert not coordinator.serving
        assert coordinator.leads()
        await until(lambda: coordinator.serving)
        assert deployment.journal.orders == []


async def test_R33_held_seats_are_renewed_while_the_journal_fails(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        await register(coordinator, "a")
        deployment.journal.orders = ["fail"] * 1000
        (submitted,) = submit_all(coordinator, join_of("b"))
        await refusal_of(submitted)
        for _ in range(40):
            deployment.time.later(500)
            assert coordinator.leads()
            assert coordinator.leases.renew("a", coordinator.now().served)
        assert coordinator.state.tally.held == 1
        deployment.journal.orders = []
        await until(lambda: coordinator.serving)
        assert coordinator.state.tally.held == 1


async def test_an_append_of_unknown_outcome_that_is_lost_is_refused(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await coordinator.submit(join_of("a"))
        deployment.journal.orders = ["lost"]
        (submitted,) = submit_all(coordinator, join_of("b"))
        assert (await refusal_of(submitted)).reason is Reason.JOURNAL_UNAVAILABLE
        await until(lambda: coordinator.serving)
        assert sorted(coordinator.state.sessions) == ["a"]
        assert sorted((await coordinator.submit(join_of("b"))).sessions) == ["a", "b"]


async def test_an_append_of_unknown_outcome_that_was_written_is_read_back(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await coordinator.submit(join_of("a"))
        deployment.journal.orders = ["written"]
        (submitted,) = submit_all(coordinator, join_of("b"))
        await asyncio.wait([submitted])
        await until(lambda: coordinator.serving)
        assert sorted(coordinator.state.sessions) == ["a", "b"]
        assert sorted((await coordinator.submit(join_of("b"))).sessions) == ["a", "b"]  # the same join again
        assert coordinator.leases.renew("b", coordinator.now().served)
        assert await deployment.journal.verify()


async def test_R33_what_changes_nothing_is_answered_while_the_journal_fails(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await register(coordinator, "a")
        deployment.journal.orders = ["fail"] * 1000
        (submitted,) = submit_all(coordinator, join_of("b"))
        await refusal_of(submitted)
        assert (await coordinator.submit(resume_of("a"))).sessions["a"].seat is Seat.HELD
        (submitted,) = submit_all(coordinator, resume_of("unknown"))
        assert (await refusal_of(submitted)).reason is Reason.SESSION_EXPIRED
        assert not coordinator.serving


async def test_leases_taken_out_as_over_start_afresh_when_the_append_fails(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        await register(coordinator, "a")
        await until(lambda: coordinator.serving)
        journal = deployment.journal
        journal.orders = ["fail"]
        await pass_served(deployment, coordinator, with_margin(LEASE) + 500)
        await until(lambda: journal.orders == [])
        assert coordinator.leases.renew("a", coordinator.now().served)
        await until(lambda: coordinator.serving)
        assert coordinator.state.tally.held == 1


async def pass_served(deployment: Deployment, coordinator: Coordinator, ms: int) -> None:
    """Served time goes by, read often enough."""
    for _ in range(0, ms, 500):
        deployment.time.later(500)
        coordinator.now()


async def test_R14_a_silent_node_is_lost_when_its_lease_ends(deployment: Deployment) -> None:
    async with deployment.started(told_time=True) as coordinator:
        await register(coordinator, "a", "b")
        await pass_served(deployment, coordinator, LEASE - 1000)
        assert coordinator.leases.renew("b", coordinator.now().served)
        await pass_served(deployment, coordinator, 2000)
        await until(lambda: coordinator.state.sessions["a"].status is SessionStatus.LOST)
        assert coordinator.state.sessions["b"].status is SessionStatus.LIVE


@pytest.mark.parametrize("order", ["fail", "lost"])
async def test_R13_an_acknowledged_loss_that_could_not_be_written_is_over_with_its_lease(
    deployment: Deployment, order: str
) -> None:
    async with deployment.started(told_time=True, interval_ms=5000) as coordinator:
        await register(coordinator, "a")
        await coordinator.submit(c.ResetRegistration())
        deployment.journal.orders = [order] * 2
        coordinator.engine.acknowledged.add("a")
        coordinator.wake()
        await until(lambda: not coordinator.serving)
        coordinator.engine.acknowledged.add("a")
        coordinator.wake()
        await until(lambda: coordinator.serving)
        assert coordinator.state.sessions["a"].seat is Seat.DRAINING
        for _ in range(0, with_margin(LEASE) + 5500, 500):
            await pass_served(deployment, coordinator, 500)
            assert coordinator.leases.renew("a", coordinator.now().served)
        await until(lambda: coordinator.state.sessions["a"].seat is Seat.NONE)
        assert coordinator.state.sessions["a"].status is SessionStatus.LIVE


async def test_R18_a_stall_of_the_daemon_ends_no_lease(deployment: Deployment) -> None:
    """SIGSTOP, a suspended machine, a slow disk: the clock has moved on, and nobody could have sent a heartbeat."""
    async with deployment.started(told_time=True) as coordinator:
        await register(coordinator, "a")
        for _ in range(3):
            deployment.time.later(10 * LEASE)
            await coordinator.submit(c.Tick())
        assert coordinator.state.sessions["a"].status is SessionStatus.LIVE
        assert coordinator.leases.renew("a", coordinator.now().served)


async def test_R31_without_proof_of_leadership_nothing_is_acknowledged(deployment: Deployment) -> None:
    async with deployment.started(interval_ms=2000) as coordinator:
        await register(coordinator, "a")
        before = coordinator.state
        await deployment.lead_is_taken(coordinator)
        for command in (join_of("b"), resume_of("a"), c.ResetRegistration()):
            (submitted,) = submit_all(coordinator, command)
            assert (await refusal_of(submitted)).reason is Reason.NOT_LEADER
        assert coordinator.state == before
        assert not coordinator.serving


async def test_R31_a_lead_lost_during_an_append_is_not_acknowledged_either(deployment: Deployment) -> None:
    async with deployment.started(interval_ms=2000) as coordinator:
        journal = deployment.journal
        journal.hold = asyncio.Event()
        asked = journal.asked
        (submitted,) = submit_all(coordinator, join_of("a"))
        await until(lambda: journal.asked > asked)
        await deployment.lead_is_taken(coordinator)
        journal.hold.set()
        assert (await refusal_of(submitted)).reason is Reason.NOT_LEADER


async def test_R18_a_restart_gives_the_same_state_from_the_snapshot(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await register(coordinator, "a", "b")
        state, position = coordinator.state, coordinator.position
    snapshot, records = await deployment.journal.load()
    assert snapshot is not None
    assert snapshot.head.position == position
    assert not records
    async with deployment.started() as coordinator:
        assert coordinator.state.epoch == 2
        assert coordinator.state.registration is not None
        assert coordinator.state.registration.registered_at == state.registration.registered_at  # type: ignore[union-attr]
        assert {key: session.seat for key, session in coordinator.state.sessions.items()} == {
            key: session.seat for key, session in state.sessions.items()
        }
        assert all(session.status is SessionStatus.AWAITED for session in coordinator.state.sessions.values())
        assert coordinator.state.recovering
        assert (await coordinator.submit(resume_of("a"))).recovering is False


async def test_a_snapshot_of_another_version_is_left_out_and_the_entries_are_replayed(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        state = await register(coordinator, "a")
    snapshot, _ = await deployment.journal.load()
    assert snapshot is not None
    await deployment.journal.save_snapshot(type(snapshot)(snapshot.head, b'{"version":0}'))
    async with deployment.started() as coordinator:
        assert coordinator.state.license == state.license
        assert coordinator.state.sessions["a"].status is SessionStatus.AWAITED


async def test_R18_after_a_restart_every_recorded_holder_has_a_lease(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await register(coordinator, "a", "b")
        await coordinator.submit(c.EndSession("b", EndReason.EVICTED))
    async with deployment.started(told_time=True) as coordinator:
        assert coordinator.leases.renew("a", coordinator.now().served)
        due = list(coordinator.leases.due(coordinator.now().served + 10 * 60_000))
        assert (Deadline.LEASE, "a") in due
        assert (Deadline.DRAIN, "b") in due


async def test_a_daemon_that_stops_refuses_what_comes(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        pass
    (submitted,) = submit_all(coordinator, join_of("a"))
    assert (await refusal_of(submitted)).reason is Reason.STOPPING
    assert not coordinator.leads()
    await coordinator.stop()


async def test_R14_each_start_is_an_entry_of_its_own(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await coordinator.submit(join_of("a"))
        head = await deployment.journal.verify()
    async with deployment.started() as coordinator:
        assert "a" in coordinator.state.sessions
        assert coordinator.position == head.position + 1


async def test_R36_a_flood_of_nodes_is_bounded_and_keeps_no_administrator_waiting(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(write_queue._NODES, c.Join, 600)
    async with deployment.started() as coordinator:
        journal = deployment.journal
        journal.hold = asyncio.Event()
        asked = journal.asked
        first = submit_all(coordinator, join_of("first"))
        await until(lambda: journal.asked > asked)
        flood = submit_all(coordinator, *(join_of(f"node-{n}") for n in range(700)))
        await asyncio.sleep(0)
        refusals = [task for task in flood if task.done()]
        assert len(refusals) == 100
        refusal = await refusal_of(refusals[0])
        assert refusal.reason is Reason.RATE_LIMITED
        assert refusal.retry_after_ms
        leaving, reset = submit_all(coordinator, leave_of("first"), c.ResetRegistration())
        journal.hold.set()
        joined = (await reset).tally.live
        assert joined < 600, "the administrator was answered before the whole flood"
        await leaving
        await asyncio.gather(*first, *flood, return_exceptions=True)
        assert coordinator.state.tally.live == 600
        assert coordinator.queue.refused == 100


async def test_R36_sessions_that_ended_are_forgotten_where_there_are_many(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "LEAST_PLACES", 20)
    async with deployment.started() as coordinator:
        names = [f"node-{n}" for n in range(9)]
        for name in names:
            await coordinator.submit(join_of(name))
        for name in names:
            await coordinator.submit(c.EndSession(name, EndReason.EVICTED))
        monkeypatch.setattr(budget, "LEAST_PLACES", 3)
        await until(lambda: set(coordinator.state.sessions) == set(names[-3:]))


def test_R36_what_a_node_may_ask_for_waits_among_nodes() -> None:
    asked = {c.Join, c.Resume, c.Prove, c.Leave, c.JudgeClock, c.Enroll}
    assert set(write_queue._NODES) == asked
    assert write_queue._NODES[c.Leave] > write_queue._NODES[c.Join], "a seat that is left is room for others"
