"""R36: which budgets are used up or nearly so, for `check`, status and console."""

from collections.abc import Iterator
from dataclasses import dataclass

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.budget import REFILL_S, places
from licd_daemon.core.model import State
from licd_kit.clock import boottime_ms

NEARLY = 0.8
SHOWN_MS = 3_600_000
MOST_WARNINGS = 5
LOOK_MS = 1_000
_REMEDY = (
    "Look for nodes that join again and again (licd events), give groups of nodes tokens of their own, and revoke the "
    "token of a node that floods (licd token revoke)."
)


@dataclass(frozen=True, slots=True)
class BudgetWarning:
    """One budget that is used, in whole sentences for people. `used`: its share, 1 or more: it is used up."""

    used: float
    detail: str
    remedy: str = _REMEDY

    @property
    def title(self) -> str:
        """The warning's heading."""
        return "A budget is used up: joins are refused" if self.used >= 1 else "A budget is nearly used up"


class BudgetCheck:
    """Looks at most once a second: it costs by the peers, and everybody who watches the registration asks."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._warnings: list[BudgetWarning] = []
        self._looked_at = -LOOK_MS

    def warnings(self) -> list[BudgetWarning]:
        """The budgets of which four fifths are used, or that refused somebody within the last hour; the worst first."""
        if boottime_ms() - self._looked_at >= LOOK_MS:
            coordinator = self._coordinator
            found = [*_places(coordinator.state), *_joins(coordinator), *_queue(coordinator)]
            self._warnings = sorted(found, key=lambda warning: -warning.used)[:MOST_WARNINGS]
            self._looked_at = boottime_ms()
        return self._warnings


def _places(state: State) -> Iterator[BudgetWarning]:
    most = places(state)
    for key, count in state.tally.places.items():
        token = state.tokens.get(key)
        share = most if token is not None else most // 2
        if count >= NEARLY * share:
            name = f"Token {token.name}" if token is not None else f"Address {key}"
            yield BudgetWarning(count / share, f"{name} has {count} of {share} sessions that wait for a seat")


def _joins(coordinator: Coordinator) -> Iterator[BudgetWarning]:
    for account in coordinator.joins.accounts():
        share, used = account.share, account.spent / account.share.most
        refused = account.refused_at is not None and account.at - account.refused_at < SHOWN_MS
        if refused or used >= NEARLY:
            title = share.title[0].upper() + share.title[1:]
            detail = f"{title} has opened {int(account.spent)} of {share.most} sessions in {REFILL_S // 60} minutes"
            yield BudgetWarning(max(used, float(refused)), detail)


def _queue(coordinator: Coordinator) -> Iterator[BudgetWarning]:
    at = coordinator.queue.refused_at
    if at is not None and boottime_ms() - at < SHOWN_MS:
        yield BudgetWarning(
            1.0,
            f"{coordinator.queue.refused} requests found no room before the journal since the daemon started",
            "See whether the journal's disk is slow (licd_journal_append_seconds), or who floods (licd events).",
        )
