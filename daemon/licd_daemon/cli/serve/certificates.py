"""R34: the certificates that the daemon makes for itself.

Rules:

- A start without `server.crt` makes a CA and a server certificate, EC P-256, in the folder `tls` of the data directory.
  Keys have mode 0600 from their first byte on.
- No life hangs on an untrusted clock: a CA is valid from long before the build's date until 20 years after the latest
  time that was confirmed, or the build's date; a server certificate as long as its CA.
- The server certificate is renewed from that CA when a third of its life, or a year, is left, when it is not valid yet,
  when a name is missing, or when it does not fit its key or the CA. Clients that trust the CA notice nothing.
- A CA is replaced when a third of its life is left, by what is confirmed. `ca.crt` then holds both, the new one first:
  clients that have the new file trust certificates of either. The server certificate stays with the old CA until that
  one's last year, so that there are years to hand out `ca.crt`.
- Whatever needs no renewal is used as it is: it may be a mounted Secret, and its `ca.key` may be kept elsewhere. A
  daemon that lacks it serves on with the certificate that it has.
- `ca.key` is encrypted where there is a passphrase for it: the credential `ca-passphrase` (systemd's LoadCredential=).
"""

import ipaddress
import os
import secrets
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from licd_daemon.core.build import BUILD_DATE
from licd_daemon.operations.certificate_check import issued_by, names_of
from licd_kit.pem import PrivateKey, TlsInvalid, fits, is_encrypted, read_certificate, read_certificates, read_key
from licd_kit.synced_files import write_whole

CA_LIFE = timedelta(days=20 * 365)
RENEWED_BEFORE = timedelta(days=365)
# Long past, because clocks may be wrong: clients that are behind this machine must not refuse its certificates as not
# valid yet.
_CA_BEGINS = datetime(2020, 1, 1, tzinfo=UTC)
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)  # certificates know no earlier times than 1950
_CREDENTIAL = "ca-passphrase"
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")

log = structlog.get_logger(__name__)


class IssuerMissing(TlsInvalid):
    """A renewal is due, and the CA's key is not there or can't be read."""


@dataclass(frozen=True, slots=True)
class _Issuer:
    certificate: x509.Certificate
    key: PrivateKey


@dataclass(frozen=True, slots=True)
class _Times:
    """The wall clock, and the latest time that was confirmed, not before the build's date."""

    now: datetime
    confirmed: datetime


def ensure_certificates(folder: Path, names: Iterable[str], now: datetime, confirmed: datetime = BUILD_DATE) -> None:
    """Make or renew `ca.{crt,key}` and `server.{crt,key}` in `folder` where it is due.

    Args:
        folder: The folder `tls` of the data directory; made if missing.
        names: Host names and IP addresses under which clients reach this daemon, besides loopback's and the machine's.
        now: The present wall time, in UTC.
        confirmed: The present time as far as something has confirmed it (R23); by this alone a CA is replaced.

    Raises:
        IssuerMissing: A renewal is due, and `ca.key` can't be used.
        TlsInvalid: A file can't be read or written.
    """
    wanted = {_canonical(name) for name in (*_LOCAL_NAMES, *_host_name(), *names)}
    times = _Times(now, max(confirmed, BUILD_DATE))
    try:
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        authorities = _authorities(folder, times)
        due = _reason_to_renew(folder, wanted, times, authorities)
        if due:
            issuer = _issuer(folder, authorities) if authorities else _make_ca(folder, times)
            log.info("certificate_made", folder=str(folder), reason=due, names=sorted(wanted))
            _make_server_certificate(folder, issuer, wanted, now)
    except OSError as error:
        raise TlsInvalid(
            f"{error.filename or folder}: {error.strerror}: make it readable and writable for the daemon"
        ) from None


def are_served(folder: Path) -> bool:
    """Whether there is a server certificate with its key, so that a daemon can serve without a renewal."""
    try:
        return fits(read_certificate(folder / "server.crt"), read_key(folder / "server.key"))
    except (TlsInvalid, OSError):
        return False


def _passphrase() -> bytes | None:
    """The passphrase of the CA's key; None: there is none."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    file = Path(folder, _CREDENTIAL) if folder else None
    return file.read_bytes().strip() or None if file is not None and file.exists() else None


def _authorities(folder: Path, times: _Times) -> list[x509.Certificate]:
    """The CAs of `ca.crt`, the newest first, after that one was replaced if it was due."""
    path, key = folder / "ca.crt", folder / "ca.key"
    found = read_certificates(path) if path.exists() else []
    if found and _may_be_replaced(key) and times.confirmed > found[0].not_valid_after_utc - _life(found[0]) / 3:
        _make_ca(folder, times, [old for old in found if times.confirmed < old.not_valid_after_utc])
        log.warning("ca_replaced", path=str(path), remedy="give the new ca.crt to every client: it holds both CAs")
        return read_certificates(path)
    return found


def _may_be_replaced(key: Path) -> bool:
    """Whether the CA's key may be replaced: none that is encrypted by one that is not."""
    return key.exists() and (_passphrase() is not None or not is_encrypted(key.read_bytes()))


def _life(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - max(certificate.not_valid_before_utc, _CA_BEGINS)


def _reason_to_renew(
    folder: Path, wanted: set[str], times: _Times, authorities: Sequence[x509.Certificate]
) -> str | None:
    if not (folder / "server.crt").exists():
        return "there is none"
    certificate = read_certificate(folder / "server.crt")
    issuer = next((ca for ca in authorities if issued_by(certificate, ca)), None)
    if authorities and issuer is None:
        return "it is of another CA"
    if _near_its_end(certificate, issuer, times, authorities):
        return "it is near its end, or not valid yet"
    if missing := wanted - names_of(certificate):
        return f"it lacks the names {', '.join(sorted(missing))}"
    if not (folder / "server.key").exists() or not fits(certificate, read_key(folder / "server.key")):
        return "it does not fit its key"
    return None


def _near_its_end(
    certificate: x509.Certificate,
    issuer: x509.Certificate | None,
    times: _Times,
    authorities: Sequence[x509.Certificate],
) -> bool:
    """Another one of the same CA gives nothing up: the wall clock may say so. To leave a CA takes a confirmed time."""
    newest = authorities[0] if authorities else None
    now = max(times.now, times.confirmed) if issuer is newest else times.confirmed
    if newest is not None and certificate.not_valid_after_utc >= newest.not_valid_after_utc:
        return False
    end, begin = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    return now > end - min(_life(certificate) / 3, RENEWED_BEFORE) or now < begin


def _issuer(folder: Path, authorities: Sequence[x509.Certificate]) -> _Issuer:
    certificate, path = folder / "ca.crt", folder / "ca.key"
    if not path.exists():
        raise IssuerMissing(
            f"{path} is missing, and a new server certificate is due: put it back, or give --tls-cert and --tls-key"
        )
    passphrase = _passphrase()
    if passphrase is None and is_encrypted(path.read_bytes()):
        raise IssuerMissing(
            f"{path} is encrypted, and a new server certificate is due: give its passphrase as the credential "
            f"{_CREDENTIAL} (systemd's LoadCredential=), or give --tls-cert and --tls-key"
        )
    key = read_key(path, passphrase)
    # After a crash between the two files the key is still the old CA's, which is the second one there.
    for authority in authorities:
        if fits(authority, key):
            return _Issuer(authority, key)
    raise TlsInvalid(f"{path} is not the key of {certificate}: put the right one back, or remove both")


def _make_ca(folder: Path, times: _Times, old: Sequence[x509.Certificate] = ()) -> _Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"licd CA {secrets.token_hex(4)}")])
    certificate = (
        _builder(name, name, key.public_key(), times.confirmed + CA_LIFE)
        .not_valid_before(max(_FIRST, min(times.now, _CA_BEGINS)))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    bundle = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (certificate, *old))
    write_whole(folder / "ca.crt", bundle, 0o644)
    _write_key(folder / "ca.key", key, _passphrase())
    return _Issuer(certificate, key)


def _make_server_certificate(folder: Path, issuer: _Issuer, names: set[str], now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "licd")])
    end = issuer.certificate.not_valid_after_utc
    issuer_key_id = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(subject, issuer.certificate.subject, key.public_key(), end)
        .not_valid_before(max(_FIRST, min(now, issuer.certificate.not_valid_before_utc)))
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
        raise TlsInvalid(f"{name!r} can't be in a certificate: write it in ASCII (xn--...)") from None


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey, passphrase: bytes | None = None) -> None:
    encryption: serialization.KeySerializationEncryption = (
        serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    write_whole(path, pem, 0o600)
