"""Contracts and licenses: rows to values and back."""

from dataclasses import asdict

from sqlalchemy import Connection, RowMapping, bindparam, case, exists, func, insert, or_, select, update

from licd_formats.license import License
from licd_vendor.domain.model import Contract, LicenseRecord, Terms
from licd_vendor.errors import RefusedError
from licd_vendor.store.schema import bindings, contracts, is_id, issues, licenses

_TERMS = tuple(Terms.__dataclass_fields__)
_HELD = select(licenses).where(licenses.c.license_id == bindparam("license_id")).with_for_update()


def add_contract(connection: Connection, terms: Terms, now: int) -> int:
    """Keep a contract; give its id."""
    added = insert(contracts).values(**asdict(terms), created_at=now).returning(contracts.c.contract_id)
    return int(connection.execute(added).scalar_one())


def list_contracts(connection: Connection) -> list[Contract]:
    """Give every contract, oldest first."""
    rows = connection.execute(select(contracts).order_by(contracts.c.contract_id)).mappings()
    return [_contract(row) for row in rows]


def get_contract(connection: Connection, contract_id: int, *, hold: bool = False) -> Contract:
    """Give a contract; raise RefusedError when there is none.

    Args:
        connection: A transaction.
        contract_id: Which.
        hold: Hold its row until the transaction ends, so that two issues from it come one after the other.
    """
    query = select(contracts).where(contracts.c.contract_id == contract_id)
    query = query.with_for_update() if hold else query
    row = connection.execute(query).mappings().one_or_none() if is_id(contract_id) else None
    if row is None:
        raise RefusedError(f"contract {contract_id}: there is none; see `licd-vendor contract list`")
    return _contract(row)


def list_licenses(connection: Connection, search: str = "", limit: int | None = None) -> list[LicenseRecord]:
    """Give the licenses whose company, project or id holds `search`, by their last issue; at most `limit`."""
    query = select(licenses).order_by(licenses.c.issued_at, licenses.c.license_id).limit(limit)
    if search:
        names = (licenses.c.company, licenses.c.project, licenses.c.license_id)
        query = query.where(or_(*(name.icontains(search, autoescape=True) for name in names)))
    return [LicenseRecord(**row) for row in connection.execute(query).mappings()]


def find_license(connection: Connection, license_id: str) -> LicenseRecord | None:
    """Give a license and hold its row until the transaction ends, so that scans of it come one after the other."""
    row = connection.execute(_HELD, {"license_id": license_id}).mappings().one_or_none()
    return None if row is None else LicenseRecord(**row)


def count_licenses(connection: Connection, now: int) -> dict[str, int]:
    """Count the licenses by state: bound, free, expired, revoked."""
    bound = exists().where(bindings.c.license_id == licenses.c.license_id, bindings.c.ended_at.is_(None))
    state = case(
        (licenses.c.revoked_at.is_not(None), "revoked"),
        (licenses.c.expires_at <= now, "expired"),
        (bound, "bound"),
        else_="free",
    ).label("state")
    rows = connection.execute(select(state, func.count()).group_by(state))
    return {name: number for name, number in rows}  # noqa: C416 (mypy knows no dict of rows)


def get_license(connection: Connection, license_id: str) -> LicenseRecord:
    """Give a license; raise RefusedError when there is none."""
    record = find_license(connection, license_id.strip().lower())
    if record is None:
        raise RefusedError(f"license {license_id}: there is none; see `licd-vendor list`")
    return record


def live_licenses_of_key(connection: Connection, key_id: str, now: int) -> int:
    """Count the licenses, neither revoked nor expired, whose last issue a key has signed."""
    live = (licenses.c.key_id == key_id, licenses.c.revoked_at.is_(None), licenses.c.expires_at > now)
    return connection.scalar(select(func.count()).select_from(licenses).where(*live)) or 0


def live_nodes(connection: Connection, contract_id: int, now: int, besides: str | None) -> int:
    """Sum the nodes of a contract's live licenses (R29).

    Args:
        connection: A transaction.
        contract_id: Which contract.
        now: Unix seconds.
        besides: The id of a license that is left out.
    """
    most = (
        select(func.max(issues.c.max_nodes).label("nodes"))
        .join(licenses, licenses.c.license_id == issues.c.license_id)
        .where(licenses.c.contract_id == contract_id, licenses.c.revoked_at.is_(None), issues.c.expires_at > now)
        .group_by(issues.c.license_id)
    )
    if besides is not None:
        most = most.where(issues.c.license_id != besides)
    return connection.scalar(select(func.sum(most.subquery().c.nodes))) or 0


def find_by_request(connection: Connection, request_id: str) -> str | None:
    """Give the id of the license that an application mail has got."""
    return connection.scalar(select(issues.c.license_id).where(issues.c.request_id == request_id).limit(1))


def keep_issue(
    connection: Connection, contract_id: int, license_: License, request_id: str | None, *, is_reissue: bool
) -> None:
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
        "outage_grace_seconds": license_.outage_grace_seconds,
        "min_version": license_.application.min_version,
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
            request_id=request_id,
        )
    )


def revoke(connection: Connection, license_id: str, now: int) -> None:
    """Revoke a license: from now on no scan of it gives a code."""
    connection.execute(update(licenses).where(licenses.c.license_id == license_id).values(revoked_at=now))


def _contract(values: RowMapping) -> Contract:
    return Contract(values["contract_id"], Terms(**{name: values[name] for name in _TERMS}), values["created_at"])
