"""The vendor's two key pairs, and who the vendor is.

Rules:

- `signing.key` (Ed25519) signs every Container.lic; `portal.key` (X25519) opens every challenge. PKCS 8 PEM, 0600.
- `vendor-keys.json` is the public JWK Set for `licd serve --vendor-keys`; `vendor.json` names the vendor, as licenses
  quote it in remedies.
- The key id is the start of the key's RFC 7638 thumbprint: the same key has the same id wherever it is read.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from licd_daemon.formats import claims, strict
from licd_daemon.formats.container_lic import VendorKeys
from licd_daemon.formats.license import Vendor
from licd_vendor import home as files
from licd_vendor.errors import RefusedError

SIGNING, PORTAL, PUBLIC_SET, VENDOR = "signing.key", "portal.key", "vendor-keys.json", "vendor.json"
_KEY_ID_CHARACTERS = 16
_REMEDY = "run `licd-vendor keygen` first"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """The key that signs licenses, and its id."""

    key_id: str
    private: Ed25519PrivateKey


def key_id_of(key: Ed25519PublicKey) -> str:
    """Give the first 16 characters of the key's thumbprint (RFC 7638 section 3, RFC 8037 appendix A.3)."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": strict.encode_base64url(key.public_bytes_raw())}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    return strict.encode_base64url(hashlib.sha256(canonical).digest())[:_KEY_ID_CHARACTERS]


def generate(home: Path, vendor: Vendor) -> str:
    """Make both key pairs and their public files.

    Returns:
        The signing key's id.

    Raises:
        RefusedError: When a key is there already, or the vendor's name or address is no such thing.
    """
    check_vendor(vendor)
    files.make_home(home)
    for name in (SIGNING, PORTAL, PUBLIC_SET):
        if (home / name).exists():
            raise RefusedError(f"{home / name}: is there already, and keys are never written over; move it away first")
    signing = Ed25519PrivateKey.generate()
    key_id = key_id_of(signing.public_key())
    files.create_secret(home / SIGNING, _pem(signing))
    files.create_secret(home / PORTAL, _pem(X25519PrivateKey.generate()))
    files.write_public(home / VENDOR, (json.dumps(asdict(vendor), indent=2, ensure_ascii=False) + "\n").encode())
    files.write_public(home / PUBLIC_SET, VendorKeys.of({key_id: signing.public_key()}).to_jwk_set().encode())
    return key_id


def load_signing(home: Path) -> SigningKey:
    """Read the signing key; raise RefusedError when it is missing or no Ed25519 key."""
    key = _load(home / SIGNING)
    if not isinstance(key, Ed25519PrivateKey):
        raise RefusedError(f"{home / SIGNING}: not an Ed25519 key")
    return SigningKey(key_id_of(key.public_key()), key)


def load_portal(home: Path) -> X25519PrivateKey:
    """Read the portal's key; raise RefusedError when it is missing or no X25519 key."""
    key = _load(home / PORTAL)
    if not isinstance(key, X25519PrivateKey):
        raise RefusedError(f"{home / PORTAL}: not an X25519 key")
    return key


def load_vendor(home: Path) -> Vendor:
    """Read who the vendor is; raise RefusedError when the file does not say so."""
    path = home / VENDOR
    try:
        value = strict.read_json_object(files.read(path, _REMEDY), VENDOR)
        strict.check_names(value, VENDOR, ("name", "email"))
    except strict.Malformed as fault:
        raise RefusedError(f"{path}: {fault}") from None
    vendor = Vendor(name=value["name"], email=value["email"])
    check_vendor(vendor)
    return vendor


def check_vendor(vendor: Vendor) -> None:
    """Check the vendor's name and mail address; raise RefusedError otherwise."""
    try:
        strict.as_text(vendor.name, "vendor name", claims.MAX_NAME)
        claims.check_email(vendor.email, "vendor email")
    except strict.Malformed as fault:
        raise RefusedError(str(fault)) from None


def _pem(key: Ed25519PrivateKey | X25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _load(path: Path) -> object:
    try:
        return load_pem_private_key(files.read(path, _REMEDY), password=None)
    except (ValueError, TypeError):
        raise RefusedError(f"{path}: not a private key in PEM without a password") from None
