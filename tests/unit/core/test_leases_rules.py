"""R13, R14, R16, R18: deadlines of leases, drains and memories."""

import pytest
from unit.core.world import LEASE, licensed

from licd_daemon.core.leases import Deadline, Leases, with_margin
from licd_daemon.core.model import RESUMABLE_MS

SPAN = with_margin(LEASE)


def due(leases: Leases, served: int) -> list[tuple[str, str]]:
    return [(kind.name, session_id) for kind, session_id in leases.due(served)]


def test_R13_the_daemon_waits_longer_than_the_node_believes() -> None:
    assert with_margin(15_000) == 15_301
    assert with_margin(1) == 2


def test_R14_a_lease_ends_at_its_instant_and_not_before() -> None:
    leases = Leases(LEASE)
    leases.grant("a", 1000)
    assert due(leases, 1000 + SPAN - 1) == []
    assert due(leases, 1000 + SPAN) == [("LEASE", "a")]
    assert due(leases, 1000 + 2 * SPAN) == []


def test_R14_each_heartbeat_renews() -> None:
    leases = Leases(LEASE)
    leases.grant("a", 0)
    for served in range(5000, 60_001, 5000):
        assert leases.renew("a", served)
        assert due(leases, served) == []
    assert due(leases, 60_000 + SPAN - 1) == []
    assert due(leases, 60_000 + SPAN) == [("LEASE", "a")]


def test_a_lease_that_is_over_is_not_renewed() -> None:
    leases = Leases(LEASE)
    leases.grant("a", 0)
    assert due(leases, SPAN) == [("LEASE", "a")]
    assert not leases.renew("a", SPAN)
    assert not leases.renew("unknown", SPAN)


def test_a_renewal_never_shortens() -> None:
    leases = Leases(LEASE)
    leases.grant("a", 1000)
    assert leases.renew("a", 0)
    assert due(leases, SPAN) == []


def test_R13_a_drain_is_frozen_when_the_withdrawal_was_told_whatever_is_renewed_after() -> None:
    leases = Leases(LEASE)
    leases.grant("a", 0)
    leases.renew("a", 5000)
    leases.drain("a", 6000)
    leases.renew("a", 10_000)
    leases.drain("a", 10_000)
    assert due(leases, 5000 + SPAN - 1) == []
    assert due(leases, 5000 + SPAN) == [("DRAIN", "a")]
    assert due(leases, 10_000 + SPAN) == [("LEASE", "a")]


def test_R13_a_drain_without_a_lease_lasts_a_whole_one() -> None:
    leases = Leases(LEASE)
    leases.drain("a", 1000)
    assert due(leases, 1000 + SPAN - 1) == []
    assert due(leases, 1000 + SPAN) == [("DRAIN", "a")]


def test_what_is_dropped_is_never_due() -> None:
    leases = Leases(LEASE)
    leases.grant("a", 0)
    leases.drain("a", 0)
    leases.remember("a", 0)
    for kind in Deadline:
        leases.drop(kind, "a")
        leases.drop(kind, "unknown")
    assert due(leases, 10 * RESUMABLE_MS) == []


def test_R16_a_lost_session_is_remembered_for_24_hours() -> None:
    leases = Leases(LEASE)
    leases.remember("a", 1000)
    assert due(leases, 1000 + RESUMABLE_MS - 1) == []
    assert due(leases, 1000 + RESUMABLE_MS) == [("MEMORY", "a")]


def test_what_is_due_comes_earliest_first() -> None:
    leases = Leases(LEASE)
    for served, name in ((3000, "c"), (1000, "a"), (2000, "b")):
        leases.grant(name, served)
    leases.renew("a", 4000)
    assert due(leases, 3000 + SPAN) == [("LEASE", "b"), ("LEASE", "c")]
    assert due(leases, 4000 + SPAN) == [("LEASE", "a")]


@pytest.mark.parametrize("handover", [0, 5000])
def test_R18_a_new_epoch_gives_every_recorded_holder_the_longest_lease_its_margin_and_the_handover(
    handover: int,
) -> None:
    w = licensed(max_nodes=2).register("live", "drains")
    w.evict("drains")
    w.restart(lease=60_000)
    w.restart(lease=LEASE)
    leases = Leases(LEASE)
    leases.promote(w.state, 1000, handover)
    until = 1000 + with_margin(60_000) + handover
    assert due(leases, until - 1) == []
    assert due(leases, until) == [("LEASE", "live"), ("DRAIN", "drains")]
    assert due(leases, RESUMABLE_MS) == [("MEMORY", "drains")]


def test_R18_a_session_that_returns_keeps_the_longer_lease_of_the_epoch_before() -> None:
    """Should the answer to its Resume be lost, its node believes in what the former daemon had acknowledged."""
    w = licensed(max_nodes=1).register("a")
    w.restart(lease=60_000)
    w.restart(lease=LEASE)
    leases = Leases(LEASE)
    leases.promote(w.state, 0, 0)
    leases.grant("a", 100)
    assert due(leases, 100 + SPAN) == []
    assert due(leases, with_margin(60_000)) == [("LEASE", "a")]


def test_an_outage_of_the_journal_does_not_grow_the_deadlines() -> None:
    """Each failed append gives fresh leases: a thousand of them must not cost memory for each."""
    w = licensed(max_nodes=2).register("a", "b")
    w.evict("b")
    leases = Leases(LEASE)
    for _ in range(1000):
        leases.promote(w.state, 0, 0)
    assert len(leases._heap) == 3
    assert due(leases, RESUMABLE_MS) == [("LEASE", "a"), ("DRAIN", "b"), ("MEMORY", "b")]
