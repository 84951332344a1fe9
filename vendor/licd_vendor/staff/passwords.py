"""Passwords of the staff: Argon2id (RFC 9106), 64 MiB, two passes, in the PHC string format.

One at a time in a process: a hash takes a tenth of a second and 64 MiB, and strangers can ask for it.
"""

import os
import threading

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from licd_vendor.errors import RefusedError

SHORTEST, LONGEST = 12, 256
_MEMORY_KIB, _PASSES = 64 * 1024, 2
_one_at_a_time = threading.Lock()


def hash_password(password: str) -> str:
    """Hash a new password; raise RefusedError when it is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise RefusedError(f"password: must have {SHORTEST} to {LONGEST} characters")
    return _hash(password)


def is_right(password: str, hashed: str | None) -> bool:
    """Say whether a password is the one that was hashed; as slow for a name that does not exist (None)."""
    with _one_at_a_time:
        try:
            Argon2id.verify_phc_encoded(password[:LONGEST].encode(errors="replace"), hashed or _NOBODY)
        except InvalidKey:
            return False
    return hashed is not None


def _hash(password: str) -> str:
    with _one_at_a_time:
        kdf = Argon2id(salt=os.urandom(16), length=32, iterations=_PASSES, lanes=1, memory_cost=_MEMORY_KIB)
        return kdf.derive_phc_encoded(password.encode())


_NOBODY = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43
