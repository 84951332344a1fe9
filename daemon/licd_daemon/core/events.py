"""What can happen: the journal's vocabulary. Each event says what was decided, so that folding never decides again.

The tag of an event in the journal is its name in snake case; a tag and its fields are a format that old journals hold:
add optional fields, never rename.
"""

import re

import msgspec

from licd_daemon.core.effective import Confirmed
from licd_daemon.core.model import Actor, Application, EndReason, Failure, Role
from licd_formats.license import License


def snake(name: str) -> str:
    """`SeatGranted` -> `seat_granted`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=snake, tag_field="kind", omit_defaults=True):
    """A fact. Subclasses are the whole vocabulary.

    `actor`: who caused it (R35); None: time, the daemon itself, or another event did. 0.1.0 recorded none.
    """

    actor: Actor | None = None


class EpochStarted(Event, frozen=True):
    """A daemon took the lead: every session must prove itself again (R14, R18).

    For `grace_ms` of served time no seat goes to anyone but its recorded holder. `epoch_id`: 32 hexadecimal digits;
    `proof_interval_ms`: how long its proofs of leadership hold (R31). `boot_id`, `boot_ms`: in which of its machine
    boots it began, and when by boottime (R23). 0.1.0 recorded none of these.
    """

    epoch: int
    lease_ttl_ms: int
    grace_ms: int = 0
    epoch_id: str = ""
    proof_interval_ms: int | None = None
    boot_id: str = ""
    boot_ms: int = 0


class TimeMarked(Event, frozen=True):
    """A minute went by: effective and served time are kept (R17, R23).

    `used`: ids of tokens that had not been used for a day, and when each was, in wall ms (R35).
    """

    used: tuple[tuple[str, int], ...] = ()


class ProjectKeyDrawn(Event, frozen=True):
    """This deployment's identity towards the portal, 128 bits in hexadecimal (R6). Never shown."""

    project_key: str


class LicenseInstalled(Event, frozen=True):
    """A license is in force. `kept`: a reissue that keeps the registration (R2).

    `container_lic`: as it was signed (R37). 0.1.0 recorded none.
    """

    license: License
    kept: bool
    container_lic: str = ""


class UploadRefused(Event, frozen=True):
    """An upload changed nothing (R2)."""

    failures: tuple[Failure, ...]


class ExpiryNear(Event, frozen=True):
    """The license, or a registration that must be renewed, ends within `days` (R3, R19)."""

    days: int


class LicenseExpired(Event, frozen=True):
    """The license's `exp` has passed: every seat ends (R3)."""


class LicenseReleased(Event, frozen=True):
    """The license was given back: registration, seats and project key have ended (R30)."""

    url: str


class ChallengeCreated(Event, frozen=True):
    """A challenge was created; the one before is superseded (R7)."""

    challenge_id: str
    url: str


class CodeAttempted(Event, frozen=True):
    """An attempt, counted before its code is compared (R9)."""

    challenge_id: str


class CodeRejected(Event, frozen=True):
    """The compared code was wrong."""


class CodeMatched(Event, frozen=True):
    """The compared code was right: the count is cleared (R9)."""


class LockedOut(Event, frozen=True):
    """Too many wrong codes (R9)."""


class LockoutEnded(Event, frozen=True):
    """Codes are taken again."""


class RegistrationRefused(Event, frozen=True):
    """The code was right, but something stands in the way; the code stays usable (R8)."""

    failures: tuple[Failure, ...]


class Registered(Event, frozen=True):
    """The cluster is registered: `seated` hold seats, `queued` wait in this order for seats that still drain (R10)."""

    challenge_id: str
    seated: tuple[str, ...]
    queued: tuple[str, ...]


class RecoveryStarted(Event, frozen=True):
    """No holder is connected; the window begins (R17)."""


class RegistrationRecovered(Event, frozen=True):
    """A holder has proven itself (R17)."""


class RegistrationReset(Event, frozen=True):
    """The registration has ended: ALL_GONE, WINDOW_OVER, RECERTIFY or ADMIN."""

    reason: str


class SessionJoined(Event, frozen=True):
    """A process opened a session. `newcomer`: a registration lives, and has yet to hear one of its own after it (R17).

    Journals of 0.1.0 know no newcomers.
    """

    session_id: str
    node_name: str
    instance_id: str
    secret_hash: str
    application: Application
    newcomer: bool = False


class HoldersHeard(Event, frozen=True):
    """A session that the registration lives in was heard after those with numbers up to `up_to` had joined (R17)."""

    up_to: int


class SessionReturned(Event, frozen=True):
    """A session that was AWAITED or LOST has proven its secret (R16)."""

    session_id: str


class SessionRebound(Event, frozen=True):
    """A living session was proven by another credential, `actor`'s, and belongs to that one from now on (R35)."""

    session_id: str


class SessionLost(Event, frozen=True):
    """A session's lease ended in silence: its seat is free (R16)."""

    session_id: str


class SessionEnded(Event, frozen=True):
    """A session has ended (R16). Its seat is free at once after LEFT and EXPIRED, and drains otherwise (R13).

    `node_name`: of a session that is forgotten with its end (R36), as nothing else can name it later.
    """

    session_id: str
    reason: EndReason
    node_name: str = ""


class SessionForgotten(Event, frozen=True):
    """An ended session is remembered no more: its day has ended, or it never had a seat (R36)."""

    session_id: str


class SessionQueued(Event, frozen=True):
    """A session waits for a seat; `front`: at its head (R16)."""

    session_id: str
    front: bool = False


class SessionUnqueued(Event, frozen=True):
    """A session may have no seat any more."""

    session_id: str


class SeatGranted(Event, frozen=True):
    """A session holds a seat."""

    session_id: str


class SeatWithdrawn(Event, frozen=True):
    """A session lost its seat, which drains until it acknowledges or its lease ends (R13)."""

    session_id: str


class SeatFreed(Event, frozen=True):
    """A draining seat is nobody's. `silent`: because its holder's lease ended; nobody said so (R17)."""

    session_id: str
    silent: bool = False


class ClockDrifted(Event, frozen=True):
    """A node's clock is over the limit (R21)."""

    session_id: str
    failure: Failure


class ClockHealed(Event, frozen=True):
    """A node's clock agrees again, or the leader is not sure of its own any more (R21)."""

    session_id: str


class ClockNear(Event, frozen=True):
    """A warning: a node's clock is over half of the limit (R21)."""

    session_id: str
    warning: Failure


class LeaderClockJudged(Event, frozen=True):
    """The leader's own clock is not to be trusted, or is again (None) (R22, R23)."""

    failure: Failure | None


class TimeConfirmed(Event, frozen=True):
    """Effective time was set by the machine's clock, which NTP or an accepted code (CODE) confirmed (R23)."""

    by: Confirmed


class TokenCreated(Event, frozen=True):
    """A bearer token is in force, until `ends_at` if it is given, in wall ms; only its hash is kept (R35).

    `uses`: how many nodes a join token may enroll; `enrolled_by`: the join token with which a node made this one.
    """

    token_id: str
    role: Role
    name: str
    token_hash: str
    ends_at: int | None = None
    uses: int = 0
    enrolled_by: str = ""


class TokenRotated(Event, frozen=True):
    """A bearer token has another secret; the one before is taken for `overlap_ms` of served time more (R35)."""

    token_id: str
    token_hash: str
    overlap_ms: int


class TokenRevoked(Event, frozen=True):
    """A bearer token was revoked (R35)."""

    token_id: str


class TokenEnded(Event, frozen=True):
    """A bearer token's end has come, or a join token is used up (R35)."""

    token_id: str


class CredentialsRefused(Event, frozen=True):
    """Credentials were refused `count` times since `since`, wall ms (R35). `addresses`: the newest first."""

    count: int
    addresses: tuple[str, ...]
    since: int


AnyEvent = (
    EpochStarted | TimeMarked | ProjectKeyDrawn | LicenseInstalled | UploadRefused | ExpiryNear | LicenseExpired
    | LicenseReleased | ChallengeCreated | CodeAttempted | CodeRejected | CodeMatched | LockedOut | LockoutEnded
    | RegistrationRefused | Registered | RecoveryStarted | RegistrationRecovered | RegistrationReset | SessionJoined
    | HoldersHeard | SessionReturned | SessionRebound | SessionLost | SessionEnded | SessionForgotten | SessionQueued
    | SessionUnqueued
    | SeatGranted | SeatWithdrawn | SeatFreed | ClockDrifted | ClockHealed | ClockNear | LeaderClockJudged
    | TimeConfirmed | TokenCreated | TokenRotated | TokenRevoked | TokenEnded | CredentialsRefused
)  # fmt: skip
