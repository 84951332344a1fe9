"""Contracts and licenses: rows to values and back."""

from dataclasses import asdict

from sqlalchemy import Connection, RowMapping, insert, select, update

from licd_daemon.formats.license import License
from licd_vendor.domain.model import Contract, LicenseRecord, Terms
from licd_vendor.errors import RefusedError
from licd_vendor.store.schema import contracts, issues, licenses

_TERMS = tuple(Terms.__dataclass_fields__)


def add_contract(connection: Connection, terms: Terms, now: int) -> int:
    """Keep a contract; give its id."""
    added = insert(contracts).values(**asdict(terms), created_at=now).returning(contracts.c.contract_id)
    return int(connection.execute(added).scalar_one())


def list_contracts(connection: Connection) -> list[Contract]:
    """Give every contract, oldest first."""
    rows = connection.execute(select(contracts).order_by(contracts.c.contract_id)).mappings()
    return [_contract(row) for row in rows]


def get_contract(connection: Connection, contract_id: int) -> Contract:
    """Give a contract; raise RefusedError when there is none."""
    row = connection.execute(select(contracts).where(contracts.c.contract_id == contract_id)).mappings().one_or_none()
    if row is None:
        raise RefusedError(f"contract {contract_id}: there is none; see `licd-vendor contract list`")
    return _contract(row)


def list_licenses(connection: Connection) -> list[LicenseRecord]:
    """Give every license, by its first issue."""
    rows = connection.execute(select(licenses).order_by(licenses.c.issued_at, licenses.c.license_id)).mappings()
    return [LicenseRecord(**row) for row in rows]


def find_license(connection: Connection, license_id: str) -> LicenseRecord | None:
    """Give a license and hold its row until the transaction ends, so that scans of it come one after the other."""
    query = select(licenses).where(licenses.c.license_id == license_id).with_for_update()
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else LicenseRecord(**row)


def get_license(connection: Connection, license_id: str) -> LicenseRecord:
    """Give a license; raise RefusedError when there is none."""
    record = find_license(connection, license_id.strip().lower())
    if record is None:
        raise RefusedError(f"license {license_id}: there is none; see `licd-vendor list`")
    return record


def keep_issue(connection: Connection, contract_id: int, license_: License, *, is_reissue: bool) -> None:
    """Keep what was issued: a new license, or a new issue of one that is there."""
    latest = {
        "contract_id": contract_id,
        "company": license_.company,
        "project": license_.project,
        "max_nodes": license_.max_nodes,
        "issued_at": license_.issued_at,
        "expires_at": license_.expires_at,
        "key_id": license_.key_id,
        "portal_url": license_.portal.url,
    }
    if is_reissue:
        connection.execute(update(licenses).where(licenses.c.license_id == license_.license_id).values(**latest))
    else:
        connection.execute(insert(licenses).values(license_id=license_.license_id, **latest))
    connection.execute(
        insert(issues).values(
            license_id=license_.license_id,
            issued_at=license_.issued_at,
            expires_at=license_.expires_at,
            max_nodes=license_.max_nodes,
        )
    )


def revoke(connection: Connection, license_id: str, now: int) -> None:
    """Revoke a license: from now on no scan of it gives a code."""
    connection.execute(update(licenses).where(licenses.c.license_id == license_id).values(revoked_at=now))


def _contract(values: RowMapping) -> Contract:
    return Contract(values["contract_id"], Terms(**{name: values[name] for name in _TERMS}), values["created_at"])
