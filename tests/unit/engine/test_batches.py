"""R13, R17, R18, R33: what a batch comes to, and what follows once it is durable or is not."""

from collections.abc import Sequence

from unit.core.world import licensed
from unit.engine.led import SPAN, Led, join

from licd_daemon.core import commands as c
from licd_daemon.core.events import SeatGranted, SessionForgotten, SessionJoined, TimeMarked
from licd_daemon.core.model import EndReason, Seat, SessionStatus
from licd_daemon.core.refusal import Reason, Refused


def reasons(refusals: Sequence[Refused | None]) -> list[Reason | None]:
    return [refusal.reason if refusal else None for refusal in refusals]


def test_R33_nobody_sees_a_batch_before_it_is_durable() -> None:
    led = Led(licensed())
    before = led.engine.state
    batch = led.begin(join("a"))
    assert any(type(event) is SessionJoined for event in batch.events)
    assert led.engine.state is before
    assert led.engine.presences.get("a") is None
    assert not led.engine.leases.renew("a", led.served)
    led.engine.committed(batch, led.served)
    assert led.engine.state is batch.state
    assert led.engine.presences.get("a") is not None
    assert led.engine.leases.renew("a", led.served)


def test_commands_of_a_batch_build_on_each_other_and_each_has_its_verdict() -> None:
    led = Led(licensed())
    batch = led.begin(join("a"), c.Resume("a", "another", 0), c.Resume("nobody", "x", 0), c.Leave("a", "a"))
    assert reasons(batch.refusals) == [None, Reason.WRONG_SECRET, Reason.SESSION_EXPIRED, None]
    assert [type(event) for event in batch.events][-1] is SessionForgotten


def test_R13_a_seat_that_silence_frees_goes_to_no_lease_that_is_over_at_that_instant() -> None:
    led = Led(licensed(max_nodes=2).register("a", "d"))
    led.do(c.Resume("a", "a", 0), c.Resume("d", "d", 0), join("waits"))
    led.beat("d", 1)
    led.served += SPAN - 1
    led.do()
    assert led.engine.leases.renew("d", led.served)
    led.served += 1
    batch = led.do()
    assert not any(type(event) is SeatGranted for event in batch.events)
    assert led.status("a") is SessionStatus.LOST
    assert "waits" not in led.engine.state.sessions


def test_R18_a_lease_is_over_while_its_append_runs_and_fresh_if_that_fails() -> None:
    led = Led(licensed().register("a"))
    led.do(c.Resume("a", "a", 0))
    led.served += 2 * SPAN
    batch = led.begin()
    assert batch.state.sessions["a"].status is SessionStatus.LOST
    assert not led.engine.leases.renew("a", led.served)
    led.engine.failed(batch, led.now)
    assert led.status("a") is SessionStatus.LIVE
    assert led.engine.leases.renew("a", led.served)
    led.served += 2 * SPAN
    led.do()
    led.do()
    assert led.status("a") is SessionStatus.LOST, "and judged again once it is over"


def test_R33_what_changes_nothing_is_answered_though_the_journal_fails() -> None:
    led = Led(licensed().register("a"))
    led.do(c.Resume("a", "a", 0))
    batch = led.begin(c.Resume("a", "a", 0), join("b"), c.Resume("nobody", "x", 0))
    refusals = led.engine.failed(batch, led.now)
    assert reasons(refusals) == [None, Reason.JOURNAL_UNAVAILABLE, Reason.SESSION_EXPIRED]
    assert "b" not in led.engine.state.sessions


def test_R17_after_a_failure_nothing_is_judged_until_something_was_durable() -> None:
    led = Led(licensed().register("a"))
    led.do(c.Resume("a", "a", 0))
    led.engine.failed(led.begin(), led.now)
    led.served += 2 * SPAN
    first = led.begin()
    assert [type(event) for event in first.events] == [TimeMarked], "which tries the journal"
    led.engine.committed(first, led.served)
    led.do()
    assert led.status("a") is SessionStatus.LOST


def test_R31_who_cannot_prove_to_lead_judges_no_lease() -> None:
    led = Led(licensed().register("a"))
    led.do(c.Resume("a", "a", 0))
    led.served += 2 * SPAN
    assert led.begin(leads=False).state.sessions["a"].status is SessionStatus.LIVE


def test_an_append_of_unknown_outcome_that_was_written_is_adopted() -> None:
    led = Led(licensed())
    batch = led.begin(join("a"))
    led.engine.restored(batch.state, led.served)
    assert led.status("a") is SessionStatus.LIVE
    assert led.engine.presences.get("a") is not None
    assert led.engine.leases.renew("a", led.served)


def test_R13_an_acknowledged_loss_drains_after_the_leases_and_before_the_commands() -> None:
    led = Led(licensed(max_nodes=1).register("a"))
    led.do(c.Resume("a", "a", 0), join("b"))
    led.do(c.EndSession("a", EndReason.EVICTED))
    assert led.engine.state.sessions["b"].seat is Seat.NONE
    led.engine.acknowledged.add("a")
    batch = led.do()
    assert batch.state.sessions["a"].seat is Seat.NONE


def test_R17_the_registration_that_ended_with_a_batch_is_told_once() -> None:
    led = Led(licensed().register("a"))
    led.do(c.Resume("a", "a", 0))
    batch = led.begin(c.Leave("a", "a"))
    ended = led.engine.committed(batch, led.served)
    assert ended is not None
    assert ended.nodes == ("a",)
    assert led.engine.committed(led.begin(join("b")), led.served) is None
