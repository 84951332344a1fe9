"""What becomes of a program when the license is lost (R41): pure, with time passed in."""

import dataclasses
import enum
import math
import signal

from node_client.values import NodeState, Status

LOST = 75
"""Exit code after the loss of the license (EX_TEMPFAIL: a later start may well succeed)."""
KILL_AFTER = 10.0
"""Seconds from SIGTERM to SIGKILL."""
_LONGEST_WAIT = 1.0
_ROUNDING = 0.001
"""Seconds; the end of a grace is computed again at each look."""


class OnLoss(enum.StrEnum):
    """R41: what becomes of CMD when the license is lost."""

    HOLD = "hold"
    """Stop it, and start it again once licensed."""
    STOP = "stop"
    """Stop it, and end."""
    WARN = "warn"
    """Let it go on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Loss:
    """How a loss of the license goes on: pure, with time passed in (seconds of boottime).

    Attributes:
        grace: seconds that CMD may go on after a definite loss; infinite with warn.
        outage_until: when the outage's grace ends in which the last look found the node; infinite if in none.
        until: when CMD is stopped; None while it may run.
        stopped: when SIGTERM was sent; a license that comes back later no longer helps.
        killed: whether SIGKILL was sent.
    """

    grace: float
    outage_until: float = math.inf
    until: float | None = None
    stopped: float | None = None
    killed: bool = False

    def seen(self, now: float, status: Status) -> tuple["Loss", signal.Signals | None]:
        """After a look at the license: what is so from now on, and the signal to send."""
        if self.stopped is not None:
            if self.killed or now < self.stopped + KILL_AFTER:
                return self, None
            return dataclasses.replace(self, killed=True), signal.SIGKILL
        if status.may_run:
            return Loss(self.grace, math.inf if status.licensed else now + status.grace_left), None
        until = self._until(now, status) if self.until is None else self.until
        if now < until:
            return dataclasses.replace(self, until=until), None
        return dataclasses.replace(self, until=until, stopped=now), signal.SIGTERM

    def _until(self, now: float, status: Status) -> float:
        # The outage's grace was used up in silence. A machine that was suspended since it was licensed has the other
        # grace to reach the daemon.
        used_up = now > self.outage_until - _ROUNDING and status.state is NodeState.JEOPARDY
        return now if used_up and self.grace < math.inf else now + self.grace

    def next_at(self, now: float) -> float:
        """When to look again, at the latest."""
        instants = [now + _LONGEST_WAIT]
        if self.stopped is not None:
            instants.append(self.stopped + KILL_AFTER)
        elif self.until is not None:
            instants.append(self.until)
        return min(instants)


def describe(status: Status) -> str:
    """The state in one line: what is left of a grace, and each reason with its remedy."""
    left = f", {status.grace_left:.0f} s left" if status.grace_left else ""
    reasons = ("; " + " ".join(filter(None, (f"{f.title}:", f.detail, f.remedy))) for f in status.failures)
    return f"{status.label}{left}{''.join(reasons)}"
