"""Certificates as customers' authorities issue them, good ones and bad ones."""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)
PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority; `parent`: what has issued it, None: itself."""

    def __init__(
        self, name: str = "customer's CA", parent: "Authority | None" = None, end: datetime | None = None
    ) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        issuer = parent or self
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(issuer._name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 4000 * DAY)
            .not_valid_after(end or now + 4000 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(issuer.key, hashes.SHA256())
        )

    @classmethod
    def read(cls, certificate: bytes, key: bytes) -> "Authority":
        """An authority that somebody else has made."""
        authority = cls.__new__(cls)
        authority.certificate = chain_of(certificate)[0]
        private = serialization.load_pem_private_key(key, None)
        assert isinstance(private, ec.EllipticCurvePrivateKey)
        authority.key = private
        authority._name = authority.certificate.subject
        return authority

    @property
    def pem(self) -> bytes:
        """Its certificate."""
        return self.certificate.public_bytes(PEM)

    def client(self, *names: str, name: str = "client", **life: timedelta) -> tuple[bytes, bytes]:
        """A client's certificate and key; `names`: such as `licd:role/node`."""
        return self.issue(names=names, uses=[ExtendedKeyUsageOID.CLIENT_AUTH], name=name, **life)

    def issue(
        self,
        begin: timedelta = -300 * DAY,
        end: timedelta = 300 * DAY,
        names: Sequence[str] = ("127.0.0.1", "localhost"),
        uses: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.SERVER_AUTH,),
        name: str = "",
    ) -> tuple[bytes, bytes]:
        """A server's certificate and key. `begin`, `end`: of its life, from now; `name`: its common name."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name or "server"))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin)
            .not_valid_after(now + end)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(map(_general, names))), critical=False)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(PEM), private


def put(folder: Path, pair: tuple[bytes, bytes]) -> tuple[Path, Path]:
    """Writes a certificate and its key, the way that a tool for renewals does: whole files, the key first."""
    folder.mkdir(exist_ok=True)
    paths = folder / "given.crt", folder / "given.key"
    for path, content in reversed(list(zip(paths, pair, strict=True))):
        fresh = path.with_suffix(".fresh")
        fresh.write_bytes(content)
        fresh.replace(path)
    return paths


def chain_of(pem: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM file."""
    return x509.load_pem_x509_certificates(pem)


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _general(name: str) -> x509.GeneralName:
    if name.startswith("licd:"):
        return x509.UniformResourceIdentifier(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
