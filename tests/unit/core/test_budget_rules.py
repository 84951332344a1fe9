"""R36: what one token and one peer can make the daemon keep."""

import pytest
from unit.core.world import APPLICATION, World, licensed, refused

from licd_daemon.core import budget
from licd_daemon.core import commands as c
from licd_daemon.core.budget import network_of
from licd_daemon.core.model import Actor, Role

FEW = 4


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "LEAST_PLACES", FEW)


def by(token: str, address: str) -> Actor:
    return Actor(Role.NODE, "token", token, token, address)


def join(w: World, name: str, actor: Actor) -> None:
    w.do(c.Join(name, name, name, name, APPLICATION, actor=actor))


def test_R36_a_token_has_so_many_sessions_without_a_seat_and_no_more() -> None:
    w = World()
    for number in range(FEW):
        join(w, f"n{number}", by("t", f"10.0.0.{number}"))
    with refused("RATE_LIMITED") as caught:
        join(w, "more", by("t", "10.0.0.99"))
    assert w.events == ()
    assert "more" not in w.state.sessions
    assert caught[0].metadata == {"budget": "places"}
    assert caught[0].retry_after_ms == budget.RETRY_MS
    assert "token t" in caught[0].message
    join(w, "another", by("another", "10.0.0.99"))


def test_R36_a_peer_has_half_of_a_tokens_places() -> None:
    w = World()
    for number in range(FEW // 2):
        join(w, f"n{number}", by("t", f"2001:db8::{number}"))
    with refused("RATE_LIMITED") as caught:
        join(w, "more", by("t", "2001:db8::ffff"))
    assert "address 2001:db8::/64" in caught[0].message
    join(w, "elsewhere", by("t", "2001:db8:0:1::1"))


def test_R36_a_place_is_free_again_when_its_session_has_a_seat_or_has_ended() -> None:
    w = licensed(max_nodes=1)
    join(w, "a", by("t", "10.0.0.1"))
    join(w, "b", by("t", "10.0.0.1"))
    w.leave("b")
    w.register()
    for name in ("c", "d"):
        join(w, name, by("t", "10.0.0.1"))
    with refused("RATE_LIMITED"):
        join(w, "e", by("t", "10.0.0.1"))
    w.silent("c")
    join(w, "e", by("t", "10.0.0.1"))
    w.restart()
    with refused("RATE_LIMITED"):
        join(w, "f", by("t", "10.0.0.1"))


def test_R36_who_is_in_is_not_refused_a_repeated_join_or_a_resume() -> None:
    w = World()
    for number in range(FEW // 2):
        join(w, f"n{number}", by("t", "10.0.0.1"))
    join(w, "n0", by("t", "10.0.0.1"))
    w.do(c.Resume("n0", "n0", actor=by("t", "10.0.0.1")))


def test_R36_a_whole_cluster_may_be_deployed_again_next_to_the_sessions_that_it_left_behind() -> None:
    w = licensed(max_nodes=100)
    for number in range(200):
        join(w, f"n{number}", by("t", "10.0.0.1"))


def test_R36_of_those_who_had_a_seat_only_so_many_are_remembered() -> None:
    w = licensed(max_nodes=1).register("first")
    for number in range(2 * FEW):
        w.join(f"n{number}")
        w.heard("first")
        w.leave("first" if number == 0 else f"n{number - 1}")
        w.forget("first")
    gone = [name for name, session in w.state.sessions.items() if session.since is not None]
    assert "first" not in gone
    assert len(gone) == 2 * FEW - 1, "the others' turn comes when they are the oldest"
    assert w.state.tally.gone == len(gone)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("a:b", "a:b"),
        ("", ""),
    ],
)
def test_R36_a_peer_is_an_address_or_a_network_of_64_bits(address: str, network: str) -> None:
    assert network_of(address) == network
