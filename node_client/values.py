"""What a program sees of its node: states, failures, the application that it is."""

import dataclasses
import datetime as dt
import enum
import re
import unicodedata

_JOINERS = "\u200c\u200d"  # part of how Persian, Indian scripts and emoji are written
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class NodeState(enum.StrEnum):
    """What a node is, in one word; only LICENSED may do licensed work."""

    CONNECTING = "CONNECTING"
    """No daemon has answered yet."""
    PENDING = "PENDING"
    """The cluster is not registered yet, or is recovering."""
    LICENSED = "LICENSED"
    """The node holds a seat, and its lease runs."""
    WAITING = "WAITING"
    """The cluster is registered and no seat is free; the first in the waitlist gets the next one."""
    REJECTED = "REJECTED"
    """The node may not have a seat, for the reasons in `failures`; healed as soon as they are gone."""
    JEOPARDY = "JEOPARDY"
    """The lease has ended in the daemon's silence: not licensed, and reconnecting (R15). `may_run` says whether
    the program may go on all the same (R41)."""
    EVICTED = "EVICTED"
    """An administrator evicted the node: it does not join again automatically."""
    CLOSED = "CLOSED"
    """This program closed the node, or this process was forked from the one that joined."""


FINAL = frozenset({NodeState.EVICTED, NodeState.CLOSED})
"""States that no node leaves again."""
GRACE = "GRACE"
"""What licd-node reports in place of JEOPARDY while its program may run (R41)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """One reason why a node is not licensed, in words that can be shown to people (R4).

    Attributes:
        reason: the reason for programs, such as "CLOCK_DRIFT".
        title: one sentence, fixed for each reason.
        detail: what was found; may be empty.
        remedy: what to do about it; may be empty.
        node_name: the node it concerns, or empty.
    """

    reason: str
    title: str
    detail: str = ""
    remedy: str = ""
    node_name: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Status:
    """A node at one instant.

    Attributes:
        state: its state.
        licensed: whether it may do licensed work.
        failures: why it is not licensed, or what will soon be in its way.
        lease_left: seconds for which `licensed` holds without another word from the daemon; 0 when not licensed.
        grace_left: seconds for which a program may go on after its lease has ended in silence (R41); else 0.
    """

    state: NodeState
    licensed: bool
    failures: tuple[Failure, ...] = ()
    lease_left: float = 0.0
    grace_left: float = 0.0

    @property
    def may_run(self) -> bool:
        """Whether the program may go on: it is licensed, or the daemon is away and its grace is not over (R41)."""
        return self.licensed or self.grace_left > 0

    @property
    def label(self) -> str:
        """The state as licd-node reports it: GRACE in place of JEOPARDY while the program may run (R41)."""
        return GRACE if self.may_run and not self.licensed else str(self.state)

    def differs(self, other: "Status") -> bool:
        """Whether `on_change` reports it: everything but the spans, which always change."""
        return (self.label, self.failures) != (other.label, other.failures)


@dataclasses.dataclass(frozen=True, slots=True)
class Application:
    """What the program is; the daemon compares it with the license (R5, R12).

    Attributes:
        name: compared exactly; 1 to 128 characters.
        version: dot-separated parts such as "10.0.19"; 1 to 64 characters.
        build_date: the build's date, "YYYY-MM-DD".
        content: the project's content, compared exactly; at most 1024 characters.

    Raises:
        ValueError: a field is out of bounds; the message names it.
    """

    name: str
    version: str
    build_date: str
    content: str = ""

    def __post_init__(self) -> None:
        """Refuse what no daemon would take."""
        check_text("application.name", self.name, shortest=1, longest=128)
        check_text("application.version", self.version, shortest=1, longest=64)
        check_text("application.content", self.content, shortest=0, longest=1024)
        check_text("application.build_date", self.build_date, shortest=10, longest=10)
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", self.build_date) or not _is_date(self.build_date):
            message = f"application.build_date: {self.build_date!r} is not a valid date; write it as 2024-05-31"
            raise ValueError(message)


def _is_date(text: str) -> bool:
    try:
        dt.date.fromisoformat(text)
    except ValueError:
        return False
    return True


def check_text(field: str, value: object, *, shortest: int, longest: int) -> None:
    """Refuse what is no text of `shortest` to `longest` characters that can be seen.

    Raises:
        ValueError: naming `field`.
    """
    if not isinstance(value, str) or not shortest <= len(value) <= longest:
        message = f"{field}: must be a text of {shortest} to {longest} characters"
        raise ValueError(message)
    if steers(value):
        message = f"{field}: has control or format characters, which are not seen; leave them out"
        raise ValueError(message)


def steers(text: str) -> bool:
    """Whether the daemon would refuse it: a character steers the text around it instead of being read (R36)."""
    return not text.isprintable() and any(
        each not in _JOINERS and unicodedata.category(each) in _STEERING for each in text
    )
