"""R24, R25, R26, R28: what the phone shows when it has scanned a deployment's QR code.

Rules, in the order in which they are judged:

1. The license is known, not revoked, not expired (R25).
2. A challenge whose code was shown before shows the same code for 5 minutes from the first time; after that, and once
   its binding has ended, the QR must be refreshed (R25).
3. The challenge's time is at most 10 minutes off the portal's; else the phone shows by how much (R24).
4. A project key that was released never binds again (R30). A license bound to another project key is taken (R26).
   An unbound license is bound by this scan, and the challenge's predecessor, whatever it is, becomes the head.
5. The predecessor of a bound deployment's challenge is the head, or a code shown since (R28). In the second case that
   code was used: it becomes the new head, and all other codes shown before are forgotten, for the deployment that used
   one of them cannot have used another.
6. Any other predecessor is unknown: a copied or restored deployment's. No code, and the vendor sees it. But a challenge
   that was created before the newest one shown may be an old QR, scanned late: it is too old, once for each unknown
   predecessor. Another one with that predecessor, created after the first was answered, shows that a deployment goes on
   from those records: a copy, whose clock is behind.

The times of rule 6 are of two clocks: made by the deployment's, answered by the portal's. They are at most 10 minutes
apart (rule 3), so 10 minutes are taken off the answer's: a copy's clock that is behind must not make it look honest.

Why forgetting all matters: two copies that each got a code under the same head would otherwise take turns permanently.
Refreshing a QR keeps its predecessor, so it is no copy.
"""

from dataclasses import dataclass
from enum import StrEnum

from licd_formats.challenge import SealedContent
from licd_vendor.domain.model import Binding, LicenseRecord, hash_project_key

SHOWN = "shown"
"""The name of the verdict that shows the digits."""
SHOW_AGAIN_SECONDS = 5 * 60
MAX_CLOCK_OFFSET_SECONDS = 10 * 60


class Refusal(StrEnum):
    """Why the phone gets no code, or the license is not released."""

    UNREADABLE = "unreadable"
    REVOKED = "revoked"
    EXPIRED = "expired"
    CLOCK_OFF = "clock_off"
    QR_TOO_OLD = "qr_too_old"
    RELEASED = "released"
    BOUND_ELSEWHERE = "bound_elsewhere"
    COPIED = "copied"
    NOT_BOUND = "not_bound"
    RELEASE_LIMIT = "release_limit"


@dataclass(frozen=True, slots=True)
class KeepUnknown:
    """Remember that this challenge is the first with its unknown predecessor."""

    binding_id: int


@dataclass(frozen=True, slots=True)
class RefusedScan:
    """No code."""

    kind: Refusal
    clock_offset: int = 0
    """CLOCK_OFF: the server's clock minus the portal's, in seconds."""
    change: KeepUnknown | None = None
    """What the portal must make durable before it answers."""


@dataclass(frozen=True, slots=True)
class Bind:
    """Bind the license to this deployment, with this head."""

    head: str


@dataclass(frozen=True, slots=True)
class Record:
    """Remember that this challenge's code was shown."""

    binding_id: int


@dataclass(frozen=True, slots=True)
class Advance:
    """Forget the codes shown so far, take `head` as the head, and remember this challenge's."""

    binding_id: int
    head: str


@dataclass(frozen=True, slots=True)
class Shown:
    """The six digits, and what they are for."""

    code: str
    company: str
    project: str
    node_count: int
    max_nodes: int
    outage_grace_seconds: int
    """How long programs may run without the daemon (R41)."""
    change: Bind | Record | Advance | None
    """What the portal must make durable before it shows the digits; None: they were shown before."""


@dataclass(frozen=True, slots=True)
class FirstUnknown:
    """The first challenge with an unknown predecessor that was answered as too old."""

    challenge_id: str
    answered_at: int
    """By the portal's clock."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the portal knows that bears on one scan."""

    license: LicenseRecord | None
    binding: Binding | None
    """The binding in force."""
    first_shown_at: int | None
    """When this deployment's challenge was first shown, in any binding of this license."""
    shown_in_force: bool
    """That showing was in the binding in force."""
    key_released: bool
    """The project key was released."""
    newest_drawn_at: int | None = None
    """When the newest challenge shown in the binding in force was created, by the deployment's clock."""
    first_unknown: FirstUnknown | None = None
    """Of this challenge's predecessor, in the binding in force."""


def decide(facts: Facts, content: SealedContent, now: int) -> Shown | RefusedScan:
    """Judge one scan.

    Args:
        facts: What the portal knows.
        content: The opened challenge.
        now: The portal's wall clock, Unix seconds.
    """
    license_ = facts.license
    if license_ is None:
        return RefusedScan(Refusal.UNREADABLE)
    if license_.revoked_at is not None:
        return RefusedScan(Refusal.REVOKED)
    if now >= license_.expires_at:
        return RefusedScan(Refusal.EXPIRED)
    verdict = _change(facts, content, now)
    if isinstance(verdict, RefusedScan):
        return verdict
    return Shown(
        content.code,
        license_.company,
        license_.project,
        content.node_count,
        license_.max_nodes,
        license_.outage_grace_seconds,
        change=verdict,
    )


def _change(facts: Facts, content: SealedContent, now: int) -> Bind | Record | Advance | RefusedScan | None:
    is_bound_here = facts.binding is None or facts.binding.project_key_hash == hash_project_key(content.project_key)
    if facts.first_shown_at is not None and is_bound_here:
        fresh = facts.shown_in_force and now - facts.first_shown_at <= SHOW_AGAIN_SECONDS
        return None if fresh else RefusedScan(Refusal.QR_TOO_OLD)
    offset = content.created_at - now
    if abs(offset) > MAX_CLOCK_OFFSET_SECONDS:
        return RefusedScan(Refusal.CLOCK_OFF, offset)
    if facts.key_released:
        return RefusedScan(Refusal.RELEASED)
    if not is_bound_here:
        return RefusedScan(Refusal.BOUND_ELSEWHERE)
    return _follow(facts, content)


def _follow(facts: Facts, content: SealedContent) -> Bind | Record | Advance | RefusedScan:
    binding, predecessor = facts.binding, content.predecessor.hex()
    if binding is None:
        return Bind(predecessor)
    if predecessor == binding.head:
        return Record(binding.binding_id)
    if predecessor in binding.shown_since_head:
        return Advance(binding.binding_id, predecessor)
    return _judge_unknown(facts, binding, content)


def _judge_unknown(facts: Facts, binding: Binding, content: SealedContent) -> RefusedScan:
    if facts.newest_drawn_at is None or content.created_at >= facts.newest_drawn_at:
        return RefusedScan(Refusal.COPIED)
    first = facts.first_unknown
    if first is None:
        return RefusedScan(Refusal.QR_TOO_OLD, change=KeepUnknown(binding.binding_id))
    is_another = first.challenge_id != content.challenge_id.hex()
    # the portal's clock against the deployment's: without the 10 minutes a copy whose clock is behind is never found
    is_later = content.created_at > first.answered_at - MAX_CLOCK_OFFSET_SECONDS
    return RefusedScan(Refusal.COPIED if is_another and is_later else Refusal.QR_TOO_OLD)
