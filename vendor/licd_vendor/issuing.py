"""Issuing a license from a contract (R29): one transaction, and the files with it."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from licd_formats import claims, container_lic, strict
from licd_formats.license import License, Portal, Vendor
from licd_vendor.domain import issue
from licd_vendor.domain.model import Contract
from licd_vendor.errors import RefusedError
from licd_vendor.keys import SigningKey
from licd_vendor.store import audit, records
from licd_vendor.store.audit import Act
from licd_vendor.store.database import Database


@dataclass(frozen=True, slots=True)
class Order:
    """What `issue` is asked to do."""

    contract_id: int
    request: issue.Request
    vendor: Vendor
    portal_url: str
    portal_public_key: bytes
    reissue: str | None
    """The id of the license to issue again; None: a new one."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A license, signed."""

    license: License
    content: bytes
    recipient: str
    in_reply_to: str | None
    """The application mail's id."""


def issue_license(
    database: Database, order: Order, key: SigningKey, who: str, now: int, deliver: Callable[[Issued], None]
) -> Issued:
    """Issue a license from a contract (R29).

    Args:
        database: The vendor's records.
        order: What to issue.
        key: The key to sign with.
        who: For the audit table.
        now: Unix seconds.
        deliver: Writes the files. When it raises, nothing is kept: a customer never holds a license that
            the portal does not know, nor the other way round.

    Raises:
        RefusedError: Naming the rule broken.
    """
    portal = Portal(_portal_url(order.portal_url), strict.encode_base64url(order.portal_public_key))
    issuer = issue.Issuer(order.vendor, key.key_id, portal)
    with database.writing() as connection:
        contract = records.get_contract(connection, order.contract_id, hold=True)
        license_id, issued_at = _identify(connection, contract, order, now)
        elsewhere = records.live_nodes(connection, contract.contract_id, now, license_id)
        issue.check_request(contract, order.request, elsewhere, now)
        license_ = issue.to_license(contract, order.request, issuer, license_id, issued_at)
        try:
            content = container_lic.sign(license_, key.private)
        except container_lic.LicenseInvalid as fault:
            raise RefusedError(f"R1: {fault}") from None
        _keep(connection, contract, order, license_, who, now)
        issued = Issued(license_, content, contract.terms.sender_email, order.request.message_id)
        deliver(issued)
    return issued


def _identify(connection: Connection, contract: Contract, order: Order, now: int) -> tuple[str, int]:
    """Give the license's id, and when it counts as issued."""
    if order.reissue is not None:
        previous = records.get_license(connection, order.reissue)
        issue.check_reissue(contract, previous)
        return previous.license_id, max(now, previous.issued_at + 1)
    message_id = order.request.message_id
    answered = records.find_by_request(connection, message_id) if message_id is not None else None
    if answered is not None:
        raise RefusedError(
            f"R29: this mail has got license {answered} already; to issue it again: --reissue {answered}"
        )
    return str(uuid.uuid4()), now


def _keep(connection: Connection, contract: Contract, order: Order, license_: License, who: str, now: int) -> None:
    is_reissue = order.reissue is not None
    records.keep_issue(connection, contract.contract_id, license_, order.request.message_id, is_reissue=is_reissue)
    audit.keep(
        connection,
        who,
        Act.REISSUED if is_reissue else Act.ISSUED,
        now,
        contract_id=contract.contract_id,
        license_id=license_.license_id,
        detail=f"{license_.max_nodes} nodes, key {license_.key_id}, for {order.request.sender}",
    )


def _portal_url(url: str) -> str:
    try:
        return claims.check_portal_url(url, "portal url")
    except strict.Malformed as fault:
        raise RefusedError(str(fault)) from None
