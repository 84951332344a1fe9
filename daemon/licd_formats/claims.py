"""The claims of a Container.lic (R1) to a `License` and back.

Rules:

- Exactly R1's names, each of its type; only `application.min_build_date`, `application.min_version`, `max_nodes`,
  `recertify_days` and `outage_grace_seconds` may be missing. The claims that 0.1.0 does not know are written only where
  they differ from their default, so that its daemons take every license that does not need them.
- `ver` rules the format, so an unknown claim is refused rather than passed over.
- `ver` and `auth_method` are judged first: another version may have other claims, and its holder learns that the type
  is wrong (R4), not that the content is.
- No clock: whether the license has expired is judged elsewhere (R23).
"""

import ipaddress
import re
import uuid
from datetime import date
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from licd_formats import strict
from licd_formats.license import DEFAULT_OUTAGE_GRACE_SECONDS, License, LicensedApplication, Portal, Vendor
from licd_formats.strict import Malformed

AUTH_METHOD = "LOCAL_CONTAINER"
VERSION = 1
DEFAULT_MIN_BUILD_DATE = "2021-10-30"
DEFAULT_MAX_NODES = 1
MAX_NODES = 1_000_000
MAX_RECERTIFY_DAYS = 36_500
MAX_OUTAGE_GRACE_SECONDS = 7 * 24 * 60 * 60
MAX_PORTAL_URL = 59
MAX_NAME = 256
# An application's fields are as long as those that a node may send (node_service.proto): longer ones match none.
MAX_APPLICATION_NAME = 128
MAX_APPLICATION_VERSION = 64
MAX_CONTENT = 1024

_REQUIRED = ["iss", "jti", "sub", "iat", "exp", "ver", "project", "auth_method", "application", "portal", "vendor"]
_OPTIONAL = ("max_nodes", "recertify_days", "outage_grace_seconds")
LAST_SECOND = 253_402_300_799  # 9999-12-31T23:59:59Z, the last that protobuf's Timestamp holds
_URL = re.compile(r"https?://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_EMAIL = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")
# A low-order point gives an all-zero secret with every clamped scalar, this one too (RFC 7748 section 6.1).
_PROBE = X25519PrivateKey.from_private_bytes(b"\x01" * 32)


class TypeMismatch(ValueError):
    """Claims of another version of the format, or of another authentication method (R4)."""


def to_claims(license_: License) -> dict[str, Any]:
    """Write a license as the claims of R1, defaults written out."""
    application, portal, vendor = license_.application, license_.portal, license_.vendor
    claims: dict[str, Any] = {
        "iss": license_.issuer,
        "jti": license_.license_id,
        "sub": license_.company,
        "iat": license_.issued_at,
        "exp": license_.expires_at,
        "ver": VERSION,
        "project": license_.project,
        "auth_method": license_.auth_method,
        "application": {
            "name": application.name,
            "version": application.version,
            "content": application.content,
            "min_build_date": application.min_build_date,
        },
        "max_nodes": license_.max_nodes,
        "portal": {"url": portal.url, "public_key": portal.public_key},
        "vendor": {"name": vendor.name, "email": vendor.email},
    }
    if license_.recertify_days is not None:
        claims["recertify_days"] = license_.recertify_days
    if license_.outage_grace_seconds != DEFAULT_OUTAGE_GRACE_SECONDS:
        claims["outage_grace_seconds"] = license_.outage_grace_seconds
    if application.min_version:
        claims["application"]["min_version"] = application.min_version
    return claims


def from_claims(claims: dict[str, Any], key_id: str) -> License:
    """Read the claims of R1.

    Raises:
        TypeMismatch: For another `ver` or `auth_method`.
        Malformed: For every other fault, naming the claim.
    """
    _check_type(claims)
    strict.check_names(claims, "claims", _REQUIRED, _OPTIONAL)
    issued_at = strict.as_int(claims["iat"], "iat", 1, LAST_SECOND)
    recertify_days = claims.get("recertify_days", 1)
    strict.as_int(recertify_days, "recertify_days", 1, MAX_RECERTIFY_DAYS)
    return License(
        license_id=_license_id(claims["jti"]),
        issuer=strict.as_text(claims["iss"], "iss", MAX_NAME),
        company=strict.as_text(claims["sub"], "sub", MAX_NAME),
        issued_at=issued_at,
        expires_at=strict.as_int(claims["exp"], "exp", issued_at + 1, LAST_SECOND),
        project=strict.as_text(claims["project"], "project", MAX_NAME),
        auth_method=claims["auth_method"],
        application=_application(claims["application"]),
        max_nodes=strict.as_int(claims.get("max_nodes", DEFAULT_MAX_NODES), "max_nodes", 1, MAX_NODES),
        portal=_portal(claims["portal"]),
        vendor=_vendor(claims["vendor"]),
        key_id=key_id,
        recertify_days=claims.get("recertify_days"),
        outage_grace_seconds=strict.as_int(
            claims.get("outage_grace_seconds", DEFAULT_OUTAGE_GRACE_SECONDS),
            "outage_grace_seconds",
            0,
            MAX_OUTAGE_GRACE_SECONDS,
        ),
    )


def check_portal_url(value: object, field: str) -> str:
    """Give a portal's URL back if it is http or https, a host and perhaps a port, and nothing more.

    Raises:
        Malformed: For anything else, and above 59 characters (the QR must stay readable, R6).
    """
    url = strict.as_text(value, field, MAX_PORTAL_URL)
    match = _URL.fullmatch(url)
    if match is None:
        raise Malformed(f"{field}: not http(s)://host[:port]")
    if int(match["port"] or 1) > 65_535:
        raise Malformed(f"{field}: no such port")
    if not _is_host(match["host"]):
        raise Malformed(f"{field}: no such host name")
    return url


def check_email(value: object, field: str) -> str:
    """Give a mail address back if it looks like one; raise Malformed otherwise."""
    email = strict.as_text(value, field, 254)
    if not _EMAIL.fullmatch(email):
        raise Malformed(f"{field}: not a mail address")
    return email


def check_date(value: object, field: str) -> str:
    """Give a date back if it is a real one, written `YYYY-MM-DD`; raise Malformed otherwise."""
    text = strict.as_text(value, field, 10)
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        raise Malformed(f"{field}: not a date written YYYY-MM-DD") from None
    if parsed.isoformat() != text:  # fromisoformat also takes 20211030 and 2021-W43-6
        raise Malformed(f"{field}: not a date written YYYY-MM-DD")
    return text


def _check_type(claims: dict[str, Any]) -> None:
    if type(claims.get("ver")) is int and claims["ver"] != VERSION:
        raise TypeMismatch("ver: another version of the format")
    strict.as_int(claims.get("ver"), "ver", VERSION, VERSION)
    if strict.as_text(claims.get("auth_method"), "auth_method", 64) != AUTH_METHOD:
        raise TypeMismatch("auth_method: another authentication method")


def _license_id(value: object) -> str:
    text = strict.as_text(value, "jti", 36, 36)
    try:
        canonical = str(uuid.UUID(text))
    except ValueError:
        raise Malformed("jti: not a UUID") from None
    if canonical != text:
        raise Malformed("jti: not a UUID in its canonical lower-case form")
    return text


def _application(value: object) -> LicensedApplication:
    claims = strict.as_object(value, "application")
    strict.check_names(claims, "application", ("name", "version", "content"), ("min_build_date", "min_version"))
    return LicensedApplication(
        name=strict.as_text(claims["name"], "application.name", MAX_APPLICATION_NAME),
        version=strict.as_text(claims["version"], "application.version", MAX_APPLICATION_VERSION),
        content=strict.as_text(claims["content"], "application.content", MAX_CONTENT, shortest=0),
        min_build_date=check_date(claims.get("min_build_date", DEFAULT_MIN_BUILD_DATE), "application.min_build_date"),
        min_version=strict.as_text(
            claims.get("min_version", ""), "application.min_version", MAX_APPLICATION_VERSION, shortest=0
        ),
    )


def _portal(value: object) -> Portal:
    claims = strict.as_object(value, "portal")
    strict.check_names(claims, "portal", ("url", "public_key"))
    public_key = strict.as_text(claims["public_key"], "portal.public_key", 43, 43)
    raw = strict.decode_base64url(public_key, "portal.public_key")
    try:
        _PROBE.exchange(X25519PublicKey.from_public_bytes(raw))
    except ValueError:
        raise Malformed("portal.public_key: not a key that anything can be sealed to") from None
    return Portal(url=check_portal_url(claims["url"], "portal.url"), public_key=public_key)


def _vendor(value: object) -> Vendor:
    claims = strict.as_object(value, "vendor")
    strict.check_names(claims, "vendor", ("name", "email"))
    return Vendor(
        name=strict.as_text(claims["name"], "vendor.name", MAX_NAME),
        email=check_email(claims["email"], "vendor.email"),
    )


def _is_host(host: str) -> bool:
    if host.startswith("["):
        try:
            ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            return False
        return True
    return all(_LABEL.fullmatch(label) for label in host.split("."))
