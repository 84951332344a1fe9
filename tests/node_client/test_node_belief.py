"""The pure core: what a node may believe (R13-R16) and its pace, over every order of events."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_client import Failure, NodeState
from node_client.belief import Answer, Belief, OlderEpochError
from node_client.pace import BURST, SLOWEST_RETRY, Pace, retry_delay

WORDS = [NodeState.PENDING, NodeState.LICENSED, NodeState.WAITING, NodeState.REJECTED]
LICENSED = Answer("s", epoch=1, lease_ttl=15, heartbeat_interval=5, reported=NodeState.LICENSED)
TTLS = st.floats(0, 20)

answers = st.builds(
    Answer, st.just("s"), st.integers(0, 4), TTLS, st.just(5.0), st.sampled_from(WORDS), st.just(())
).map(lambda answer: ("answered", answer))
acks = st.tuples(st.just("acknowledged"), st.integers(0, 4), TTLS)
states = st.tuples(st.just("told"), st.integers(0, 6), st.sampled_from(WORDS))
others = st.sampled_from([("forgotten",), ("closed",)])
steps = st.lists(st.tuples(st.floats(0, 8), st.floats(0, 8), st.one_of(answers, acks, states, others)), max_size=30)


@dataclasses.dataclass
class Model:
    """R13-R15 once more, told as history: what was last said, and what was sent when."""

    now: float = 0.0
    reported: NodeState | None = None
    until: float = -math.inf
    epoch: int = 0
    serial: int = 0
    closed: bool = False


def play(model: Model, belief: Belief, step: tuple[float, float, tuple[object, ...]]) -> Belief:
    """One message, sent `age` before it is read."""
    pause, age, event = step
    model.now += pause
    sent = model.now - age
    match event:
        case ("answered", Answer() as answer):
            if model.closed:
                return belief.answered(answer, sent=sent)
            if answer.epoch < model.epoch:
                with pytest.raises(OlderEpochError):
                    belief.answered(answer, sent=sent)
                return belief
            model.epoch, model.reported, model.until = answer.epoch, answer.reported, sent + answer.lease_ttl
            return belief.answered(answer, sent=sent)
        case ("acknowledged", int() as epoch, float() as ttl):
            if epoch < model.epoch and not model.closed:
                with pytest.raises(OlderEpochError):
                    belief.acknowledged(epoch=epoch, lease_ttl=ttl, sent=sent, now=model.now)
                return belief
            if model.now < model.until:
                model.until = max(model.until, sent + ttl)
            model.epoch = max(model.epoch, epoch)
            return belief.acknowledged(epoch=epoch, lease_ttl=ttl, sent=sent, now=model.now)
        case ("told", int() as serial, NodeState() as reported):
            if serial > model.serial:
                model.serial, model.reported = serial, reported
            return belief.informed(serial, reported, ())
        case ("forgotten",):
            model.reported, model.until, model.serial = None, -math.inf, 0
            return belief.forgotten()
    model.closed = True
    return belief.ended(NodeState.CLOSED)


@given(steps)
def test_r15_licensed_only_while_the_last_word_was_licensed_and_the_lease_runs(
    history: list[tuple[float, float, tuple[object, ...]]],
) -> None:
    model, belief = Model(), Belief()
    for step in history:
        belief = play(model, belief, step)
        for instant in (model.now, model.until - 1e-6, model.until, model.until + 1):
            expected = not model.closed and model.reported is NodeState.LICENSED and instant < model.until
            assert belief.status_at(instant).licensed is expected
            assert (belief.state_at(instant) is NodeState.LICENSED) is expected
            assert (belief.status_at(instant).lease_left > 0) is expected


@given(steps)
def test_r15_what_is_closed_never_believes_again(history: list[tuple[float, float, tuple[object, ...]]]) -> None:
    model, belief = Model(closed=True), Belief().answered(LICENSED, sent=0).ended(NodeState.CLOSED)
    for step in history:
        belief = play(model, belief, step)
        assert belief.state_at(model.now) is NodeState.CLOSED


def test_an_acknowledgement_alone_never_licenses() -> None:
    pending = Belief().answered(dataclasses.replace(LICENSED, reported=NodeState.PENDING), sent=0)
    assert not pending.acknowledged(epoch=1, lease_ttl=15, sent=1, now=1).status_at(2).licensed


def test_an_acknowledgement_revives_no_lease_that_has_ended() -> None:
    lapsed = Belief().answered(LICENSED, sent=0).acknowledged(epoch=1, lease_ttl=15, sent=14, now=15.5)
    assert lapsed.state_at(15.5) is NodeState.JEOPARDY
    assert lapsed.answered(LICENSED, sent=16).state_at(17) is NodeState.LICENSED


def test_the_highest_epoch_is_remembered_over_sessions() -> None:
    belief = Belief().answered(dataclasses.replace(LICENSED, epoch=7), sent=0).forgotten()
    with pytest.raises(OlderEpochError, match="epoch 6, this node has seen epoch 7"):
        belief.answered(dataclasses.replace(LICENSED, epoch=6), sent=1)


def test_r14_an_epoch_of_the_same_number_is_told_apart_by_its_id() -> None:
    first = dataclasses.replace(LICENSED, epoch=7, epoch_id="a" * 32)
    other = dataclasses.replace(first, epoch_id="b" * 32)
    seen = Belief().answered(first, sent=0)
    kept = seen.acknowledged(epoch=7, lease_ttl=15, sent=1, now=1)
    for belief in (seen, kept, kept.forgotten(), kept.answered(dataclasses.replace(first, epoch_id=""), sent=2)):
        with pytest.raises(OlderEpochError, match=f"epoch 7 .{'b' * 32}., this node has seen epoch 7 .{'a' * 32}."):
            belief.answered(other, sent=3)
        assert belief.answered(dataclasses.replace(other, epoch=8), sent=3).epoch_id == "b" * 32
    unnamed = Belief().answered(dataclasses.replace(first, epoch_id=""), sent=0)
    assert unnamed.answered(other, sent=1).epoch_id == "b" * 32, "0.1.0 gave no id"


def test_a_daemon_that_cannot_be_reached_takes_nothing_away_while_the_lease_runs() -> None:
    belief = Belief().answered(LICENSED, sent=0).troubled(Failure("UNREACHABLE", "away"))
    assert belief.status_at(14.9).licensed
    assert [failure.reason for failure in belief.status_at(14.9).failures] == ["UNREACHABLE"]


@given(st.lists(st.tuples(st.floats(0, 10), st.sampled_from(["beat", "ack", "news", "reopen"]), st.floats(0, 1))))
def test_r16_sequences_rise_strictly_with_one_heartbeat_under_way(moves: list[tuple[float, str, float]]) -> None:
    now, pace, sent = 0.0, Pace().opened(0, 5), []
    for pause, move, chance in moves:
        now += pause
        if pace.beats_at(now):
            pace = pace.beaten(now)
            sent.append(pace.sequence)
        elif move == "ack" and pace.sent is not None:
            pace = pace.acknowledged(now, 5, chance)
        elif move == "news":
            pace = pace.hurried(now)
        elif move == "reopen" or pace.dead_at(now):
            pace = pace.stopped().opened(now, 5)
    assert sent == list(range(1, len(sent) + 1))


def test_r14_a_burst_then_one_heartbeat_an_interval_jittered_by_a_tenth() -> None:
    pace = Pace().opened(100, 5)
    for _ in range(BURST - 1):
        assert pace.beats_at(100)
        pace = pace.beaten(100).acknowledged(100, 5, 0.5)
    for chance, due in ((0.0, 104.5), (1.0, 105.5)):
        assert pace.beaten(100).acknowledged(100, 5, chance).next_at() == pytest.approx(due)


def test_a_stream_without_an_acknowledgement_within_an_interval_is_dead() -> None:
    pace = Pace().opened(100, 5).beaten(100)
    assert not pace.beats_at(200)
    assert not pace.dead_at(104.9)
    assert pace.dead_at(105)


def test_a_daemon_that_names_no_interval_does_not_make_the_node_spin() -> None:
    pace = Pace().opened(0, 0)
    for _ in range(BURST):
        pace = pace.beaten(0).acknowledged(0, 0, 0)
    assert pace.next_at() > 0.04


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_retries_start_at_once_and_slow_down_to_five_seconds(failures: int, chance: float) -> None:
    delay = retry_delay(failures, 5.0, chance)
    assert 0 <= delay <= SLOWEST_RETRY
    assert delay <= 0.1 or failures > 1
    assert delay >= SLOWEST_RETRY / 2 or failures < 7
