"""R6: the sealed challenge that the QR code carries from the deployment to the portal.

Rules:

- 59 bytes, big-endian, at fixed places: license_id 16, project_key 16, challenge_id 8, created_at 4 (Unix seconds),
  predecessor 8 (zeros: none), node_count 4, code 3.
- Sealed with HPKE base mode (RFC 9180): X25519, HKDF-SHA256, ChaCha20Poly1305; encapsulated key and ciphertext are 107
  bytes, 172 characters of upper-case base32 without padding. The purpose is in `info`, so that a QR for registering
  never opens as a release.
- Reading ignores case (a phone's browser may fold it) and takes one spelling only. Every fault is the same
  `ChallengeInvalid`: the portal is asked by strangers.
- A release carries the code 000000: nobody types it.
- HPKE's base mode proves no sender. What is opened is judged by the caller (R24 to R28).
"""

import base64
import binascii
import struct
import uuid
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

NO_PREDECESSOR = bytes(8)
RELEASE_CODE = "000000"
MAX_NODE_COUNT = 1_000_000
TOKEN_CHARACTERS = 172

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_LAYOUT = struct.Struct(">16s16s8sI8sI3s")


class Purpose(StrEnum):
    """What a sealed challenge asks the portal for."""

    REGISTER = "register"
    RELEASE = "release"


_INFO = {purpose: f"licd/v1/{purpose}".encode() for purpose in Purpose}
_PATH = {Purpose.REGISTER: "/Q/", Purpose.RELEASE: "/R/"}


class ChallengeInvalid(Exception):
    """The token is no challenge sealed to this portal for this purpose."""


@dataclass(frozen=True, slots=True)
class SealedContent:
    """What the deployment sends the portal; only the portal can read it."""

    license_id: str
    """A UUID in its canonical lower-case form."""
    project_key: bytes
    """This deployment's 16 random bytes."""
    challenge_id: bytes
    """8 bytes, not all zero."""
    created_at: int
    """The daemon's wall clock, Unix seconds."""
    predecessor: bytes
    """The id of the challenge that last registered this deployment; zeros: none."""
    node_count: int
    code: str
    """Six digits; 000000 for a release."""

    def __repr__(self) -> str:
        """Name the license only: the code and the project key must not reach a log."""
        return f"SealedContent(license_id={self.license_id!r}, ...)"


def seal(content: SealedContent, portal_public_key: bytes, purpose: Purpose) -> str:
    """Seal a challenge to the portal.

    Args:
        content: What to send.
        portal_public_key: The 32 raw bytes of the portal's X25519 key.
        purpose: What the challenge asks for.

    Returns:
        172 characters of upper-case base32.

    Raises:
        ValueError: When a field is out of its range, or the key is a point of low order.
    """
    _check(content, purpose)
    public_key = X25519PublicKey.from_public_bytes(portal_public_key)
    sealed = _SUITE.encrypt(_pack(content), public_key, _INFO[purpose])
    return base64.b32encode(sealed).rstrip(b"=").decode("ascii")


def open_sealed(token: str, private_key: X25519PrivateKey, purpose: Purpose) -> SealedContent:
    """Open a challenge, in either case of its letters.

    Raises:
        ChallengeInvalid: For every fault alike: another portal's, another purpose's, garbled or out of range.
    """
    try:
        content = _unpack(_SUITE.decrypt(_decode(token), private_key, _INFO[purpose]))
        _check(content, purpose)
    except (ValueError, InvalidTag):
        raise ChallengeInvalid("not a challenge for this portal") from None
    return content


def url_of(portal_url: str, token: str, purpose: Purpose) -> str:
    """Give the URL that the QR shows: the portal's, `/Q/` or `/R/`, and the token."""
    return portal_url + _PATH[purpose] + token


def _decode(token: str) -> bytes:
    # isascii first: upper() turns letters of other scripts into ASCII ones
    if len(token) != TOKEN_CHARACTERS or not token.isascii():
        raise ValueError("not a token")
    upper = token.upper()
    try:
        sealed = base64.b32decode(upper + "=" * (-len(upper) % 8))
    except binascii.Error:
        raise ValueError("not base32") from None
    if base64.b32encode(sealed).rstrip(b"=").decode("ascii") != upper:
        raise ValueError("not canonical base32")
    return sealed


def _pack(content: SealedContent) -> bytes:
    return _LAYOUT.pack(
        uuid.UUID(content.license_id).bytes,
        content.project_key,
        content.challenge_id,
        content.created_at,
        content.predecessor,
        content.node_count,
        int(content.code).to_bytes(3, "big"),
    )


def _unpack(raw: bytes) -> SealedContent:
    if len(raw) != _LAYOUT.size:
        raise ValueError("not 59 bytes")
    license_id, project_key, challenge_id, created_at, predecessor, node_count, code = _LAYOUT.unpack(raw)
    return SealedContent(
        license_id=str(uuid.UUID(bytes=license_id)),
        project_key=project_key,
        challenge_id=challenge_id,
        created_at=created_at,
        predecessor=predecessor,
        node_count=node_count,
        code=f"{int.from_bytes(code, 'big'):06d}",
    )


def _check(content: SealedContent, purpose: Purpose) -> None:
    if str(uuid.UUID(content.license_id)) != content.license_id:
        raise ValueError("license_id: not a canonical UUID")
    sizes = (len(content.project_key), len(content.challenge_id), len(content.predecessor))
    if sizes != (16, 8, 8):
        raise ValueError("project_key, challenge_id, predecessor: must be 16, 8 and 8 bytes long")
    if content.challenge_id in (NO_PREDECESSOR, content.predecessor):
        raise ValueError("challenge_id: all zero, or its own predecessor")
    if not 0 < content.created_at < 1 << 32:
        raise ValueError("created_at: not within the years 1970 to 2106")
    if not 0 <= content.node_count <= MAX_NODE_COUNT:
        raise ValueError(f"node_count: not within 0 to {MAX_NODE_COUNT}")
    if len(content.code) != 6 or not (content.code.isascii() and content.code.isdigit()):
        raise ValueError("code: not six digits")
    if purpose is Purpose.RELEASE and content.code != RELEASE_CODE:
        raise ValueError("code: a release carries 000000")
