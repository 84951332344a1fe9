"""What was scanned and how it ended, for the vendor's eyes. The same scan repeated is one row, counted.

Rules:

- A scan is kept only when its license is known: strangers can fill nothing.
- A scan remembers the binding in force then and what the deployment showed of itself, so that the vendor can settle an
  alert in its favour later (alerts.py).
"""

from functools import cache
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.dml import ReturningInsert

from licd_formats.challenge import Purpose, SealedContent
from licd_vendor.domain.model import Binding
from licd_vendor.store.schema import bindings, issues, scans


def keep(
    connection: Connection, content: SealedContent, purpose: Purpose, verdict: str, binding: Binding | None, now: int
) -> bool:
    """Keep a scan's verdict; say whether it is the first time for this QR."""
    what = {
        "license_id": content.license_id,
        "challenge_id": content.challenge_id.hex(),
        "purpose": purpose.value,
        "verdict": verdict,
    }
    first = {
        "node_count": content.node_count,
        "clock_offset": content.created_at - now,
        "times": 1,
        "binding_id": None if binding is None else binding.binding_id,
        "predecessor": content.predecessor.hex(),
    }
    counted = _counted(connection.dialect.name)
    return bool(connection.execute(counted, {**what, **first, "first_at": now, "last_at": now}).scalar_one() == 1)


@cache
def _counted(dialect: str) -> ReturningInsert[Any]:
    """The statement, made once: to make it costs as much as to execute it."""
    kept = (postgresql.insert if dialect == "postgresql" else sqlite.insert)(scans)
    return kept.on_conflict_do_update(
        index_elements=["license_id", "challenge_id", "purpose", "verdict"],
        set_={"last_at": kept.excluded.last_at, "times": scans.c.times + 1},
    ).returning(scans.c.times)


def scans_of(connection: Connection, license_id: str) -> list[dict[str, Any]]:
    """Give a license's scans, newest first."""
    query = (
        select(scans).where(scans.c.license_id == license_id).order_by(scans.c.last_at.desc(), scans.c.scan_id.desc())
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
