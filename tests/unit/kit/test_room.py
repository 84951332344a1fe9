"""R36: who must go for a newcomer."""

from dataclasses import dataclass

import pytest

from licd_kit.web.room import Room, Stage


@dataclass(eq=False)
class Guest:
    peer: str
    since: float = 0.0
    stage: Stage = Stage.NO_REQUEST


def room_of(most: int, most_of_peer: int, *guests: Guest) -> Room[Guest]:
    room: Room[Guest] = Room(most, most_of_peer)
    for guest in guests:
        room.add(guest)
    return room


@pytest.mark.parametrize(
    ("goes", "stays"),
    [
        (Guest("a", 1), Guest("a", 2)),
        (Guest("a", 2), Guest("a", 1, Stage.WAITS_FOR_CLIENT)),
        (Guest("a", 2, Stage.WAITS_FOR_CLIENT), Guest("a", 1, Stage.AT_WORK)),
        (Guest("a", 2), Guest("a", 1, Stage.NEW)),
    ],
)
def test_R36_the_longest_idle_goes_first_and_nobody_who_is_at_work(goes: Guest, stays: Guest) -> None:
    assert room_of(2, 2, stays, goes).first_to_go("b") is goes


def test_R36_of_the_idle_one_of_the_peer_with_the_most_connections_goes() -> None:
    probe = Guest("probe", 0)
    crowd = [Guest("crowd", since) for since in (1, 2)]
    assert room_of(3, 3, probe, *crowd).first_to_go("probe") is crowd[0]


def test_R36_a_peer_at_its_own_bound_makes_room_for_itself() -> None:
    other = Guest("other", 0)
    own = [Guest("own", 1, Stage.AT_WORK), Guest("own", 2)]
    room = room_of(10, 2, other, *own)
    assert not room.full("other")
    assert room.full("own")
    assert room.first_to_go("own") is own[1]
    room.remove(own[1])
    room.remove(own[1])
    assert not room.full("own")


def test_R36_a_room_of_those_at_work_lets_nobody_in() -> None:
    room = room_of(1, 1, Guest("a", 0, Stage.AT_WORK))
    assert room.full("b")
    assert room.first_to_go("b") is None
