"""What the vendor knows: contracts, licenses, bindings. Times are Unix seconds; ids and hashes are lower-case hex."""

import hashlib
from dataclasses import dataclass

from licd_formats.license import DEFAULT_OUTAGE_GRACE_SECONDS


@dataclass(frozen=True, slots=True)
class Terms:
    """What a contract says; a license is issued from it (R29)."""

    company: str
    sender_email: str
    """The only mail address that may ask for a license."""
    project: str
    max_nodes: int
    application_name: str
    application_version: str
    application_content: str
    min_build_date: str
    self_releases_per_year: int
    """How often a customer may move a license without asking (R30)."""
    signed_on: str | None = None
    """The day on which the contract was signed, `YYYY-MM-DD`; None: not compared with what a mail says."""
    recertify_days: int | None = None
    """A registration older than this many days has ended (R19); None: never."""
    outage_grace_seconds: int = DEFAULT_OUTAGE_GRACE_SECONDS
    """How long programs may run without the daemon (R41)."""
    min_version: str = ""
    """The lowest version admitted; empty: none (R5)."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract in force."""

    contract_id: int
    terms: Terms
    created_at: int


@dataclass(frozen=True, slots=True)
class LicenseRecord:
    """A license as last issued."""

    license_id: str
    contract_id: int
    company: str
    project: str
    max_nodes: int
    issued_at: int
    expires_at: int
    key_id: str
    portal_url: str
    revoked_at: int | None
    outage_grace_seconds: int = DEFAULT_OUTAGE_GRACE_SECONDS
    min_version: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """The deployment that a license is bound to (R26), and what it was shown (R28)."""

    binding_id: int
    project_key_hash: str
    head: str
    """The newest predecessor that the portal was shown."""
    shown_since_head: frozenset[str]
    """The challenge ids whose codes were shown since, as far as they were asked for."""


def hash_project_key(project_key: bytes) -> str:
    """Give what is kept of a project key: its SHA-256 (R26)."""
    return hashlib.sha256(project_key).hexdigest()
