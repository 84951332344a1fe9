"""The audit table: who did what, when. Every act of the vendor, its staff and the portal leaves one entry.

Rules:

- An entry is written in the transaction of its act: neither is there without the other.
- Who: `cli:USER` (the account of the machine), `staff:NAME` (logged in), `portal` (a phone's scan).
- No secret, no token and no code is in it. Nothing here removes an entry.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, insert, select

from licd_vendor.store.schema import audit

PORTAL = "portal"
_MAX_DETAIL = 512


class Act(StrEnum):
    """What was done."""

    KEYS_MADE = "keys_made"
    KEY_ROTATED = "key_rotated"
    KEY_RETIRED = "key_retired"
    KEYS_ENCRYPTED = "keys_encrypted"
    CONTRACT_ADDED = "contract_added"
    ISSUED = "issued"
    REISSUED = "reissued"
    MAILED = "mailed"
    REVOKED = "revoked"
    BOUND = "bound"
    UNBOUND = "unbound"
    RELEASED = "released"
    ALERT_RAISED = "alert_raised"
    ALERT_SETTLED = "alert_settled"
    STAFF_ADDED = "staff_added"
    STAFF_PASSWORD_CHANGED = "staff_password_changed"  # noqa: S105 (the name of an act)
    STAFF_REMOVED = "staff_removed"
    LOGGED_IN = "logged_in"
    LOGIN_REFUSED = "login_refused"


def keep(
    connection: Connection,
    who: str,
    act: Act,
    now: int,
    *,
    contract_id: int | None = None,
    license_id: str | None = None,
    detail: str = "",
) -> None:
    """Keep one entry.

    Args:
        connection: The act's own transaction.
        who: See the module.
        act: What was done.
        now: Unix seconds.
        contract_id: The contract it concerns.
        license_id: The license it concerns.
        detail: More about it, for people; cut at 512 characters.
    """
    row = {"contract_id": contract_id, "license_id": license_id, "detail": detail[:_MAX_DETAIL]}
    connection.execute(insert(audit).values(at=now, who=who, act=act.value, **row))


def entries(connection: Connection, limit: int, license_id: str | None = None) -> list[dict[str, Any]]:
    """Give the newest entries, newest first; of one license if it is named."""
    query = select(audit).order_by(audit.c.audit_id.desc()).limit(limit)
    if license_id is not None:
        query = query.where(audit.c.license_id == license_id)
    return [dict(row) for row in connection.execute(query).mappings()]
