"""What the reading commands print, as JSON-ready values: times in RFC 3339, and of a binding no hash and no head."""

from typing import Any

from sqlalchemy import Connection

from licd_vendor import clock
from licd_vendor.domain.model import LicenseRecord
from licd_vendor.store import history, records


def all_licenses(connection: Connection, now: int) -> list[dict[str, Any]]:
    """Give every license with its state."""
    return [_license(connection, record, now) for record in records.list_licenses(connection)]


def one_license(connection: Connection, license_id: str, now: int) -> dict[str, Any]:
    """Give a license with its issues, bindings and scans, newest first."""
    record = records.get_license(connection, license_id)
    return _license(connection, record, now) | {
        "issues": [
            {
                "issued_at": clock.iso(row["issued_at"]),
                "expires_at": clock.iso(row["expires_at"]),
                "max_nodes": row["max_nodes"],
            }
            for row in history.issues_of(connection, record.license_id)
        ],
        "bindings": [_binding(row) for row in history.bindings_of(connection, record.license_id)],
        "scans": [_scan(row) for row in history.scans_of(connection, record.license_id)],
    }


def all_alerts(connection: Connection) -> list[dict[str, Any]]:
    """Give what the vendor must look at, newest first."""
    return [
        {
            "kind": row["verdict"],
            "license_id": row["license_id"],
            "company": row["company"],
            "first_at": clock.iso(row["first_at"]),
            "last_at": clock.iso(row["last_at"]),
            "times": row["times"],
        }
        for row in history.alerts(connection)
    ]


def _license(connection: Connection, record: LicenseRecord, now: int) -> dict[str, Any]:
    in_force = [row for row in history.bindings_of(connection, record.license_id) if row["ended_at"] is None]
    return {
        "license_id": record.license_id,
        "contract_id": record.contract_id,
        "company": record.company,
        "project": record.project,
        "max_nodes": record.max_nodes,
        "issued_at": clock.iso(record.issued_at),
        "expires_at": clock.iso(record.expires_at),
        "portal_url": record.portal_url,
        "key_id": record.key_id,
        "state": _state(record, now, is_bound=bool(in_force)),
        "bound_at": clock.iso(in_force[0]["bound_at"]) if in_force else None,
        "revoked_at": _iso(record.revoked_at),
    }


def _state(record: LicenseRecord, now: int, *, is_bound: bool) -> str:
    if record.revoked_at is not None:
        return "revoked"
    if now >= record.expires_at:
        return "expired"
    return "bound" if is_bound else "free"


def _binding(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "bound_at": clock.iso(row["bound_at"]),
        "ended_at": _iso(row["ended_at"]),
        "ended_by": row["ended_by"],
        "released_at": _iso(row["released_at"]),
    }


def _scan(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "purpose": row["purpose"],
        "verdict": row["verdict"],
        "node_count": row["node_count"],
        "clock_offset_seconds": row["clock_offset"],
        "first_at": clock.iso(row["first_at"]),
        "last_at": clock.iso(row["last_at"]),
        "times": row["times"],
    }


def _iso(seconds: int | None) -> str | None:
    return None if seconds is None else clock.iso(seconds)
