"""R30: what the phone shows when it has scanned a released deployment's QR code.

Rules:

- A release ends the binding only if the license is bound to the very project key that is released.
- A project key that was ever bound to the license and is released never binds again.
- Scanning a release again says the same again, and changes nothing, even when the license has a new binding by then.
- The contract says how often in 365 days a customer may do so; beyond that the vendor decides, and sees it asked for.
- A release has no age: the deployment has destroyed its key long before anyone may have had a phone at hand. A revoked
  or expired license may be released too.
"""

from dataclasses import dataclass

from licd_formats.challenge import SealedContent
from licd_vendor.domain.model import Binding, LicenseRecord, hash_project_key
from licd_vendor.domain.scan import Refusal, RefusedScan

YEAR_SECONDS = 365 * 24 * 60 * 60


@dataclass(frozen=True, slots=True)
class ReleaseFacts:
    """What the portal knows that bears on one release."""

    license: LicenseRecord | None
    binding: Binding | None
    """The binding in force."""
    key_was_bound: bool
    """This project key was bound to this license, now or before."""
    key_released: bool
    """It was released from this license before."""
    self_releases: int
    """Of this contract's licenses, in the last 365 days."""
    self_release_limit: int


@dataclass(frozen=True, slots=True)
class Released:
    """The license is free of that deployment."""

    ends_binding: bool
    """The binding in force ends now, and counts against the limit."""
    is_new: bool
    """Something must be made durable: the release was not known before."""


def decide_release(facts: ReleaseFacts, content: SealedContent) -> Released | RefusedScan:
    """Judge one release."""
    if facts.license is None:
        return RefusedScan(Refusal.UNREADABLE)
    if facts.key_released:
        return Released(ends_binding=False, is_new=False)
    if not facts.key_was_bound:
        return RefusedScan(Refusal.NOT_BOUND)
    if facts.binding is None or facts.binding.project_key_hash != hash_project_key(content.project_key):
        return Released(ends_binding=False, is_new=True)
    if facts.self_releases >= facts.self_release_limit:
        return RefusedScan(Refusal.RELEASE_LIMIT)
    return Released(ends_binding=True, is_new=True)
