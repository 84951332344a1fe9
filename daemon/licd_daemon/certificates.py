"""The certificates that the daemon makes for itself (R34).

Rules:

- A start without `server.crt` makes a CA for ten years and a server certificate for one, EC P-256, in the folder `tls`
  of the data directory. Keys have mode 0600 from their first byte on.
- A start renews the server certificate from that CA when less than 30 days are left, when it is not valid yet, when a
  name is missing, or when it does not fit its key or the CA. Whoever trusts the CA notices nothing.
- A CA that has expired is made anew, with a warning: every client needs the new `ca.crt`.
- Whatever needs no renewal is used as it is: it may be a mounted Secret, and its `ca.key` may be kept elsewhere.
"""

import ipaddress
import secrets
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from licd_daemon.pem import PrivateKey, TlsInvalid, fits, read_certificate, read_key
from licd_daemon.private_files import write_whole

CA_LIFE = timedelta(days=3650)
SERVER_LIFE = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
# Long past, because clocks may be wrong: clients that are behind this machine must not refuse its certificates as not
# valid yet.
_CA_BEGINS = datetime(2020, 1, 1, tzinfo=UTC)
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Issuer:
    certificate: x509.Certificate
    key: PrivateKey


def ensure_certificates(folder: Path, names: Iterable[str], now: datetime) -> None:
    """Makes or renews `ca.{crt,key}` and `server.{crt,key}` in `folder` where it is due.

    Args:
        folder: The folder `tls` of the data directory; made if missing.
        names: Host names and IP addresses under which clients reach this daemon, beside loopback's and the machine's.
        now: The present wall time, in UTC.

    Raises:
        TlsInvalid: A file can't be read or written, or a renewal is due and `ca.key` is not there.
    """
    wanted = {_canonical(name) for name in (*_LOCAL_NAMES, *_host_name(), *names)}
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        due = _reason_to_renew(folder, wanted, now)
        if due:
            issuer = _issuer(folder, now)
            _log.info("certificate_made", folder=str(folder), reason=due, names=sorted(wanted))
            _make_server_certificate(folder, issuer, wanted, now)
    except OSError as error:
        raise TlsInvalid(
            f"{error.filename or folder}: {error.strerror}: make it readable and writable for the daemon"
        ) from None


def _reason_to_renew(folder: Path, wanted: set[str], now: datetime) -> str | None:
    if not (folder / "server.crt").exists():
        return "there is none"
    certificate = read_certificate(folder / "server.crt")
    if not now < certificate.not_valid_after_utc - RENEWED_BEFORE or now < certificate.not_valid_before_utc:
        return "it is expired, near its end, or not valid yet"
    if missing := wanted - _names(certificate):
        return f"it lacks the names {', '.join(sorted(missing))}"
    if not (folder / "server.key").exists() or not fits(certificate, read_key(folder / "server.key")):
        return "it does not fit its key"
    if (folder / "ca.crt").exists() and not _issued_by(certificate, read_certificate(folder / "ca.crt")):
        return "it is of another CA"
    return None


def _issuer(folder: Path, now: datetime) -> _Issuer:
    certificate, key = folder / "ca.crt", folder / "ca.key"
    if certificate.exists():
        found = read_certificate(certificate)
        if now < found.not_valid_after_utc:
            if not key.exists():
                raise TlsInvalid(
                    f"{key} is missing, and a new server certificate is due: put it back, or give --tls-cert and"
                    " --tls-key"
                )
            issuer = _Issuer(found, read_key(key))
            if not fits(found, issuer.key):
                raise TlsInvalid(f"{key} is not the key of {certificate}: put the right one back, or remove both")
            return issuer
        _log.warning("ca_expired", path=str(certificate), remedy="give the new ca.crt to every client")
    return _make_ca(certificate, key, now)


def _make_ca(certificate_path: Path, key_path: Path, now: datetime) -> _Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"licd CA {secrets.token_hex(4)}")])
    builder = _builder(name, name, key.public_key(), max(now, _CA_BEGINS) + CA_LIFE)
    certificate = (
        builder.not_valid_before(min(now, _CA_BEGINS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_path, key)
    write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return _Issuer(certificate, key)


def _make_server_certificate(folder: Path, issuer: _Issuer, names: set[str], now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "licd")])
    end = min(now + SERVER_LIFE, issuer.certificate.not_valid_after_utc)
    issuer_key_id = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(subject, issuer.certificate.subject, key.public_key(), end)
        .not_valid_before(min(now, issuer.certificate.not_valid_before_utc))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key_id), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )
    _write_key(folder / "server.key", key)
    write_whole(folder / "server.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host_name() -> Iterable[str]:
    """The machine's name, if a certificate can hold it."""
    name = socket.gethostname()
    return [name] if name and name.isascii() else []


def _canonical(name: str) -> str:
    # As a certificate gives an address back: `::1`, however long it was written.
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.DNSName(name)
    except ValueError:
        raise TlsInvalid(f"{name!r} can't stand in a certificate: write it in ASCII (xn--...)") from None


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    addresses = names.get_values_for_type(x509.IPAddress)
    return {*names.get_values_for_type(x509.DNSName), *map(str, addresses)}


def _issued_by(certificate: x509.Certificate, ca: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_whole(path, pem, 0o600)
