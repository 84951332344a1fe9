"""The vendor's acts, each one transaction: load what bears on it, decide in pure code, make it durable, then answer."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection

from licd_daemon.formats import claims, container_lic, strict
from licd_daemon.formats.challenge import Purpose, SealedContent
from licd_daemon.formats.license import License, Portal, Vendor
from licd_vendor.domain import issue, release, scan
from licd_vendor.domain.model import LicenseRecord, hash_project_key
from licd_vendor.errors import RefusedError
from licd_vendor.keys import SigningKey
from licd_vendor.store import bindings, history, records
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


def register(database: Database, content: SealedContent, now: int) -> scan.Shown | scan.Refused:
    """Judge the scan of a challenge, and bind the license if it is the first (R25, R26)."""
    key_hash, challenge_id = hash_project_key(content.project_key), content.challenge_id.hex()
    with database.writing() as connection:
        license_ = records.find_license(connection, content.license_id)
        binding = bindings.in_force(connection, content.license_id)
        shown = bindings.first_shown(connection, content.license_id, key_hash, challenge_id)
        facts = scan.Facts(
            license=license_,
            binding=binding,
            first_shown_at=shown[0] if shown else None,
            shown_in_force=bool(shown and binding and shown[1] == binding.binding_id),
            key_released=bindings.is_released(connection, key_hash),
        )
        verdict = scan.decide(facts, content, now)
        if isinstance(verdict, scan.Shown) and verdict.change is not None:
            bindings.apply(connection, verdict.change, content, now)
        if license_ is not None:
            history.keep(connection, content, Purpose.REGISTER, name_of(verdict), now)
    return verdict


def release_license(database: Database, content: SealedContent, now: int) -> release.Released | scan.Refused:
    """Judge a release, and end the binding if it is that deployment's (R30)."""
    key_hash = hash_project_key(content.project_key)
    with database.writing() as connection:
        license_ = records.find_license(connection, content.license_id)
        facts = _release_facts(connection, license_, key_hash, now)
        verdict = release.decide_release(facts, content)
        if isinstance(verdict, release.Released) and verdict.is_new:
            if verdict.ends_binding and facts.binding is not None:
                bindings.end(connection, facts.binding, bindings.BY_RELEASE, now)
            bindings.mark_released(connection, content.license_id, key_hash, now)
        if license_ is not None:
            history.keep(connection, content, Purpose.RELEASE, name_of(verdict), now)
    return verdict


def issue_license(
    database: Database, order: Order, key: SigningKey, now: int, deliver: Callable[[Issued], None]
) -> Issued:
    """Issue a license from a contract (R29).

    Args:
        database: The vendor's records.
        order: What to issue.
        key: The key to sign with.
        now: Unix seconds.
        deliver: Writes the file and the mail. When it raises, nothing is kept: a customer never holds a license that
            the portal does not know, nor the other way round.

    Raises:
        RefusedError: Naming the rule broken.
    """
    portal = Portal(_portal_url(order.portal_url), strict.encode_base64url(order.portal_public_key))
    issuer = issue.Issuer(order.vendor, key.key_id, portal)
    with database.writing() as connection:
        contract = records.get_contract(connection, order.contract_id)
        issue.check_request(contract, order.request, now)
        license_id, issued_at = str(uuid.uuid4()), now
        if order.reissue is not None:
            previous = records.get_license(connection, order.reissue)
            issue.check_reissue(contract, previous)
            license_id, issued_at = previous.license_id, max(now, previous.issued_at + 1)
        license_ = issue.to_license(contract, order.request, issuer, license_id, issued_at)
        try:
            content = container_lic.sign(license_, key.private)
        except container_lic.LicenseInvalid as fault:
            raise RefusedError(f"R1: {fault}") from None
        records.keep_issue(connection, contract.contract_id, license_, is_reissue=order.reissue is not None)
        issued = Issued(license_, content, contract.terms.sender_email)
        deliver(issued)
    return issued


def unbind(database: Database, license_id: str, now: int) -> LicenseRecord:
    """End a license's binding (R27); raise RefusedError when it has none."""
    with database.writing() as connection:
        license_ = records.get_license(connection, license_id)
        binding = bindings.in_force(connection, license_.license_id)
        if binding is None:
            raise RefusedError(f"license {license_.license_id}: is not bound; the next scan binds it")
        bindings.end(connection, binding, bindings.BY_VENDOR, now)
    return license_


def revoke(database: Database, license_id: str, now: int) -> LicenseRecord:
    """Revoke a license: no scan of it gives a code again. Repeating it changes nothing."""
    with database.writing() as connection:
        license_ = records.get_license(connection, license_id)
        if license_.revoked_at is None:
            records.revoke(connection, license_.license_id, now)
    return license_


def name_of(verdict: scan.Shown | release.Released | scan.Refused) -> str:
    """Name a verdict for the records and the log."""
    if isinstance(verdict, scan.Refused):
        return verdict.kind.value
    if isinstance(verdict, release.Released):
        return "released"
    return "shown"


def _release_facts(
    connection: Connection, license_: LicenseRecord | None, key_hash: str, now: int
) -> release.ReleaseFacts:
    if license_ is None:
        return release.ReleaseFacts(
            None, None, key_was_bound=False, key_released=False, self_releases=0, self_release_limit=0
        )
    contract = records.get_contract(connection, license_.contract_id)
    return release.ReleaseFacts(
        license=license_,
        binding=bindings.in_force(connection, license_.license_id),
        key_was_bound=bindings.was_bound(connection, license_.license_id, key_hash),
        key_released=bindings.is_released_from(connection, license_.license_id, key_hash),
        self_releases=bindings.count_self_releases(connection, license_.contract_id, now - release.YEAR_SECONDS),
        self_release_limit=contract.terms.self_releases_per_year,
    )


def _portal_url(url: str) -> str:
    try:
        return claims.check_portal_url(url, "portal url")
    except strict.Malformed as fault:
        raise RefusedError(str(fault)) from None
