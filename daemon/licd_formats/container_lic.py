"""R1: Container.lic: bytes to a verified `License`, and a `License` to signed bytes.

Rules:

- A compact JWS (RFC 7515): three parts of canonical unpadded base64url joined by dots, and not one byte more; at most
  64 KiB.
- The header is exactly {alg: EdDSA, typ: container-lic+jwt, kid}. `none`, HMAC over the public key, `crit`, an embedded
  `jwk`: all refused before any signature is looked at.
- `kid` must be one of the pinned vendor keys, and the Ed25519 signature must hold, before a claim is read.
- `LicenseInvalid` carries a detail for the log only: what a user sees is R4's sentence, which helps no forger.
- No clock: expiry is judged by the caller.
"""

import json

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licd_formats import claims, strict
from licd_formats.license import License
from licd_formats.vendor_keys import MAX_KEY_ID, VendorKeys, VendorKeysInvalid

__all__ = ["MAX_BYTES", "LicenseInvalid", "LicenseTypeMismatch", "VendorKeys", "VendorKeysInvalid", "sign", "verify"]

MAX_BYTES = 64 * 1024
_TYPE = "container-lic+jwt"
_ALGORITHM = "EdDSA"


class LicenseInvalid(Exception):
    """The file is no Container.lic of a pinned vendor key; the text is for the log only."""


class LicenseTypeMismatch(LicenseInvalid):
    """Properly signed, but of another `ver` or `auth_method` (R4, CERTIFICATE_TYPE_MISMATCH)."""


def sign(license_: License, key: Ed25519PrivateKey) -> bytes:
    """Write and sign a Container.lic; `license_.key_id` becomes its `kid`.

    Raises:
        LicenseInvalid: When `verify` would refuse the result, naming the claim.
    """
    payload = json.dumps(claims.to_claims(license_), separators=(",", ":"), ensure_ascii=False)
    header = {"typ": _TYPE, "kid": license_.key_id}
    try:
        token = jwt.PyJWS().encode(payload.encode(), key, algorithm=_ALGORITHM, headers=header)
    except UnicodeEncodeError:
        raise LicenseInvalid("claims: hold a lone surrogate") from None
    content = token.encode("ascii")
    verify(content, VendorKeys.of({license_.key_id: key.public_key()}))
    return content


def verify(content: bytes, keys: VendorKeys) -> License:
    """Verify a Container.lic against the pinned keys and read it.

    Args:
        content: The file's bytes, as they came.
        keys: The vendor's public keys.

    Raises:
        LicenseTypeMismatch: Signed by the vendor, but `ver` or `auth_method` is another one (R4).
        LicenseInvalid: For every other fault (R1).
    """
    try:
        key_id, payload = _verify_signature(content, keys)
        return claims.from_claims(strict.read_json_object(payload, "claims"), key_id)
    except claims.TypeMismatch as fault:
        raise LicenseTypeMismatch(str(fault)) from None
    except strict.Malformed as fault:
        raise LicenseInvalid(str(fault)) from None


def _verify_signature(content: bytes, keys: VendorKeys) -> tuple[str, bytes]:
    if len(content) > MAX_BYTES:
        raise LicenseInvalid("file: larger than 64 KiB")
    if not content.isascii():
        raise LicenseInvalid("file: not ASCII")
    parts = content.decode("ascii").split(".")
    if len(parts) != 3:
        raise LicenseInvalid("file: not the three parts of a compact JWS")
    header, payload, _ = (strict.decode_base64url(part, "file") for part in parts)
    key_id = _key_id(strict.read_json_object(header, "header"))
    if key_id not in keys.by_id:
        raise LicenseInvalid("kid: not one of the pinned vendor keys")
    try:
        jwt.PyJWS().decode(content, keys.by_id[key_id], algorithms=[_ALGORITHM])
    except jwt.PyJWTError:
        raise LicenseInvalid("signature: does not hold") from None
    return key_id, payload


def _key_id(header: dict[str, object]) -> str:
    strict.check_names(header, "header", ("alg", "typ", "kid"))
    if header["alg"] != _ALGORITHM or header["typ"] != _TYPE:
        raise LicenseInvalid("header: another algorithm or type")
    return strict.as_text(header["kid"], "kid", MAX_KEY_ID)
