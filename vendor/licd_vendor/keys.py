"""The vendor's keys, and who the vendor is.

Rules:

- `signing.key` (Ed25519) signs every Container.lic; `portal.key` (X25519) opens every challenge. PKCS 8 PEM, 0600,
  encrypted with a passphrase unless the vendor says otherwise.
- Rotation makes a new `signing.key`; the one before stays as `signing-KEYID.key`, and its public key in the set, so
  that what it signed stays valid, and daemons that pin only the old set can still be served (`issue --key`). At every
  instant of it `signing.key` is a key of the set: a crash leaves at most a public key too many.
- `vendor-keys.json` is the public JWK Set for `licd serve --vendor-keys`; `vendor.json` names the vendor, as licenses
  quote it in remedies.
- The key id is the start of the key's RFC 7638 thumbprint: the same key has the same id wherever it is read.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from licd_formats import claims, strict
from licd_formats.container_lic import VendorKeys, VendorKeysInvalid
from licd_formats.license import Vendor
from licd_kit.synced_files import sync_folder
from licd_vendor import home as files
from licd_vendor.errors import RefusedError

SIGNING, PORTAL, PUBLIC_SET, VENDOR = "signing.key", "portal.key", "vendor-keys.json", "vendor.json"
_KEY_ID_CHARACTERS = 16
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{16}")
_REMEDY = "run `licd-vendor keygen` first"

Passphrase = Callable[[], str | None]
"""Gives the keys' passphrase when one of them turns out to need it; None: there is none to be had."""


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


def generate(home: Path, vendor: Vendor, passphrase: str | None) -> str:
    """Make both key pairs and their public files.

    Args:
        home: The vendor's directory.
        vendor: Who the vendor is.
        passphrase: Encrypts both private keys; None: they are not encrypted.

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
    files.create_secret(home / SIGNING, _pem(signing, passphrase))
    files.create_secret(home / PORTAL, _pem(X25519PrivateKey.generate(), passphrase))
    files.write_public(home / VENDOR, (json.dumps(asdict(vendor), indent=2, ensure_ascii=False) + "\n").encode())
    files.write_public(home / PUBLIC_SET, VendorKeys.of({key_id: signing.public_key()}).to_jwk_set().encode())
    return key_id


def rotate(home: Path, passphrase: Passphrase) -> tuple[str, str]:
    """Make a new signing key alongside the one in use; from now on it signs.

    The new key is encrypted as the old one is: with the same passphrase, or not at all.

    Returns:
        The ids of the new key and of the one before.

    Raises:
        RefusedError: When a file can't be read or written, or the passphrase is wrong.
    """
    old, used = _load_signing(home / SIGNING, passphrase)
    new = Ed25519PrivateKey.generate()
    new_id = key_id_of(new.public_key())
    public = {**load_public(home).by_id, old.key_id: old.private.public_key(), new_id: new.public_key()}
    kept = home / f"signing-{old.key_id}.key"
    try:
        kept.unlink(missing_ok=True)  # of a rotation that was cut off here
        os.link(home / SIGNING, kept)
    except OSError as fault:
        raise RefusedError(f"{kept}: {fault.strerror}") from None
    files.write_public(home / PUBLIC_SET, VendorKeys.of(public).to_jwk_set().encode())
    files.replace_secret(home / SIGNING, _pem(new, used))
    return new_id, old.key_id


def retire(home: Path, key_id: str, passphrase: Passphrase) -> None:
    """Take a signing key out of the public set, and destroy its private half if a rotation has kept it.

    Raises:
        RefusedError: When it is the one that signs, is not in the set, a file can't be read or written, or the
            passphrase is wrong.
    """
    public = dict(load_public(home).by_id)
    if key_id not in public:
        raise RefusedError(f"key {key_id}: is not in {home / PUBLIC_SET}")
    if key_id == load_signing(home, passphrase).key_id:
        raise RefusedError(f"key {key_id}: is the one that signs; make another first: `licd-vendor keygen --rotate`")
    del public[key_id]
    files.write_public(home / PUBLIC_SET, VendorKeys.of(public).to_jwk_set().encode())
    try:
        (home / f"signing-{key_id}.key").unlink(missing_ok=True)
        sync_folder(home)
    except OSError as fault:
        raise RefusedError(f"{home / f'signing-{key_id}.key'}: {fault.strerror}") from None


def encrypt(home: Path, passphrase: Passphrase, new: str) -> list[str]:
    """Encrypt every private key with a new passphrase, one file after the other, each whole or not at all.

    Args:
        home: The vendor's directory.
        passphrase: Gives the one so far, if a key needs it.
        new: The new one. A key that has it already is left as it is, so that a run that was cut off can be finished.

    Returns:
        The names of the files that were changed.

    Raises:
        RefusedError: When a file can't be read or written, or the passphrase is wrong.
    """
    changed = []
    for path in (home / SIGNING, home / PORTAL, *sorted(home.glob("signing-*.key"))):
        if not _is_encrypted_with(path, new):
            key, _ = _load(path, passphrase)
            if not isinstance(key, Ed25519PrivateKey | X25519PrivateKey):
                raise RefusedError(f"{path}: neither an Ed25519 nor an X25519 key")
            files.replace_secret(path, _pem(key, new))
            changed.append(path.name)
    return changed


def _is_encrypted_with(path: Path, passphrase: str) -> bool:
    try:
        return _load(path, lambda: passphrase)[1] is not None
    except RefusedError:
        return False


def load_public(home: Path) -> VendorKeys:
    """Read the public set; raise RefusedError when it is missing or no such set."""
    try:
        return VendorKeys.from_jwk_set(files.read(home / PUBLIC_SET, _REMEDY))
    except VendorKeysInvalid as fault:
        raise RefusedError(f"{home / PUBLIC_SET}: {fault}") from None


def load_signing(home: Path, passphrase: Passphrase, key_id: str | None = None) -> SigningKey:
    """Read the newest signing key, or the one of this id that a rotation has kept.

    Raises:
        RefusedError: When it is missing, no Ed25519 key, not of this id, or the passphrase is wrong.
    """
    if key_id is None:
        return _load_signing(home / SIGNING, passphrase)[0]
    kept = home / f"signing-{key_id}.key"
    is_kept = _KEY_ID.fullmatch(key_id) is not None and kept.exists()
    key = _load_signing(kept if is_kept else home / SIGNING, passphrase)[0]
    if key.key_id != key_id:
        raise RefusedError(f"key {key_id}: there is no such signing key in {home}")
    return key


def _load_signing(path: Path, passphrase: Passphrase) -> tuple[SigningKey, str | None]:
    key, used = _load(path, passphrase)
    if not isinstance(key, Ed25519PrivateKey):
        raise RefusedError(f"{path}: not an Ed25519 key")
    return SigningKey(key_id_of(key.public_key()), key), used


def load_portal(home: Path, passphrase: Passphrase) -> X25519PrivateKey:
    """Read the portal's key; raise RefusedError when it is missing, no X25519 key, or the passphrase is wrong."""
    key, _ = _load(home / PORTAL, passphrase)
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


def _pem(key: Ed25519PrivateKey | X25519PrivateKey, passphrase: str | None) -> bytes:
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        encryption = BestAvailableEncryption(passphrase.encode())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def _load(path: Path, passphrase: Passphrase) -> tuple[object, str | None]:
    """Give the key, and the passphrase if it needed one."""
    content = files.read(path, _REMEDY)
    used = None
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in content:
        used = passphrase()
        if not used:
            raise RefusedError(
                f"{path}: is encrypted; give its passphrase by LICD_VENDOR_PASSPHRASE, --passphrase-file or a terminal"
            )
    try:
        return load_pem_private_key(content, password=used.encode() if used else None), used
    except (ValueError, TypeError):
        what = "the passphrase is wrong, or the file is broken" if used else "not a private key in PEM"
        raise RefusedError(f"{path}: {what}") from None
