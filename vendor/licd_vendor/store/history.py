"""What was scanned and how it ended, for the vendor's eyes. The same scan repeated is one row, counted.

Rules:

- A scan is kept only when its license is known: strangers can fill nothing.
- Alerts are the scans that the vendor must look at: copies (R28), and releases beyond the contract's limit (R30).
"""

from typing import Any

from sqlalchemy import Connection, insert, select, update

from licd_daemon.formats.challenge import Purpose, SealedContent
from licd_vendor.domain.scan import Refusal
from licd_vendor.store.schema import bindings, issues, licenses, scans

ALERTS = (Refusal.COPIED, Refusal.RELEASE_LIMIT)


def keep(connection: Connection, content: SealedContent, purpose: Purpose, verdict: str, now: int) -> None:
    """Keep a scan's verdict."""
    what = {
        "license_id": content.license_id,
        "challenge_id": content.challenge_id.hex(),
        "purpose": purpose.value,
        "verdict": verdict,
    }
    again = (
        update(scans)
        .where(*(scans.c[name] == value for name, value in what.items()))
        .values(last_at=now, times=scans.c.times + 1)
    )
    if connection.execute(again).rowcount == 0:
        first = {"node_count": content.node_count, "clock_offset": content.created_at - now, "times": 1}
        connection.execute(insert(scans).values(**what, **first, first_at=now, last_at=now))


def scans_of(connection: Connection, license_id: str) -> list[dict[str, Any]]:
    """Give a license's scans, newest first."""
    query = (
        select(scans).where(scans.c.license_id == license_id).order_by(scans.c.last_at.desc(), scans.c.scan_id.desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def alerts(connection: Connection) -> list[dict[str, Any]]:
    """Give the scans that the vendor must look at, newest first, with the license's company."""
    query = (
        select(scans, licenses.c.company)
        .join(licenses, licenses.c.license_id == scans.c.license_id)
        .where(scans.c.verdict.in_([kind.value for kind in ALERTS]))
        .order_by(scans.c.last_at.desc(), scans.c.scan_id.desc())
    )
    return [dict(row) for row in connection.execute(query).mappings()]


def bindings_of(connection: Connection, license_id: str) -> list[dict[str, Any]]:
    """Give a license's bindings, newest first."""
    query = select(bindings).where(bindings.c.license_id == license_id).order_by(bindings.c.binding_id.desc())
    return [dict(row) for row in connection.execute(query).mappings()]


def issues_of(connection: Connection, license_id: str) -> list[dict[str, Any]]:
    """Give a license's issues, newest first."""
    query = select(issues).where(issues.c.license_id == license_id).order_by(issues.c.issue_id.desc())
    return [dict(row) for row in connection.execute(query).mappings()]
