"""What a verified Container.lic says (R1).

Rules:

- Pure values: no bytes, no keys, no clock. Every field is a JSON type, so that an event of the journal can carry a
  license as it is.
- A `License` comes from `container_lic.verify` or from the vendor's issuing; nothing here checks it again.
"""

from dataclasses import dataclass

DEFAULT_OUTAGE_GRACE_SECONDS = 15 * 60


@dataclass(frozen=True, slots=True)
class LicensedApplication:
    """The report server that the license certifies (R5)."""

    name: str
    version: str
    content: str
    min_build_date: str
    """`YYYY-MM-DD`: the oldest build admitted."""
    min_version: str = ""
    """The lowest version admitted; empty: none (R5)."""


@dataclass(frozen=True, slots=True)
class Portal:
    """Where the QR leads, and whom its challenge is sealed to (R6)."""

    url: str
    """Scheme, host and port; no path; at most 59 characters."""
    public_key: str
    """The 32 raw bytes of the X25519 key in unpadded base64url."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """Whom to ask; quoted in remedies."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class License:
    """A license, as signed by the vendor (R1)."""

    license_id: str
    """`jti`: a UUID in its canonical lower-case form."""
    issuer: str
    company: str
    issued_at: int
    """Unix seconds."""
    expires_at: int
    """Unix seconds; the instant at which the license ends (R3)."""
    project: str
    auth_method: str
    application: LicensedApplication
    max_nodes: int
    portal: Portal
    vendor: Vendor
    key_id: str
    """`kid` of the vendor key that signed it."""
    recertify_days: int | None
    """A registration older than this many days has ended (R19); None: never."""
    outage_grace_seconds: int = DEFAULT_OUTAGE_GRACE_SECONDS
    """How long programs may go on without the daemon, from the end of their lease (R41)."""
