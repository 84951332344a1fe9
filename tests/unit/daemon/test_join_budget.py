"""R36: how many sessions a token and a peer may open within a time."""

import pytest
from immutables import Map
from unit.core.world import licensed, refused

from licd_daemon.coordinator import join_budget
from licd_daemon.coordinator.join_budget import JoinBudget
from licd_daemon.core.budget import LEAST_PLACES, REFILL_S
from licd_daemon.core.model import Actor, Role, State


class Clock:
    """Boottime in ms, as the test sets it."""

    now = 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(join_budget, "boottime_ms", lambda: clock.now)
    return clock


def node(address: str, token: str = "t") -> Actor:
    return Actor(Role.NODE, "token", token, "nodes", address)


def joins(budget: JoinBudget, state: State, count: int, address: str = "10.0.0.1") -> None:
    for number in range(count):
        budget.take(state, node(address), f"{address} {number}")


def test_R36_a_flood_of_joins_is_refused_and_the_budget_comes_back_in_time(clock: Clock) -> None:
    budget, state = JoinBudget(), State()
    joins(budget, state, LEAST_PLACES // 2)
    with refused("RATE_LIMITED") as caught:
        joins(budget, state, 1)
    assert "address 10.0.0.1" in caught[0].message
    assert budget.refused == {"joins": 1, "places": 0}
    clock.now += REFILL_S * 1000 // 2
    joins(budget, state, LEAST_PLACES // 4)
    with refused("RATE_LIMITED"):
        joins(budget, state, 1)


def test_R36_a_token_that_floods_from_many_addresses_is_refused_and_others_are_not(clock: Clock) -> None:
    budget, state = JoinBudget(), State()
    for number in range(LEAST_PLACES):
        joins(budget, state, 1, f"10.1.{number // 250}.{number % 250}")
    with refused("RATE_LIMITED") as caught:
        joins(budget, state, 1, "10.2.0.1")
    assert "token nodes" in caught[0].message
    budget.take(state, node("10.2.0.1", token="another"), "x")


@pytest.mark.usefixtures("clock")
def test_R36_showing_one_token_after_the_other_for_a_session_is_bounded_too() -> None:
    budget, world = JoinBudget(), licensed()
    world.token("t")
    world.join("a", token="t")
    for _ in range(LEAST_PLACES):
        budget.take_resume(world.state, node("10.0.0.1"), "a")
        budget.take_resume(world.state, node("10.0.0.1"), "unknown")
    with refused("RATE_LIMITED"):
        for _ in range(LEAST_PLACES):
            budget.take_resume(world.state, node("10.0.0.1", token="another"), "a")


@pytest.mark.usefixtures("clock")
def test_R36_ten_thousand_nodes_behind_one_address_join_at_once_and_again() -> None:
    budget, state = JoinBudget(), licensed(max_nodes=10_000).state
    joins(budget, state, 10_000)
    joins(budget, state, 10_000)


@pytest.mark.usefixtures("clock")
def test_R36_a_repeated_join_spends_nothing() -> None:
    budget, state = JoinBudget(), State(instances=Map({"here": "s"}))
    for _ in range(LEAST_PLACES):
        budget.take(state, node("10.0.0.1"), "here")
    assert list(budget.accounts()) == []


@pytest.mark.usefixtures("clock")
def test_R36_what_is_known_of_peers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join_budget, "MOST_ACCOUNTS", 10)
    budget = JoinBudget()
    for number in range(100):
        joins(budget, State(), 1, f"10.1.0.{number}")
    assert len(list(budget.accounts())) == 10
    assert next(account for account in budget.accounts() if account.share.key == "t").spent == 100
