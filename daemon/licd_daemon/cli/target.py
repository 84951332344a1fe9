"""Whom a client command asks and with what: its options, and what the local daemon has left in the data directory."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from licd_daemon.cli.serve.config import DEFAULT_ADDRESS, DEFAULT_MTLS, address_file, admin_token_file, ca_file

_MOST_TOKEN_BYTES = 4096
_TOKEN = re.compile(rb"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Target:
    """What the clients' options say; see `options.client_command`."""

    addresses: Sequence[str]
    ca: Path | None
    token_file: Path | None
    cert: Path | None
    key: Path | None
    insecure: bool
    data_dir: Path

    def asked_first(self) -> list[str]:
        """The addresses given, else the one that the local daemon says it listens at."""
        if self.addresses:
            return list(self.addresses)
        if self.cert is not None:
            return [DEFAULT_MTLS]
        try:
            return [address_file(self.data_dir).read_text().strip() or DEFAULT_ADDRESS]
        except (OSError, ValueError):
            return [DEFAULT_ADDRESS]

    def authority(self) -> tuple[bytes | None, str]:
        """The certificate authority in PEM, given or the local daemon's, and where it is from, in words.

        Raises:
            click.UsageError: the file can't be read.
        """
        path = self.ca or (ca_file(self.data_dir) if _exists(ca_file(self.data_dir)) else None)
        if self.insecure or path is None:
            return None, f"now: none given, none found in {self.data_dir}"
        return _read("--ca", path), f"now: {path}"

    def authorization(self) -> tuple[tuple[str, str | bytes], ...]:
        """The metadata that carries the token, given or the local daemon's; empty if there is none.

        Not the local daemon's next to a certificate that is given: it would count before that.

        Raises:
            click.UsageError: the file given can't be read, or a file holds no token.
        """
        if self.token_file is None and self.cert is not None:
            return ()
        path = self.token_file or admin_token_file(self.data_dir)
        try:
            content = path.read_bytes() if self.token_file is None else _read("--token-file", path)
        except OSError:
            return ()
        token = content.partition(b"\n")[0].strip()
        if len(token) > _MOST_TOKEN_BYTES or not _TOKEN.fullmatch(token):
            problem = f"the first line of {path} is no token: name the file that licd has written"
            raise click.UsageError(f"--token-file: {problem}")
        return (("authorization", f"Bearer {token.decode()}"),)

    def client_certificate(self) -> tuple[bytes, bytes] | None:
        """The client certificate with its chain, and its key, in PEM; None: none is given.

        Raises:
            click.UsageError: only one of them is given, or they can't be used.
        """
        if self.cert is None or self.key is None:
            if self.cert != self.key:
                given, missing = ("--cert", "--key") if self.key is None else ("--key", "--cert")
                raise click.UsageError(f"{given}: needs {missing} too: give the certificate and its key")
            return None
        if self.insecure:
            raise click.UsageError("--cert: plaintext shows no certificate: leave out either it or --insecure")
        chain, key = _read("--cert", self.cert), _read("--key", self.key)
        _check_pair((self.cert, chain), (self.key, key))
        return chain, key

    def validity(self) -> str:
        """From when to when the client certificate is valid, in words; "" if it can't be read."""
        from licd_kit.pem import TlsInvalid, read_certificate

        try:
            certificate = read_certificate(self.cert) if self.cert is not None else None
        except (OSError, TlsInvalid):
            return ""
        if certificate is None:
            return ""
        return f"{certificate.not_valid_before_utc:%Y-%m-%d %H:%M} to {certificate.not_valid_after_utc:%Y-%m-%d %H:%M}Z"

    def renewable(self) -> bool:
        """Whether every file that is given can be read once more: a pipe can't."""
        given = (self.ca, self.token_file, self.cert, self.key)
        return all(path.is_file() for path in given if path is not None)


def _check_pair(certificate: tuple[Path, bytes], key: tuple[Path, bytes]) -> None:
    # Only here: cryptography takes a while to load, and few commands need it.
    from licd_kit.pem import TlsInvalid, fits, parse_certificates, parse_key, refuse_unusable

    try:
        first = parse_certificates(certificate[1], certificate[0])[0]
        refuse_unusable(first, certificate[0], by="the daemon")
    except TlsInvalid as error:
        raise click.UsageError(f"--cert: {error}") from None
    try:
        private = parse_key(key[1], key[0])
    except TlsInvalid as error:
        raise click.UsageError(f"--key: {error}") from None
    if not fits(first, private):
        raise click.UsageError(f"--key: {key[0]} is not the key of {certificate[0]}: give the two that belong together")


def _exists(path: Path) -> bool:
    """Whether this user can see `path`: the data directory is often closed to others."""
    try:
        return path.is_file()
    except OSError:
        return False


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        problem = f"can't read {path} ({error.strerror}): name a file that this user can read"
        raise click.UsageError(f"{option}: {problem}") from None
