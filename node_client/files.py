"""The files that connect() is given: a token, CA certificates, a certificate and its key.

They are taken as they are, whatever their mode, owner and links (R34). Each reader raises a ValueError that names the
argument and the file; what a file holds is never quoted.
"""

import dataclasses
import pathlib
import ssl

_LARGEST = 1 << 20
_LONGEST_TOKEN = 4096


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """What a connection shows and trusts.

    Attributes:
        token: the bearer token; empty for none.
        roots: CA certificates, PEM; None for the system's own.
        pair: the certificate with its chain, and its key, PEM; None for none.
    """

    token: str = dataclasses.field(default="", repr=False)
    roots: bytes | None = None
    pair: tuple[bytes, bytes] | None = dataclasses.field(default=None, repr=False)


def read_token(path: pathlib.Path, field: str = "token_file") -> str:
    """The token on the file's first line."""
    line = _read(field, path).partition(b"\n")[0].strip()
    if not line or len(line) > _LONGEST_TOKEN or not all(b"!"[0] <= byte <= b"~"[0] for byte in line):
        message = f"{field}: the first line of {path} is no token; name the file that licd has written"
        raise ValueError(message)
    return line.decode("ascii")


def read_roots(path: pathlib.Path) -> bytes:
    """The CA certificates."""
    return _certificates("ca", path)


def read_pair(cert: pathlib.Path, key: pathlib.Path) -> tuple[bytes, bytes]:
    """The certificate, with the chain that follows it, and its key."""
    found = _certificates("cert", cert), _key(key)
    try:
        # Without a passphrase to give, OpenSSL would ask at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        belongs = "MISMATCH" not in (error.reason or "")
        problem = f"cannot be used: {error.reason}" if belongs else f"is not the certificate of the key {key}"
        message = f"cert: {cert} {problem}; give a certificate and the key that belongs to it"
        raise ValueError(message) from None
    except OSError as error:
        message = f"cert: cannot read {cert} and {key}: {error.strerror}"
        raise ValueError(message) from error
    # What was judged has to be what was read: a renewal replaces one file after the other.
    if found != (_certificates("cert", cert), _key(key)):
        message = f"cert: {cert} is being replaced"
        raise ValueError(message)
    return found


def _certificates(field: str, path: pathlib.Path) -> bytes:
    content = _read(field, path)
    if b"-----BEGIN CERTIFICATE-----" not in content:
        message = f"{field}: {path} holds no PEM certificate"
        raise ValueError(message)
    return content


def _key(path: pathlib.Path) -> bytes:
    content = _read("key", path)
    if b"PRIVATE KEY-----" not in content:
        message = f"key: {path} holds no PEM private key"
        raise ValueError(message)
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in content or b"Proc-Type: 4,ENCRYPTED" in content:
        message = (
            f"key: {path} has a passphrase, and nobody to type it; give a key without one, which only you can read"
        )
        raise ValueError(message)
    return content


def _read(field: str, path: pathlib.Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        message = f"{field}: cannot read {path}: {error.strerror}"
        raise ValueError(message) from error
    if len(content) > _LARGEST:
        message = f"{field}: {path} is larger than 1 MiB; name the right file"
        raise ValueError(message)
    return content
