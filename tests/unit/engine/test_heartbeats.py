"""R13, R16, R21: what a heartbeat, a Join or Resume and a stream's `open` come to."""

import pytest
from support.beats import Beat
from unit.core.world import drift_of, licensed
from unit.engine.led import SPAN, Led, join
from unit.engine.test_publication import Heard

from licd_daemon.core import commands as c
from licd_daemon.core.drift import Estimate, Level
from licd_daemon.core.model import EndReason, Seat, SessionStatus
from licd_daemon.core.view import NodeState
from licd_daemon.engine.clock_verdict import clock_verdict
from licd_daemon.engine.presence import SWING_MS, SWINGS

LIMIT = 5000


@pytest.fixture
def led() -> Led:
    """Two seats, held by `a` and `b`, whose streams are open."""
    led = Led(licensed(max_nodes=2).register("a", "b"))
    led.do(c.Resume("a", "a", 0), c.Resume("b", "b", 0))
    return led


def open_stream(led: Led, name: str) -> Heard:
    stream, granted = Heard(), led.engine.grant(name, led.served)
    assert granted is not None
    assert led.engine.open(name, granted.stream, stream, "") is not None
    return stream


def test_R13_a_heartbeat_renews_its_lease_and_no_other(led: Led) -> None:
    led.served += SPAN - 1
    assert led.beat("a", 1)
    led.served += 1
    led.do()
    assert (led.status("a"), led.status("b")) == (SessionStatus.LIVE, SessionStatus.LOST)


def test_R16_a_sequence_that_does_not_rise_ends_the_stream_and_renews_nothing(led: Led) -> None:
    stream = open_stream(led, "a")
    assert led.beat("a", 7)
    led.served += SPAN
    assert not led.beat("a", 7)
    assert stream.words[-1] == "REFUSED"
    led.do()
    assert led.status("a") is SessionStatus.LOST


def test_R31_a_heartbeat_that_comes_without_the_lead_is_not_acknowledged(led: Led) -> None:
    presence = led.presence("a")
    assert not led.engine.beat("a", presence, Beat(1, 0), 0.0, None)
    assert presence.heard_at is None


def test_R13_an_echoed_loss_frees_the_seat_with_the_next_batch(led: Led) -> None:
    stream = open_stream(led, "a")
    led.do(join("waits"))
    led.do(c.ResetRegistration())
    assert led.engine.state.sessions["a"].seat is Seat.DRAINING
    assert led.beat("a", 1, stream.serials[0])
    assert not led.engine.acknowledged, "that one was a state with the seat"
    assert led.beat("a", 2, stream.serials[-1])
    assert led.engine.acknowledged == {"a"}
    assert led.do().state.sessions["a"].seat is Seat.NONE
    assert not led.engine.acknowledged


def test_R13_an_answer_renews_and_promises_only_what_holds_now(led: Led) -> None:
    granted = led.engine.grant("a", led.served)
    assert granted is not None
    assert granted.node_state is NodeState.LICENSED
    led.do(c.ResetRegistration())
    again = led.engine.grant("a", led.served)
    assert again is not None
    assert again.node_state is NodeState.PENDING
    assert again.stream > granted.stream
    led.do(c.EndSession("a", EndReason.EVICTED))
    assert led.engine.grant("a", led.served) is None


def test_R16_only_the_newest_number_opens_a_stream_and_only_once(led: Led) -> None:
    older, newer = led.engine.grant("a", led.served), led.engine.grant("a", led.served)
    assert older is not None
    assert newer is not None
    assert led.engine.open("a", older.stream, Heard(), "") is None
    stream = Heard()
    assert led.engine.open("a", newer.stream, stream, "") is led.presence("a")
    assert stream.words == ["LICENSED"]
    assert led.engine.open("a", newer.stream, Heard(), "") is None


def test_R16_only_who_brings_the_nonce_back_is_a_copy(led: Led) -> None:
    presence = led.presence("a")
    assert not presence.copied("", "first")
    assert not presence.copied("guessed", "second")
    assert not presence.copied("first", "third")
    assert presence.copied("third", "fourth")


def verdict(led: Led, level: Level | None, *, astray: bool = False) -> c.JudgeClock | None:
    presence = led.presence("a")
    presence.estimate = Estimate(12_300, 4)
    return clock_verdict(led.engine.state, "a", presence, level, LIMIT, astray=astray)


def test_R21_a_verdict_on_a_clock_is_told_once(led: Led) -> None:
    assert verdict(led, None) is None
    assert verdict(led, Level.FINE) is None
    told = verdict(led, Level.OVER)
    assert told is not None
    assert told.failure == drift_of("a")
    led.do(told)
    assert verdict(led, Level.OVER) is None
    healed = verdict(led, Level.FINE)
    assert healed is not None
    assert healed.failure is None


def test_R21_a_leader_that_is_not_sure_of_its_clock_blames_nobody(led: Led) -> None:
    assert verdict(led, Level.OVER, astray=True) is None
    told = verdict(led, Level.OVER)
    assert told is not None
    led.do(told)
    cleared = verdict(led, Level.OVER, astray=True)
    assert cleared is not None
    assert (cleared.failure, cleared.warning) == (None, None)


def test_R36_a_clock_that_swings_is_judged_less_and_less_often(led: Led) -> None:
    presence = led.presence("a")
    for _ in range(SWINGS):
        presence.clock_judged(led.served)
    assert presence.sample_due == 0
    presence.clock_judged(led.served)
    assert presence.sample_due == led.served + SWING_MS
    later = led.served + 2 * SWING_MS
    presence.clock_judged(later)
    assert presence.sample_due < later, "once calm, it is judged as any other"
