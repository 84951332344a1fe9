"""What the vendor must look at, and how it was settled (R28, R30).

Rules:

- Alerts are scans that were refused and that only the vendor can judge: copies (R28), and releases beyond the
  contract's limit (R30). One QR raises one alert, however often it is scanned.
- An alert is open until it is settled. Another QR of the same copy raises another.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, func, select, update

from licd_vendor.domain.scan import Refusal
from licd_vendor.errors import RefusedError
from licd_vendor.store.schema import bindings, is_id, licenses, scans, shown_codes, unknown_predecessors

KINDS = (Refusal.COPIED, Refusal.RELEASE_LIMIT)
_VALUES = tuple(kind.value for kind in KINDS)


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert."""

    alert_id: int
    kind: Refusal
    license_id: str
    binding_id: int | None
    """The binding in force when it was raised; None: raised by a version that did not keep it."""
    predecessor: str | None
    """What the refused deployment showed as its predecessor."""
    settled_at: int | None


def find(connection: Connection, *, settled: bool = False) -> list[dict[str, Any]]:
    """Give the open alerts, newest first, with the license's company; with `settled` the others too."""
    query = _query().order_by(scans.c.last_at.desc(), scans.c.scan_id.desc())
    if not settled:
        query = query.where(scans.c.settled_at.is_(None))
    return [dict(row) for row in connection.execute(query).mappings()]


def count_open(connection: Connection) -> int:
    """Count the open alerts."""
    query = select(func.count()).where(scans.c.verdict.in_(_VALUES), scans.c.settled_at.is_(None))
    return connection.scalar(query) or 0


def license_of(connection: Connection, alert_id: int) -> str:
    """Give the id of the license that an alert is about; raise RefusedError when there is no such alert."""
    query = _query().where(scans.c.scan_id == alert_id)
    row = connection.execute(query).mappings().one_or_none() if is_id(alert_id) else None
    if row is None:
        raise RefusedError(f"alert {alert_id}: there is none; see `licd-vendor alerts`")
    return str(row["license_id"])


def get(connection: Connection, alert_id: int) -> Alert:
    """Give an alert that is there; its license is held (records.get_license), and so is the alert with it."""
    return _alert(connection.execute(_query().where(scans.c.scan_id == alert_id)).mappings().one())


def settle(connection: Connection, alert: Alert, settled_for: str, who: str, now: int) -> None:
    """Close an alert."""
    settled = {"settled_at": now, "settled_for": settled_for, "settled_by": who}
    connection.execute(update(scans).where(scans.c.scan_id == alert.alert_id).values(**settled))


def take_as_head(connection: Connection, binding_id: int, head: str) -> None:
    """Let a binding go on from `head`: what was shown before is forgotten, so that any other copy stops (R28).

    The head is known from now on: an old QR of it that is scanned late some day is the first of its kind again.
    """
    here = (unknown_predecessors.c.binding_id == binding_id, unknown_predecessors.c.predecessor == head)
    connection.execute(delete(unknown_predecessors).where(*here))
    connection.execute(update(bindings).where(bindings.c.binding_id == binding_id).values(head=head))
    connection.execute(update(shown_codes).where(shown_codes.c.binding_id == binding_id).values(since_head=False))


def _query() -> Select[Any]:
    return (
        select(scans, licenses.c.company, licenses.c.project)
        .join(licenses, licenses.c.license_id == scans.c.license_id)
        .where(scans.c.verdict.in_(_VALUES))
    )


def _alert(row: RowMapping) -> Alert:
    return Alert(
        alert_id=row["scan_id"],
        kind=Refusal(row["verdict"]),
        license_id=row["license_id"],
        binding_id=row["binding_id"],
        predecessor=row["predecessor"],
        settled_at=row["settled_at"],
    )
