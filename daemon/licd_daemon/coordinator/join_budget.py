"""R36: how many sessions one token and one peer may open within a time (`core/budget.py` says how many).

What was spent is forgotten with the daemon: it bounds what goes into the journal in a run. Repeating a join that was
made is no join.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from licd_daemon.core.budget import REFILL_S, Share, full, over_budget, shares
from licd_daemon.core.evolve import token_of
from licd_daemon.core.model import Actor, State
from licd_daemon.core.refusal import Refused
from licd_kit.clock import boottime_ms

MOST_ACCOUNTS = 10_000


@dataclass(slots=True)
class Account:
    """What a token or peer has spent of `share.most` by `at`; `refused_at`: its latest refusal. Boottime in ms."""

    share: Share
    at: int
    spent: float = 0.0
    refused_at: int | None = None


class JoinBudget:
    """See the module. `refused`: the joins of this run that were, by budget."""

    def __init__(self) -> None:
        self.refused = Counter({"joins": 0, "places": 0})
        self._accounts: OrderedDict[str, Account] = OrderedDict()

    def take(self, state: State, actor: Actor, instance_id: str) -> None:
        """Take one join from the budgets of `actor`.

        Raises:
            Refused: RATE_LIMITED; nothing was taken then.
        """
        if instance_id in state.instances:
            return
        if share := full(state, actor):
            self._account(share)
            raise self._refused("places", share)
        self._take_one(state, actor)

    def take_resume(self, state: State, actor: Actor, session_id: str) -> None:
        """Take as much for a session that `actor` shows another token for: that is an entry in the journal too (R35).

        Raises:
            Refused: RATE_LIMITED; nothing was taken then.
        """
        session = state.sessions.get(session_id)
        if session is not None and session.token_id != token_of(actor):
            self._take_one(state, actor)

    def _take_one(self, state: State, actor: Actor) -> None:
        accounts = [self._account(share) for share in shares(state, actor)]
        if share := next((each.share for each in accounts if each.spent + 1 > each.share.most), None):
            raise self._refused("joins", share)
        for account in accounts:
            account.spent += 1

    def _refused(self, budget: Literal["places", "joins"], share: Share) -> Refused:
        self.refused[budget] += 1
        self._accounts[share.key].refused_at = boottime_ms()
        return over_budget(budget, share)

    def accounts(self) -> Iterator[Account]:
        """All that are known, as of now."""
        return map(_as_of_now, self._accounts.values())

    def _account(self, share: Share) -> Account:
        """The share's account; the one that was used least recently makes room for it."""
        account = self._accounts.setdefault(share.key, Account(share, boottime_ms()))
        account.share = share
        self._accounts.move_to_end(share.key)
        if len(self._accounts) > MOST_ACCOUNTS:
            self._accounts.popitem(last=False)
        return _as_of_now(account)


def _as_of_now(account: Account) -> Account:
    now = boottime_ms()
    account.spent = max(0.0, account.spent - (now - account.at) * account.share.most / (1000 * REFILL_S))
    account.at = now
    return account
