"""Whom a client command asks and with what: its options, and what the local daemon has left in the data directory."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from licd_daemon.cli.serve.config import DEFAULT_ADDRESS, address_file, admin_token_file, ca_file

_MOST_TOKEN_BYTES = 4096
_TOKEN = re.compile(rb"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Target:
    """What the clients' options say; see `options.client_command`."""

    addresses: Sequence[str]
    ca: Path | None
    token_file: Path | None
    insecure: bool
    data_dir: Path

    def asked_first(self) -> list[str]:
        """The addresses given, else the one that the local daemon says it listens at."""
        if self.addresses:
            return list(self.addresses)
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

        Raises:
            click.UsageError: the file given can't be read, or a file holds no token.
        """
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
