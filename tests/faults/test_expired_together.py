"""A seat is never granted on a lease that is over at that same instant (FINDINGS: Jepsen on etcd 3.4.3)."""

from faults.searched.model import Model
from faults.searched.system import Choice

from licd_daemon.core.leases import Deadline, seatless_first
from licd_daemon.core.model import SessionStatus


def test_R17_a_seat_freed_with_its_next_holders_lease_goes_to_nobody() -> None:
    model = Model(nodes=2, max_nodes=1, registered=1)
    system = model.start()
    holder, waiting = (node.session_id for node in system.nodes)
    for what in ("beat", "up"):  # the lease of the holder, who has met the waiting one, begins with that one's
        system = model.step(system, Choice(what, 0))
    for _ in range(4):
        system = model.step(system, Choice("time"))
    sessions = system.state.sessions
    assert sessions[holder].status is SessionStatus.LOST
    assert sessions[holder].holder
    assert waiting not in sessions
    assert system.state.recovering


def test_leases_without_a_seat_are_decided_first() -> None:
    system = Model(nodes=2, max_nodes=1, registered=1).start()
    holder, waiting = (node.session_id for node in system.nodes)
    due = [(Deadline.LEASE, holder), (Deadline.DRAIN, waiting), (Deadline.LEASE, waiting)]
    first, rest = seatless_first(due, system.state)
    assert first == [(Deadline.LEASE, waiting)]
    assert rest == [(Deadline.LEASE, holder), (Deadline.DRAIN, waiting)]
