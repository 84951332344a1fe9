"""R31: whatever intervals and leases leaders had, nobody new has a seat while one of theirs may run."""

from hypothesis import given
from hypothesis import strategies as st

from licd_daemon.core import commands as c
from licd_daemon.core.decide import decide
from licd_daemon.core.events import EpochStarted
from licd_daemon.core.evolve import evolve
from licd_daemon.core.leases import recorded_lease_ms
from licd_daemon.core.model import Now, Policy, State

LEASES = st.integers(200, 3_600_000)
AT = Now(1_700_000_000_000, 0, 0)


@st.composite
def leaders(draw: st.DrawFn) -> list[tuple[int, int, bool]]:
    """Lease, proof interval in ms, and whether it was recorded: 0.1.0 did not, and half a lease bounded it."""
    found = []
    for lease in draw(st.lists(LEASES, min_size=1, max_size=6)):
        recorded = draw(st.booleans())
        found.append(
            (lease, draw(st.integers(1_000, max(1_000, lease)) if recorded else st.just(lease // 2)), recorded)
        )
    return found


@given(leaders(), LEASES, st.integers(1_000, 3_600_000))
def test_R31_a_successor_waits_for_all_that_any_leader_before_it_may_have_granted(
    before: list[tuple[int, int, bool]], own_lease: int, own_interval: int
) -> None:
    state = State()
    for epoch, (lease, interval, recorded) in enumerate(before, 1):
        state = evolve(state, EpochStarted(epoch, lease, 0, "", interval if recorded else None), AT)
    start = c.StartEpoch(len(before) + 1, own_lease, own_interval, "", own_interval)
    after = decide(state, start, AT, Policy(0)).state
    for lease, interval, _ in before:
        # Its last proof began just before the successor did; it acknowledges for the interval, and who is acknowledged
        # last believes for a lease.
        assert after.granting_from - AT.served >= interval + lease
        assert recorded_lease_ms(after, own_interval) >= interval + lease
