"""The values that the daemon decides on: immutable, and equal when their parts are.

Three clocks, never mixed (`Now`):

- `wall`: effective wall time (R23), for licenses and records;
- `run`: boottime since this epoch began, for challenges and lockouts, which no restart carries over (R7, R9);
- `served`: boottime over all epochs in which the daemon could answer and write, for leases, the recovery window and
  the 24 hours of a lost session (R17, R18). A stall of the daemon does not count, so it ends nobody's lease.

All of them are in milliseconds.
"""

from enum import StrEnum
from typing import Literal

import msgspec
from immutables import Map

from licd_daemon.core.reasons import FailureReason
from licd_formats.license import License

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS

CHALLENGE_VALID_MS = 5 * MINUTE_MS  # R7
TOLERATED_WRONG_CODES = 5  # R9: the sixth wrong code locks
FIRST_LOCKOUT_MS = 15 * MINUTE_MS  # R9
LONGEST_LOCKOUT_MS = DAY_MS  # R9
RESUMABLE_MS = DAY_MS  # R16
UNRECORDED_PROOF_MS = 10_000  # R31
REMEMBERED_CHALLENGES = 8
REMEMBERED_FAILURES = 20
REMEMBERED_HOLDERS = 100
REMEMBERED_EPOCHS = 64


class Frozen(msgspec.Struct, frozen=True):
    """An immutable value."""


class Now(Frozen, frozen=True, omit_defaults=True):
    """The instant of a decision, on the three clocks of this module, in milliseconds.

    `wall`: effective time (R23); `unconfirmed`: by how much of it is ahead of what something has confirmed.
    """

    wall: int
    run: int
    served: int
    unconfirmed: int = 0

    @property
    def confirmed(self) -> int:
        """Effective time without what nothing has confirmed, in ms (R23)."""
        return self.wall - self.unconfirmed


class Policy(Frozen, frozen=True):
    """What the operator sets and decisions depend on. `recovery_window_ms` 0: reset at the last lease's end (R17)."""

    recovery_window_ms: int


class Failure(Frozen, frozen=True):
    """One reason in the words that are shown to people. `at`: when it was found, wall ms; unset where it holds now."""

    reason: FailureReason
    title: str
    detail: str
    remedy: str
    node_name: str = ""
    at: int | msgspec.UnsetType = msgspec.UNSET


class Application(Frozen, frozen=True):
    """What a report server says that it is; `build_date` is `YYYY-MM-DD`."""

    name: str
    version: str
    build_date: str
    content: str


class SessionStatus(StrEnum):
    """LIVE: proven in this epoch. AWAITED: was live before the restart, its lease still runs. LOST: its lease ended in
    silence, it may resume. ENDED: over; remembered for a day so that its node learns why (R16).
    """

    LIVE = "LIVE"
    AWAITED = "AWAITED"
    LOST = "LOST"
    ENDED = "ENDED"


class Seat(StrEnum):
    """DRAINING: withdrawn, but its holder may still believe in it, so it is nobody else's yet (R13)."""

    NONE = "NONE"
    HELD = "HELD"
    DRAINING = "DRAINING"


class EndReason(StrEnum):
    """Why a session has ended."""

    LEFT = "LEFT"
    EVICTED = "EVICTED"
    COPIED = "COPIED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"


class Session(Frozen, frozen=True):
    """A process's membership, from its Join to its end.

    `number` orders sessions by their joining. `holder`: held or holds a seat in the present registration, or was
    registered with it while its seat still drained (R10). `newcomer`: joined the present registration, and nobody that
    it lives in was heard since. The registration lives in holders that are no newcomers (R17). `line`: its place in the
    line for a seat; smaller is earlier. `since`: served time at which it became LOST or ENDED. `clock`: over the
    limit; `clock_warning`: over half of it (R21). `peer`: the address, or IPv6 network, that it joined from; empty: not
    known (R36). `token_id`: of the token that its process showed last, and that it
    ends with (R35); empty: a certificate's, or not known (0.1.0).
    """

    session_id: str
    number: int
    node_name: str
    instance_id: str
    secret_hash: str
    application: Application
    joined_at: int
    status: SessionStatus = SessionStatus.LIVE
    seat: Seat = Seat.NONE
    holder: bool = False
    line: int | None = None
    since: int | None = None
    ended: EndReason | None = None
    clock: Failure | None = None
    clock_warning: Failure | None = None
    newcomer: bool = False
    token_id: str = ""
    peer: str = ""

    @property
    def carries(self) -> bool:
        """Whether the registration lives in this session, as long as it is not over (R17)."""
        return self.holder and not self.newcomer

    @property
    def seatless(self) -> bool:
        """Whether it has no seat, nor had one in the present registration: then its end leaves nothing behind (R36)."""
        return not self.holder and self.seat is Seat.NONE

    @property
    def counted_on(self) -> tuple[str, ...]:
        """The token and the peer whose budget it takes a place of; none where it has a seat or is gone (R36)."""
        if self.seat is not Seat.NONE or self.status in (SessionStatus.LOST, SessionStatus.ENDED):
            return ()
        return tuple(key for key in (self.token_id, self.peer) if key)


class Registration(Frozen, frozen=True):
    """A registration that lives. `recovering_since`: served time (R17). `copied`: a session of it ended as COPIED."""

    registered_at: int
    challenge_id: str
    recovering_since: int | None = None
    copied: bool = False


class EndCause(StrEnum):
    """Why a registration ended; the contract's `END_CAUSE_*`."""

    ALL_GONE = "ALL_GONE"
    WINDOW_OVER = "WINDOW_OVER"
    RECERTIFY = "RECERTIFY"
    ADMIN = "ADMIN"
    REPLACED = "REPLACED"
    RELEASED = "RELEASED"


class EndedRegistration(Frozen, frozen=True):
    """A registration that has ended (R17). Wall times in ms; `nodes`: the names of those that held a seat in it, in the
    order of their joining, the first 100.
    """

    ended_at: int
    cause: EndCause
    registered_at: int
    nodes: tuple[str, ...]


class ChallengeState(StrEnum):
    """As the contract names them; SUPERSEDED ones are only remembered by id."""

    PENDING = "PENDING"
    USED = "USED"
    EXPIRED = "EXPIRED"


class Challenge(Frozen, frozen=True):
    """The challenge of this epoch. `run`: this epoch's boottime at its creation; `used`: it registered the cluster."""

    challenge_id: str
    url: str
    created_at: int
    run: int
    used: bool = False

    def state(self, now: Now) -> ChallengeState:
        """R7: its state at an instant."""
        if self.used:
            return ChallengeState.USED
        expired = now.run >= self.run + CHALLENGE_VALID_MS
        return ChallengeState.EXPIRED if expired else ChallengeState.PENDING


class Lockout(Frozen, frozen=True):
    """The guard against guessed codes (R9).

    `attempt_open`: an attempt was counted and its code not compared yet. `locked_run`: this epoch's boottime at which
    the present lock began; None: not locked.
    """

    wrong_codes: int = 0
    lockouts: int = 0
    attempt_open: bool = False
    locked_run: int | None = None

    @property
    def duration_ms(self) -> int:
        """How long the present lock lasts: each doubles the one before, up to 24 hours."""
        return min(FIRST_LOCKOUT_MS << min(self.lockouts - 1, 16), LONGEST_LOCKOUT_MS) if self.lockouts else 0

    def left_ms(self, now: Now) -> int:
        """Milliseconds until codes are taken again; 0: not locked."""
        return 0 if self.locked_run is None else max(0, self.locked_run + self.duration_ms - now.run)

    @property
    def attempts_left(self) -> int:
        """Wrong codes that may still be submitted, the one that locks included."""
        return max(1, TOLERATED_WRONG_CODES + 1 - self.wrong_codes)


class Release(Frozen, frozen=True):
    """A sealed release, shown until the next upload (R30)."""

    license_id: str
    url: str
    released_at: int


class Role(StrEnum):
    """What a credential allows (R35)."""

    ADMIN = "admin"
    VIEWER = "viewer"
    NODE = "node"
    JOIN = "join"


class Actor(Frozen, frozen=True, omit_defaults=True):
    """R35: who has asked for something, as the daemon knew it then.

    `kind`: by which credential; "console": a person whom a token logged in there. `id`: the token's, or the SHA-256 of
    the certificate in hexadecimal. `name`: the token's, or the certificate's subject. `address`: the peer's host, as it
    reached the daemon, without a port; "unix" for a socket of this machine.
    """

    role: Role
    kind: Literal["token", "certificate", "console"]
    id: str = ""
    name: str = ""
    address: str = ""


class Token(Frozen, frozen=True):
    """A bearer token; `token_hash` is the hexadecimal SHA-256 of its 256 random bits.

    A revoked one is kept, so that its file, should it still be there, is not taken for a new token's. One that has
    ended counts as revoked. `ends_at`: wall ms; None: never. `accepted`: by how much time was unconfirmed, at least,
    since it was made (R23). `used_at`: its last use that was journaled, at most a day before the last one.
    `uses_left`: how many nodes a join token may enroll still;
    `enrolled_by`: the join token by which a node made this one for itself. `made_by`: None: the daemon, from a file.
    `former_hash`: of the secret before the last rotation, which is taken until `former_until`, in served time: no clock
    that is set makes that longer or shorter.
    """

    token_id: str
    role: Role
    name: str
    token_hash: str
    created_at: int
    revoked: bool = False
    ends_at: int | None = None
    accepted: int = 0
    used_at: int | None = None
    former_hash: str = ""
    former_until: int = 0
    uses_left: int = 0
    enrolled_by: str = ""
    made_by: Actor | None = None

    def takes(self, token_hash: str, served: int) -> bool:
        """Whether the secret with this hash, which is or was the token's, opens anything at `served`."""
        is_former = token_hash == self.former_hash and served < self.former_until
        return not self.revoked and (token_hash == self.token_hash or is_former)

    def over(self, now: Now) -> bool:
        """Whether its end has come, by the clock of R23: as `State.license_time`, with the instant of its making.

        Anyone who makes a token sees its end, so the clock of that instant counts; what a later start has moved ahead
        of that counts only when something confirms it.
        """
        return self.ends_at is not None and now.wall - max(0, now.unconfirmed - self.accepted) >= self.ends_at


class Tally(Frozen, frozen=True):
    """Counts over the sessions, kept so that no decision has to visit them all.

    `live`: connected. `held`: seats held. `taken`: seats held or draining. `holders_*`: sessions that the registration
    lives in (R17), by their status. `reserved`: awaited sessions that keep their place. `newcomers_waiting`:
    newcomers waiting. `drifted`: connected ones whose clock is over the limit (R21). `gone`: LOST and ENDED ones;
    `places`: how many of the budgets' places are taken, by token and peer (R36).
    """

    live: int = 0
    held: int = 0
    taken: int = 0
    holders_live: int = 0
    holders_awaited: int = 0
    holders_lost: int = 0
    reserved: int = 0
    drifted: int = 0
    newcomers_waiting: int = 0
    gone: int = 0
    places: Map[str, int] = Map()

    def moved(self, old: Session, new: Session) -> "Tally":
        """The tally with `new` counted in place of `old`; itself where that is the same."""
        return self if _counted(old) == _counted(new) else self.plus(old, -1).plus(new, 1)

    def plus(self, session: Session, sign: int) -> "Tally":
        """The tally with `session` counted in (sign 1) or out (sign -1)."""
        status, carries, waits = session.status, session.carries, session.line is not None
        return Tally(
            self.live + sign * (status is SessionStatus.LIVE),
            self.held + sign * (session.seat is Seat.HELD),
            self.taken + sign * (session.seat is not Seat.NONE),
            self.holders_live + sign * (carries and status is SessionStatus.LIVE),
            self.holders_awaited + sign * (carries and status is SessionStatus.AWAITED),
            self.holders_lost + sign * (carries and status is SessionStatus.LOST),
            self.reserved + sign * (waits and status is SessionStatus.AWAITED),
            self.drifted + sign * (status is SessionStatus.LIVE and session.clock is not None),
            self.newcomers_waiting + sign * (waits and status is SessionStatus.LIVE and session.newcomer),
            self.gone + sign * (status in (SessionStatus.LOST, SessionStatus.ENDED)),
            _plus(self.places, session.counted_on, sign),
        )


def _plus(places: Map[str, int], keys: tuple[str, ...], sign: int) -> Map[str, int]:
    for key in keys:
        count = places.get(key, 0) + sign
        places = places.set(key, count) if count else places.delete(key)
    return places


def _counted(session: Session) -> tuple[object, ...]:
    """What a tally goes by."""
    return (
        session.status, session.seat, session.holder, session.newcomer, session.line is None, session.clock is None,
        session.token_id,
    )  # fmt: skip


class State(Frozen, frozen=True):
    """Everything that survives: what folding the journal gives.

    `epoch_ids` maps the last epochs to their ids, empty for those that 0.1.0 began (R14). `effective`, `unconfirmed`,
    `served` and `run`: as `Now` had them last; `boot_id`, `boot_ms`: which boot of the machine this epoch began in, and
    when (R23). `accepted`: by how much time was unconfirmed, at least, since the license was uploaded.
    `line` maps places to session ids, its first place is `line_head`, `line_tail` is the next free one; no awaited
    session keeps a place before `line_floor`. `predecessor` is the challenge that last registered this deployment (R6).
    `container_lic`: the license in force as it was signed; empty if 0.1.0 took it (R37).
    `newest_issue` maps each license id to the latest `iat` ever accepted (R2). `longest_lease_ms` is the longest lease
    ever granted, `longest_proof_ms` the longest that a leader's proof ever held (R31); before `granting_from`, in
    served time, no seat goes to anyone but its recorded holder (R18).

    `tokens` by id; `token_ids` maps the hash of every secret ever known to its token; `ending`: the ids of those in
    force that have an end, by that (R35).

    `holders` (R17): number and name of those that held a seat in the present registration, a name once, the first 100;
    `newcomers`: its newcomers by number; `overlapped`: no session up to this number is one; `silent_seats`: free seats
    that silence freed. `last_registration`: the one that ended last, None while there is one. `last_failures`: newest
    first (R4).
    """

    epoch: int = 0
    epoch_ids: Map[int, str] = Map()
    effective: int = 0
    unconfirmed: int = 0
    accepted: int = 0
    served: int = 0
    run: int = 0
    boot_id: str = ""
    boot_ms: int = 0
    longest_lease_ms: int = 0
    longest_proof_ms: int = 0
    project_key: str | None = None
    license: License | None = None
    container_lic: str = ""
    license_expired: bool = False
    warned_days: int | None = None
    newest_issue: Map[str, int] = Map()
    registration: Registration | None = None
    holders: tuple[tuple[int, str], ...] = ()
    last_registration: EndedRegistration | None = None
    predecessor: str = ""
    challenge: Challenge | None = None
    past_challenges: tuple[str, ...] = ()
    lockout: Lockout = Lockout()
    release: Release | None = None
    last_failures: tuple[Failure, ...] = ()
    clock_untrusted: Failure | None = None
    sessions: Map[str, Session] = Map()
    instances: Map[str, str] = Map()
    next_number: int = 1
    line: Map[int, str] = Map()
    line_head: int = 0
    line_tail: int = 0
    line_floor: int = 0
    granting_from: int = 0
    newcomers: Map[int, str] = Map()
    overlapped: int = 0
    silent_seats: int = 0
    tally: Tally = Tally()
    tokens: Map[str, Token] = Map()
    token_ids: Map[str, str] = Map()
    ending: tuple[str, ...] = ()

    @property
    def epoch_id(self) -> str:
        """The id of the present epoch (R14)."""
        return self.epoch_ids.get(self.epoch, "")

    def token_in_force(self, token_hash: str, now: Now) -> Token | None:
        """The token whose secret has this hash; None: there is none, or it has ended (R35).

        A token whose end has come opens nothing, also while the journal can't be written and it has not ended yet.
        """
        token = self.tokens.get(self.token_ids.get(token_hash, ""))
        if token is None or not token.takes(token_hash, now.served):
            return None
        return None if token.over(now) and not self.is_only_admin(token) else token

    def is_only_admin(self, token: Token) -> bool:
        """Whether nobody could make another admin token without this one."""
        admins = sum(1 for other in self.tokens.values() if other.role is Role.ADMIN and not other.revoked)
        return token.role is Role.ADMIN and admins == 1

    def license_time(self, now: Now) -> int:
        """The time in ms by which the license in force ends, is warned of, and its registration grows old (R23).

        Anyone who uploads a license sees its dates, so the clock of that instant counts for it; what a later start has
        moved ahead of that counts only when something confirms it.
        """
        return now.wall - max(0, now.unconfirmed - self.accepted)

    @property
    def recovering(self) -> bool:
        """Whether a registration waits for one of its holders (R17)."""
        return self.registration is not None and self.registration.recovering_since is not None

    @property
    def open(self) -> bool:
        """Whether seats are granted now."""
        return self.registration is not None and not self.recovering and not self.license_expired

    @property
    def free_seats(self) -> int:
        """Seats that nobody holds or may still believe in."""
        return self.license.max_nodes - self.tally.taken if self.license else 0

    def vouched_by(self, session_id: str) -> int:
        """Up to which number sessions have overlapped with this one, should it give a sign of life now (R17).

        0: it shows nothing new, or the registration does not live in it.
        """
        if not self.newcomers or (session := self.sessions.get(session_id)) is None or not session.carries:
            return 0
        return self.next_number - 1

    def can_grant(self, now: Now, *, newcomer: bool) -> bool:
        """Whether a free seat may go to a session that does not hold it yet; to a newcomer, none that silence freed."""
        withheld = self.silent_seats if newcomer else 0
        return self.free_seats > withheld and now.served >= self.granting_from

    def next_in_line(self, now: Now) -> str | None:
        """The first in the waitlist that a free seat may go to now; its session id."""
        if not self.line or not self.can_grant(now, newcomer=False):
            return None
        first = self.line[self.line_head]
        if not self.sessions[first].newcomer or self.can_grant(now, newcomer=True):
            return first
        if self.tally.newcomers_waiting == len(self.line):
            return None
        return self.line[min(place for place, key in self.line.items() if not self.sessions[key].newcomer)]
