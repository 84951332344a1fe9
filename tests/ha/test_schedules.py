"""R13, R17, R18, R32 under seeded faults: three etcd servers, three daemons, four nodes for three seats (`world.py`).

More of them: `PYTHONPATH=tests python -m ha.run FIRST COUNT`.
"""

import signal
from collections.abc import Iterator

import pytest
from ha.world import World
from support.waiting import eventually

SEEDS = range(1, 5)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    made = World()
    try:
        made.begin()
        yield made
    finally:
        made.close()


def told(world: World, violations: list[str]) -> str:
    return "\n".join((*world.checker.history, *violations))


def leader_of(world: World) -> int:
    """Its number, as soon as one proves that it leads."""
    (number,) = eventually(lambda: [number for number in (world.leader(),) if number is not None], 20)
    return number


def test_r13_r17_r32_hold_under_faults(world: World) -> None:
    for seed in SEEDS:
        violations = world.play(seed)
        assert not violations, told(world, violations)


def test_r32_a_leader_that_is_cut_from_etcd_stops_before_another_leads(world: World) -> None:
    number = leader_of(world)
    for way in world.ways[number]:
        way.cut()
    eventually(lambda: world.leader() not in (None, number), 20)
    # The other one leads for longer than a heartbeat, while this one still has its nodes.
    heard = len(world.checker.answers)
    eventually(lambda: len(world.checker.answers) > heard + 30)
    world.heal()
    violations = world.judge("the cut")
    assert not violations, told(world, violations)


def test_r32_a_leader_that_was_stopped_beyond_its_lease_answers_nothing_stale(world: World) -> None:
    number = leader_of(world)
    stopped = world.several.daemons[number].process
    assert stopped is not None
    stopped.send_signal(signal.SIGSTOP)
    world.stopped.add(number)
    eventually(lambda: world.leader() not in (None, number), 20)
    world.heal()
    violations = world.judge("the stop")
    assert not violations, told(world, violations)


def test_r18_everything_restarts_one_by_one(world: World) -> None:
    for member in world.etcd.members:
        member.kill()
        world.etcd.start(member)
    for daemon in world.several.daemons:
        assert daemon.stop() == 0
        daemon.start()
    violations = world.judge("a rolling restart")
    assert not violations, told(world, violations)
