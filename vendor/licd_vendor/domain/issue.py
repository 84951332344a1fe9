"""From a customer's mail to a license (R29).

Rules:

- The sender's mail address is the contract's. Case does not matter.
- The company is named, and is the contract's. Case and runs of spaces do not matter; the license has the contract's
  spelling.
- The maximum of nodes is 1 unless asked for, and at most the contract's.
- A reissue keeps the license's id; it is of the same contract, of a license not revoked, and its `iat` is later than
  the one before, or daemons would refuse it (R2).
- A date to expire on is a whole day in UTC: the license ends with its last second.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from licd_daemon.formats import claims, strict
from licd_daemon.formats.license import License, LicensedApplication, Portal, Vendor
from licd_vendor.domain.model import Contract, LicenseRecord, Terms
from licd_vendor.errors import RefusedError


@dataclass(frozen=True, slots=True)
class Request:
    """What the customer asked for, and the vendor's answer to until when."""

    sender: str
    company: str
    max_nodes: int
    expires_at: int


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
    except strict.Malformed as fault:
        raise RefusedError(str(fault)) from None


def end_of_day(day: str) -> int:
    """Give the last second of a day in UTC, Unix seconds; raise RefusedError when it is no date."""
    try:
        claims.check_date(day, "expires")
    except strict.Malformed as fault:
        raise RefusedError(str(fault)) from None
    return int(datetime.fromisoformat(day).replace(hour=23, minute=59, second=59, tzinfo=UTC).timestamp())


def check_request(contract: Contract, request: Request, now: int) -> None:
    """Check what the customer asks for against the contract; raise RefusedError naming the rule broken (R29)."""
    terms = contract.terms
    if _folded(request.sender) != _folded(terms.sender_email):
        raise RefusedError(
            f"R29: the mail must come from the contract's address, {terms.sender_email}, not from {request.sender!r}"
        )
    if not request.company.strip():
        raise RefusedError("R29: the mail must name the company")
    if _folded(request.company) != _folded(terms.company):
        raise RefusedError(f"R29: the company must be the contract's, {terms.company!r}, not {request.company!r}")
    if not 1 <= request.max_nodes <= terms.max_nodes:
        raise RefusedError(
            f"R29: {request.max_nodes} nodes asked for; contract {contract.contract_id} allows 1 to {terms.max_nodes}"
        )
    if request.expires_at <= now:
        raise RefusedError("R29: the license would have expired before it is issued; give a later end")


def check_reissue(contract: Contract, previous: LicenseRecord) -> None:
    """Check that a license can be issued again; raise RefusedError otherwise (R2, R29)."""
    if previous.contract_id != contract.contract_id:
        raise RefusedError(f"R29: license {previous.license_id} is of contract {previous.contract_id}")
    if previous.revoked_at is not None:
        raise RefusedError(f"R29: license {previous.license_id} was revoked; issue a new one")


def to_license(contract: Contract, request: Request, issuer: Issuer, license_id: str, issued_at: int) -> License:
    """Write the license that the contract and the request come to."""
    terms = contract.terms
    return License(
        license_id=license_id,
        issuer=issuer.vendor.name,
        company=terms.company,
        issued_at=issued_at,
        expires_at=request.expires_at,
        project=terms.project,
        auth_method=claims.AUTH_METHOD,
        application=LicensedApplication(
            terms.application_name, terms.application_version, terms.application_content, terms.min_build_date
        ),
        max_nodes=request.max_nodes,
        portal=issuer.portal,
        vendor=issuer.vendor,
        key_id=issuer.key_id,
        recertify_days=None,
    )


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
