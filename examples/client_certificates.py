"""Makes an authority for client certificates, and certificates of it: a trial, or a start without a tool for it.

    python examples/client_certificates.py FOLDER node --name report-1

The first run makes FOLDER/clients-ca.crt, which `licd serve --client-ca` takes, and its key. Each run makes
FOLDER/NAME.crt and FOLDER/NAME.key for `--cert` and `--key`. Keep the authority's key where no client is.
"""

import argparse
import datetime as dt
import os
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ROLES = ("admin", "viewer", "node")
AUTHORITY_DAYS = 3650


def main() -> None:
    """Make what is asked for."""
    parser = argparse.ArgumentParser(description="Make a client certificate for licd, and its authority if need be.")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("role", choices=ROLES)
    parser.add_argument("--name", help="the client's name (its role)")
    parser.add_argument("--days", type=int, default=30, help="how long the certificate lives (30)")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    authority, authority_key = _authority(given.folder)
    name, key = given.name or given.role, ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _begun(name, authority.subject, key, given.days)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"licd:role/{given.role}")]), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    _write(given.folder / name, certificate, key)


def _authority(folder: pathlib.Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    path = folder / "clients-ca"
    if path.with_suffix(".crt").exists():
        key = serialization.load_pem_private_key(path.with_suffix(".key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return x509.load_pem_x509_certificate(path.with_suffix(".crt").read_bytes()), key
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "clients of licd")])
    certificate = (
        _begun("clients of licd", name, key, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write(path, certificate, key)
    return certificate, key


def _begun(name: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return x509.CertificateBuilder(
        issuer,
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]),
        key.public_key(),
        x509.random_serial_number(),
        now - dt.timedelta(minutes=10),  # clients' clocks are not the daemon's
        now + dt.timedelta(days=days),
    )


def _write(path: pathlib.Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret = os.open(path.with_name(f"{path.name}.key"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(secret, "wb") as file:
        file.write(pem)
    path.with_name(f"{path.name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


if __name__ == "__main__":
    main()
