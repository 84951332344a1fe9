"""R28, R30: how the vendor settles an alert: in favour of one of the two installations that it is about.

Rules:

- For the registered one: nothing changes but that the alert is closed. The refused one gets no code.
- For the refused one, of a copy: its records become the head of the binding. It gets its code with its next QR, and
  the other copy stops at its own next registration.
- For the refused one, of a release beyond the limit: it is granted. The binding ends by the vendor's act, so it does
  not count against the contract's limit; the project key never binds again.
- Both need the binding that was in force when the alert was raised: once that has ended there is nothing to decide.
"""

from dataclasses import dataclass
from enum import StrEnum

from licd_vendor.domain.model import Binding
from licd_vendor.domain.scan import Refusal
from licd_vendor.errors import RefusedError


class Side(StrEnum):
    """The installation that is in the right."""

    REGISTERED = "registered"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class TakeAsHead:
    """The binding goes on from these records."""

    binding_id: int
    head: str


@dataclass(frozen=True, slots=True)
class Release:
    """The binding ends, and its project key with it."""

    binding: Binding


@dataclass(frozen=True, slots=True)
class Dispute:
    """An alert, and the binding that is in force now."""

    alert_id: int
    kind: Refusal
    license_id: str
    binding_id: int | None
    predecessor: str | None
    is_settled: bool
    in_force: Binding | None


def decide_settlement(dispute: Dispute, side: Side) -> TakeAsHead | Release | None:
    """Give what changes; None: nothing.

    Raises:
        RefusedError: When it was settled before, or its binding has ended.
    """
    named = f"alert {dispute.alert_id}"
    if dispute.is_settled:
        raise RefusedError(f"{named}: was settled before; see `licd-vendor alerts --all`")
    if side is Side.REGISTERED:
        return None
    binding = dispute.in_force
    if binding is None or binding.binding_id != dispute.binding_id or dispute.predecessor is None:
        raise RefusedError(
            f"{named}: its binding has ended, so there is nothing to move; settle it with --for registered, and "
            f"`licd-vendor unbind {dispute.license_id}` if a new server shall register"
        )
    if dispute.kind is Refusal.RELEASE_LIMIT:
        return Release(binding)
    return TakeAsHead(binding.binding_id, dispute.predecessor)
