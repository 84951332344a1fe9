"""The vendor's public keys, pinned by the daemon: a JWK Set (RFC 7517) of Ed25519 keys (RFC 8037).

Rules:

- Only public OKP/Ed25519 keys, each with a `kid` of its own; `alg` EdDSA and `use` sig are welcome and nothing else is.
- A private key in the set is refused: it must never leave the vendor.
- An empty set is refused: nothing could ever be verified with it.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from licd_formats import strict

MAX_KEY_ID = 128
_MAX_BYTES = 64 * 1024
_FIXED_MEMBERS = {"alg": "EdDSA", "use": "sig"}


class VendorKeysInvalid(ValueError):
    """The file of vendor keys cannot be used; the text names the fault for the operator."""


@dataclass(frozen=True, slots=True)
class VendorKeys:
    """Public Ed25519 keys by key id."""

    by_id: Mapping[str, Ed25519PublicKey]

    @classmethod
    def of(cls, keys: Mapping[str, Ed25519PublicKey]) -> Self:
        """Hold `keys` by their ids, unchangeably."""
        return cls(MappingProxyType(dict(keys)))

    @classmethod
    def from_jwk_set(cls, text: str | bytes) -> Self:
        """Read a JWK Set (RFC 7517 section 5).

        Raises:
            VendorKeysInvalid: For anything but a set of public Ed25519 keys with ids of their own.
        """
        raw = text.encode() if isinstance(text, str) else text
        try:
            return cls.of(dict(_keys(raw)))
        except strict.Malformed as fault:
            raise VendorKeysInvalid(str(fault)) from None

    def to_jwk_set(self) -> str:
        """Write the keys as a JWK Set, in the order of their ids, ready for `licd serve --vendor-keys`."""
        keys = [
            {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": _x(self.by_id[kid])}
            for kid in sorted(self.by_id)
        ]
        return json.dumps({"keys": keys}, indent=2) + "\n"


def _x(key: Ed25519PublicKey) -> str:
    return strict.encode_base64url(key.public_bytes_raw())


def _keys(raw: bytes) -> Iterator[tuple[str, Ed25519PublicKey]]:
    if len(raw) > _MAX_BYTES:
        raise strict.Malformed("vendor keys: larger than 64 KiB")
    jwk_set = strict.read_json_object(raw, "vendor keys")
    strict.check_names(jwk_set, "vendor keys", ["keys"])
    if not isinstance(jwk_set["keys"], list) or not jwk_set["keys"]:
        raise strict.Malformed("vendor keys: `keys` must be a list of at least one key")
    seen: set[str] = set()
    for position, value in enumerate(jwk_set["keys"], start=1):
        kid, key = _key(value, f"vendor key {position}")
        if kid in seen:
            raise strict.Malformed(f"vendor key {position}: its kid is another key's too")
        seen.add(kid)
        yield kid, key


def _key(value: object, field: str) -> tuple[str, Ed25519PublicKey]:
    jwk = strict.as_object(value, field)
    if "d" in jwk:
        raise strict.Malformed(f"{field}: is a private key, which must not leave the vendor; give the public one")
    strict.check_names(jwk, field, ["kty", "crv", "kid", "x"], _FIXED_MEMBERS)
    if (jwk["kty"], jwk["crv"]) != ("OKP", "Ed25519"):
        raise strict.Malformed(f"{field}: kty and crv must be OKP and Ed25519")
    if any(jwk.get(name, only) != only for name, only in _FIXED_MEMBERS.items()):
        raise strict.Malformed(f"{field}: alg must be EdDSA and use must be sig")
    kid = strict.as_text(jwk["kid"], f"{field}: kid", MAX_KEY_ID)
    x = strict.decode_base64url(strict.as_text(jwk["x"], f"{field}: x", 43), f"{field}: x")
    if len(x) != 32:
        raise strict.Malformed(f"{field}: x is not 32 bytes long")
    return kid, Ed25519PublicKey.from_public_bytes(x)
