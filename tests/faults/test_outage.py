"""R41: the daemon is away for a day of simulated time; nodes are the real Driver and Belief, under licd-node's Loss."""

import dataclasses
import signal

import pytest
from faults.simulated import world as simulated
from faults.simulated.node import SimulatedNode
from faults.simulated.schedule import Schedule

from node_client.loss import Loss

DAY_S = 86_400.0
BEGINS_S = 60.0
LOSS_GRACE_S = 30.0
WITHIN_S = 10.0
LOOK_S = 1.0


class Watch:
    """licd-node of one node: looks at its license once a second, and keeps when it would have stopped the program."""

    def __init__(self, node: SimulatedNode) -> None:
        self.node = node
        self.loss = Loss(LOSS_GRACE_S)
        self.stopped: list[float] = []

    def look(self) -> None:
        now = self.node.machine.boottime()
        status = self.node.belief.status_at(now)
        self.loss, number = self.loss.seen(now, status)
        if number is signal.SIGTERM:
            self.stopped.append(self.node.timeline.now)


def outage(monkeypatch: pytest.MonkeyPatch, grace_s: int, away_s: float) -> tuple[simulated.World, list[Watch]]:
    """Three registered nodes, and a daemon that is killed and comes back."""
    license = dataclasses.replace(simulated.license_for(3), outage_grace_seconds=grace_s)
    monkeypatch.setattr(simulated, "license_for", lambda _: license)
    world = simulated.World(Schedule(41, max_nodes=3, first_nodes=3, later_nodes=0, window_s=300, steps=()))
    watches: list[Watch] = []

    def look() -> None:
        for watch in watches:
            watch.look()
        world.timeline.after(LOOK_S, look)

    with simulated._in_a_world_of_its_own(world):
        world.daemon.start()
        for _ in range(3):
            world.add_node()
        watches += [Watch(node) for node in world.nodes]
        world.timeline.at(3.0, world.register)
        world.timeline.at(BEGINS_S / 2, look)
        world.timeline.run(BEGINS_S)
        assert all(node.believes() for node in world.nodes)
        world.daemon.kill()
        world.timeline.run(BEGINS_S + away_s)
        assert not any(node.believes() for node in world.nodes)
        world.daemon.start()
        world.timeline.run(BEGINS_S + away_s + WITHIN_S)
        world.daemon.kill()
    return world, watches


def test_R41_a_day_without_the_daemon_stops_no_program_and_everybody_is_licensed_within_10_s_of_its_return(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, watches = outage(monkeypatch, int(DAY_S), DAY_S - 60)
    assert [watch.stopped for watch in watches] == [[], [], []]
    assert all(node.believes() for node in world.nodes)
    assert len(world.checker.state.sessions) == 3
    registration = world.checker.state.registration
    assert registration is not None
    assert world.checker.violations == []


def test_R41_beyond_the_grace_each_program_is_stopped_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world, watches = outage(monkeypatch, 900, 1200)
    for watch in watches:
        (stopped,) = watch.stopped
        # The last lease was counted from a heartbeat within an interval before the kill.
        assert 900 + 15 - 6 <= stopped - BEGINS_S <= 900 + 15 + 5
    assert all(node.believes() for node in world.nodes)
