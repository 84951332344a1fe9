"""R29: from a customer's mail to a license.

Rules:

- The sender's mail address is the contract's. Case does not matter.
- The company is named, and is the contract's. Case and runs of spaces do not matter; the license has the contract's
  spelling. Project and contract signing date, where the mail names them, are the contract's too.
- The maximum of nodes is 1 unless asked for. The contract's maximum bounds the sum over all its live licenses: those
  neither revoked nor expired. A license counts with the most nodes of its issues that have not expired, for the
  customer may still upload any of them; the license that is issued again counts with what is asked for now.
- A reissue keeps the license's id; it is of the same contract, of a license not revoked, and its `iat` is later than
  the one before, or daemons would refuse it (R2).
- A last day is whole, wherever the customer is: the license ends when the day has ended in the last time zone, UTC-12.
  The vendor's own time zone does not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from licd_formats import claims, strict
from licd_formats.license import License, LicensedApplication, Portal, Vendor
from licd_vendor.domain.model import Contract, LicenseRecord, Terms
from licd_vendor.domain.names import folded, is_same_address
from licd_vendor.errors import RefusedError

_DAY_SECONDS = 24 * 60 * 60
_LAST_TIME_ZONE_SECONDS = 12 * 60 * 60
_HAS_EXPIRED = "R29: the license would have expired before it is issued; give a later end"


@dataclass(frozen=True, slots=True)
class Request:
    """What the customer asked for, and the vendor's answer to until when."""

    sender: str
    company: str
    max_nodes: int
    expires_at: int
    project: str | None = None
    """None: the mail did not say."""
    signed_on: str | None = None
    message_id: str | None = None
    """The application mail's id: one mail gets one new license."""
    outage_grace_seconds: int | None = None
    """The vendor's choice for this license (R41); None: the contract's."""
    min_version: str | None = None
    """The vendor's choice for this license (R5); None: the contract's."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues, and where its portal is."""

    vendor: Vendor
    key_id: str
    portal: Portal


def check_terms(terms: Terms) -> None:
    """Check that licenses can be issued from these terms; raise RefusedError naming the field otherwise."""
    try:
        strict.as_text(terms.company, "company", claims.MAX_NAME)
        claims.check_email(terms.sender_email, "email")
        strict.as_text(terms.project, "project", claims.MAX_NAME)
        strict.as_int(terms.max_nodes, "max nodes", 1, claims.MAX_NODES)
        strict.as_text(terms.application_name, "application name", claims.MAX_APPLICATION_NAME)
        strict.as_text(terms.application_version, "application version", claims.MAX_APPLICATION_VERSION)
        strict.as_text(terms.application_content, "application content", claims.MAX_CONTENT, shortest=0)
        claims.check_date(terms.min_build_date, "min build date")
        strict.as_int(terms.self_releases_per_year, "self releases", 0, 1000)
        if terms.signed_on is not None:
            claims.check_date(terms.signed_on, "signed on")
        if terms.recertify_days is not None:
            strict.as_int(terms.recertify_days, "recertify days", 1, claims.MAX_RECERTIFY_DAYS)
        strict.as_int(terms.outage_grace_seconds, "outage grace", 0, claims.MAX_OUTAGE_GRACE_SECONDS)
        strict.as_text(terms.min_version, "min version", claims.MAX_APPLICATION_VERSION, shortest=0)
    except strict.Malformed as fault:
        raise RefusedError(str(fault)) from None
    if _admits_none(terms.application_version, terms.min_version):
        raise RefusedError(
            f"min version: {terms.min_version} is above every version that {terms.application_version} certifies; give "
            f"one such as {terms.application_version}.1"
        )


def _admits_none(certified: str, lowest: str) -> bool:
    """Say whether no version is certified and at least the lowest one (R5), as far as numbers show."""
    pairs = zip(certified.split("."), lowest.split("."), strict=False)
    differing = next(((mine, least) for mine, least in pairs if mine != least), ("", ""))
    return all(part.isdecimal() for part in differing) and int(differing[1]) > int(differing[0])


def end_of_last_day(day: str, now: int) -> int:
    """Give the instant at which a day has ended everywhere, Unix seconds.

    Args:
        day: The license's last day, `YYYY-MM-DD`.
        now: Unix seconds.

    Raises:
        RefusedError: When it is not a date, or has passed.
    """
    try:
        claims.check_date(day, "expires")
    except strict.Malformed as fault:
        raise RefusedError(str(fault)) from None
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    if midnight.date() < datetime.fromtimestamp(now, UTC).date():
        raise RefusedError(_HAS_EXPIRED)
    return min(int(midnight.timestamp()) + _DAY_SECONDS + _LAST_TIME_ZONE_SECONDS, claims.LAST_SECOND)


def choose_contract(contracts: Sequence[Contract], request: Request) -> Contract:
    """Find the one contract that a mail can be about: by its sender, then by what it names.

    Raises:
        RefusedError: When there is none, or more than one (R29).
    """
    found = [one for one in contracts if is_same_address(one.terms.sender_email, request.sender)]
    if not found:
        raise RefusedError(
            f"R29: the mail must come from a contract's address; no contract has {request.sender!r}: ask the customer "
            "to send it from there, and save that mail and not one that forwards it"
        )
    if len(found) > 1:
        found = [one for one in found if _is_of(one.terms, request)]
    if len(found) != 1:
        count = "no contract" if not found else f"{len(found)} contracts"
        raise RefusedError(
            f"R29: {count} of {request.sender!r} are of this company, project and signing date; name it with --contract"
        )
    return found[0]


def _is_of(terms: Terms, request: Request) -> bool:
    try:
        _check_words(terms, request)
    except RefusedError:
        return False
    return True


def check_request(contract: Contract, request: Request, nodes_elsewhere: int, now: int) -> None:
    """Check what the customer asks for against the contract.

    Args:
        contract: The contract.
        request: What is asked for.
        nodes_elsewhere: The nodes of the contract's other live licenses.
        now: Unix seconds.

    Raises:
        RefusedError: Naming the rule broken (R29).
    """
    _check_words(contract.terms, request)
    _check_nodes(contract, request.max_nodes, nodes_elsewhere)
    if request.expires_at <= now:
        raise RefusedError(_HAS_EXPIRED)


def _check_words(terms: Terms, request: Request) -> None:
    if not is_same_address(request.sender, terms.sender_email):
        raise RefusedError(
            f"R29: the mail must come from the contract's address, {terms.sender_email}, not from {request.sender!r}; "
            "ask the customer to send it from there"
        )
    if not request.company.strip():
        raise RefusedError("R29: the mail must name the company, as the contract does")
    if folded(request.company) != folded(terms.company):
        raise _differs("company", terms.company, request.company)
    if request.project is not None and folded(request.project) != folded(terms.project):
        raise _differs("project", terms.project, request.project)
    if request.signed_on is not None and terms.signed_on not in (None, request.signed_on):
        raise _differs("contract signing date", terms.signed_on, request.signed_on)


def _differs(field: str, contracts: str | None, asked: str) -> RefusedError:
    return RefusedError(
        f"R29: the {field} must be the contract's, {contracts!r}, not {asked!r}; ask the customer to correct it"
    )


def _check_nodes(contract: Contract, asked: int, elsewhere: int) -> None:
    allowed, named = contract.terms.max_nodes, f"R29: {asked} nodes asked for; contract {contract.contract_id}"
    if not 1 <= asked <= allowed:
        raise RefusedError(f"{named} allows 1 to {allowed}; ask for no more, or add a contract for more")
    if asked + elsewhere > allowed:
        raise RefusedError(
            f"{named} allows {allowed}, and its other live licenses have {elsewhere}; revoke one, issue one again "
            "(--reissue), or ask for fewer"
        )


def check_reissue(contract: Contract, previous: LicenseRecord) -> None:
    """Check that a license can be issued again; raise RefusedError otherwise (R2, R29)."""
    if previous.contract_id != contract.contract_id:
        raise RefusedError(f"R29: license {previous.license_id} is of contract {previous.contract_id}")
    if previous.revoked_at is not None:
        raise RefusedError(f"R29: license {previous.license_id} was revoked; issue a new one")


def to_license(contract: Contract, request: Request, issuer: Issuer, license_id: str, issued_at: int) -> License:
    """Write the license that the contract and the request come to.

    Raises:
        RefusedError: When what the request changes of the contract's terms is out of bounds.
    """
    terms = _changed(contract.terms, request)
    return License(
        license_id=license_id,
        issuer=issuer.vendor.name,
        company=terms.company,
        issued_at=issued_at,
        expires_at=request.expires_at,
        project=terms.project,
        auth_method=claims.AUTH_METHOD,
        application=LicensedApplication(
            terms.application_name,
            terms.application_version,
            terms.application_content,
            terms.min_build_date,
            terms.min_version,
        ),
        max_nodes=request.max_nodes,
        portal=issuer.portal,
        vendor=issuer.vendor,
        key_id=issuer.key_id,
        recertify_days=terms.recertify_days,
        outage_grace_seconds=terms.outage_grace_seconds,
    )


def _changed(terms: Terms, request: Request) -> Terms:
    """Give the contract's terms with what was chosen for this license alone."""
    chosen: dict[str, Any] = {"outage_grace_seconds": request.outage_grace_seconds, "min_version": request.min_version}
    changed = replace(terms, **{name: value for name, value in chosen.items() if value is not None})
    check_terms(changed)
    return changed
