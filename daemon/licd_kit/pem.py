"""Certificates and private keys in PEM files (RFC 7468): bytes in, checked values or a clear error out (R34)."""

from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


class TlsInvalid(Exception):
    """A certificate or key can't be used; the text names the file and the remedy."""


def fits(certificate: x509.Certificate, key: PrivateKey) -> bool:
    """Whether `key` is the private key of `certificate`."""
    return certificate.public_key() == key.public_key()


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate of a PEM file.

    Raises:
        TlsInvalid: It holds none.
        OSError: It can't be read.
    """
    return parse_certificate(path.read_bytes(), path)


def read_certificates(path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file, in its order; at least one.

    Raises:
        TlsInvalid: It holds none.
        OSError: It can't be read.
    """
    return parse_certificates(path.read_bytes(), path)


def parse_certificates(content: bytes, path: Path) -> list[x509.Certificate]:
    """Every certificate of a PEM file's content, in its order; at least one.

    Raises:
        TlsInvalid: It holds none, or one that can't be read.
    """
    try:
        found = x509.load_pem_x509_certificates(content)
        for each in found:
            each.extensions  # noqa: B018 (they are read when they are asked for, and raise then)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        remedy = "give a PEM file that begins with one"
        raise TlsInvalid(f"{path} holds no certificate, or one that can't be read: {remedy}") from None
    return found


def parse_certificate(content: bytes, path: Path) -> x509.Certificate:
    """The first certificate of a PEM file's content.

    Raises:
        TlsInvalid: It holds none.
    """
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError:
        raise TlsInvalid(f"{path} holds no certificate: give a PEM file that begins with one") from None


def read_key(path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """The private key of a PEM file; `passphrase`: of one that is encrypted.

    Raises:
        TlsInvalid: It holds none that can be used.
        OSError: It can't be read.
    """
    return parse_key(path.read_bytes(), path, passphrase)


def is_encrypted(content: bytes) -> bool:
    """Whether a PEM file's key needs a passphrase."""
    return b"ENCRYPTED" in content


def parse_key(content: bytes, path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """The private key of a PEM file's content; the error shows nothing of what it holds.

    Raises:
        TlsInvalid: It holds none that can be used.
    """
    remedy = "give an unencrypted PEM file of an EC, RSA or Ed25519 key"
    try:
        key = serialization.load_pem_private_key(content, password=passphrase if is_encrypted(content) else None)
    except TypeError:
        raise TlsInvalid(f"{path} has a passphrase, which nobody is there to type: {remedy}") from None
    except ValueError:
        problem = "can't be decrypted" if is_encrypted(content) else "holds no private key"
        raise TlsInvalid(f"{path} {problem}: {remedy}") from None
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise TlsInvalid(f"{path} holds a key of another kind: {remedy}")
    return key


def refuse_unusable(certificate: x509.Certificate, path: Path, *, by: str = "clients") -> None:
    """GRPC refuses the signatures of some keys: a server or client with one would reach nobody (R34).

    Raises:
        TlsInvalid: The certificate's key is of such a kind.
    """
    key = certificate.public_key()
    usable = isinstance(key, rsa.RSAPublicKey) or (
        isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1))
    )
    if not usable:
        raise TlsInvalid(
            f"{path} has a key that {by} can't use: give a certificate with an RSA, EC P-256 or EC P-384 key"
        )
