"""R8, R9, R24: which codes can be judged, and what one that comes again is answered."""

import pytest
from unit.core.world import World, licensed, refused

from licd_daemon.engine.codes import Codes, Verifier


def kept(challenge_id: str) -> Codes:
    codes = Codes()
    codes.keep(Verifier(challenge_id, 1_000_000, 400, b"salt", b"stretched"))
    return codes


@pytest.fixture
def world() -> World:
    world = licensed()
    world.join("a")
    return world


def test_R9_only_the_challenge_that_a_verifier_is_kept_of_has_right_codes(world: World) -> None:
    challenge = world.challenge()
    codes = kept(challenge)
    verifier = codes.verifier(challenge)
    assert verifier is not None
    assert verifier.matches(b"stretched")
    assert not verifier.matches(b"another")
    assert codes.verifier("another") is None
    assert not codes.repeats(world.state, challenge, world.now)
    assert not codes.repeats(world.state, "another", world.now)


def test_a_challenge_in_force_without_a_verifier_takes_no_code(world: World) -> None:
    challenge = world.challenge()
    with refused("CHALLENGE_EXPIRED"):
        kept("the one before").repeats(world.state, challenge, world.now)


def test_R8_an_accepted_code_gives_the_same_answer_and_no_other_does(world: World) -> None:
    challenge = world.challenge()
    world.code(challenge)
    codes = kept(challenge)
    assert codes.repeats(world.state, challenge, world.now)
    codes.settle_repeat(right=True)
    with refused("CHALLENGE_EXPIRED"):
        codes.settle_repeat(right=False)


def test_R24_a_right_code_says_what_the_wall_clock_was_and_so_is_now() -> None:
    verifier = kept("x").verifier("x")
    assert verifier is not None
    assert verifier.confirmed_wall(900) == 1_000_500
