"""What people are shown of the records, as JSON-ready values, by the reading commands and the staff's page.

Rules:

- Times in RFC 3339; of a binding no hash and no head.
- With each license: how often the customer has moved licenses of the contract without asking, and how often they may
  (R30); and how many QRs it was shown that no code leads to, from the first on (R28).
"""

from typing import Any

from sqlalchemy import Connection

from licd_vendor import clock
from licd_vendor.domain.model import LicenseRecord
from licd_vendor.domain.release import YEAR_SECONDS
from licd_vendor.store import alerts, audit, bindings, history, records


def all_licenses(connection: Connection, now: int, search: str = "", limit: int | None = None) -> list[dict[str, Any]]:
    """Give licenses with their state: those whose company, project or id holds `search`, newest last."""
    since = bindings.bound_since(connection)
    found = records.list_licenses(connection, search, limit)
    return [_license(record, since.get(record.license_id), now) for record in found]


def one_license(connection: Connection, license_id: str, now: int) -> dict[str, Any]:
    """Give a license with its issues, bindings and scans, newest first; raise RefusedError when there is none."""
    record = records.get_license(connection, license_id)
    contract = records.get_contract(connection, record.contract_id)
    since = now - YEAR_SECONDS
    bound = [row for row in history.bindings_of(connection, record.license_id) if row["ended_at"] is None]
    return _license(record, bound[0]["bound_at"] if bound else None, now) | {
        "self_releases": bindings.count_self_releases(connection, record.contract_id, since),
        "self_releases_per_year": contract.terms.self_releases_per_year,
        "unknown_predecessors": bindings.count_unknown(connection, record.license_id),
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


def all_alerts(connection: Connection, *, settled: bool = False) -> list[dict[str, Any]]:
    """Give what the vendor must look at, newest first; with `settled` what was settled too."""
    return [
        {
            "alert_id": row["scan_id"],
            "kind": row["verdict"],
            "license_id": row["license_id"],
            "company": row["company"],
            "first_at": clock.iso(row["first_at"]),
            "last_at": clock.iso(row["last_at"]),
            "times": row["times"],
            "settled_at": _iso(row["settled_at"]),
            "settled_for": row["settled_for"],
            "settled_by": row["settled_by"],
        }
        for row in alerts.find(connection, settled=settled)
    ]


def audit_entries(connection: Connection, limit: int, license_id: str | None = None) -> list[dict[str, Any]]:
    """Give the newest acts, newest first; of one license if it is named."""
    found = audit.entries(connection, limit, license_id.strip().lower() if license_id else None)
    return [{**row, "at": clock.iso(row["at"])} for row in found]


def _license(record: LicenseRecord, bound_at: int | None, now: int) -> dict[str, Any]:
    return {
        "license_id": record.license_id,
        "contract_id": record.contract_id,
        "company": record.company,
        "project": record.project,
        "max_nodes": record.max_nodes,
        "outage_grace_seconds": record.outage_grace_seconds,
        "min_version": record.min_version,
        "issued_at": clock.iso(record.issued_at),
        "expires_at": clock.iso(record.expires_at),
        "portal_url": record.portal_url,
        "key_id": record.key_id,
        "state": _state(record, now, is_bound=bound_at is not None),
        "bound_at": _iso(bound_at),
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
