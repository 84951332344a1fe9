"""Pages of nodes: in the order of their joining, complete, and not put in order again for each page."""

from unit.daemon.deployment import Deployment, join_of, resume_of

from licd_daemon.core import commands as c
from licd_daemon.core.model import EndReason
from licd_daemon.operations.nodes import Roster


async def test_pages_give_every_node_once_in_the_order_of_joining(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        for number in range(7):
            await coordinator.submit(join_of(f"node-{number}"))
        roster, seen, after, more = Roster(), list[str](), 0, True
        while more:
            page, more = roster.after(coordinator.state, after, 3)
            seen += [session.node_name for session in page]
            after = page[-1].number
        assert seen == [f"node-{number}" for number in range(7)]


async def test_a_node_that_left_or_came_between_two_pages_is_not_missed(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        for number in range(4):
            await coordinator.submit(join_of(f"node-{number}"))
        roster = Roster()
        page, more = roster.after(coordinator.state, 0, 2)
        assert more
        await coordinator.submit(c.EndSession("node-2", EndReason.EVICTED))
        await coordinator.submit(join_of("node-4"))
        rest, more = roster.after(coordinator.state, page[-1].number, 2)
        assert [session.node_name for session in rest] == ["node-3", "node-4"]
        assert not more


async def test_pages_cost_no_new_order_while_nodes_only_beat(deployment: Deployment) -> None:
    async with deployment.started() as coordinator:
        await coordinator.submit(join_of("a"))
        before = coordinator.state.sessions
        await coordinator.submit(resume_of("a"))
        assert coordinator.state.sessions is before
