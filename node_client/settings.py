"""What connect() was given, checked: a bad argument is a ValueError that names it, at once and not at the first try."""

import dataclasses
import ipaddress
import pathlib
import socket
from collections.abc import Sequence

from node_client.values import Application, check_text, steers

_LONGEST_NAME = 253


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Checked arguments of connect().

    Attributes:
        addresses: of the daemons, host:port, at least one.
        application: what the program is.
        node_name: a display name.
        token: the bearer token, never shown; empty for none.
        ca: the file of CA certificates; None for the system's own.
        insecure: plaintext, loopback addresses only (R34).
    """

    addresses: tuple[str, ...]
    application: Application
    node_name: str
    token: str = dataclasses.field(repr=False)
    ca: pathlib.Path | None
    insecure: bool

    def may_reach(self, address: str) -> bool:
        """Whether an address named by a daemon may be tried: plaintext carries the token, so it stays on loopback."""
        return _is_address(address) and (not self.insecure or _is_loopback(address))


def check(
    addresses: str | Sequence[str],
    *,
    application: Application,
    node_name: str | None,
    token: str | None,
    ca: str | pathlib.Path | None,
    insecure: bool,
) -> Settings:
    """Check the arguments of connect().

    Raises:
        ValueError: naming the argument; a token is never quoted.
    """
    if not isinstance(application, Application):
        message = "application: must be a node_client.Application"
        raise ValueError(message)
    name = node_name if node_name is not None else _host_name()
    check_text("node_name", name, shortest=1, longest=_LONGEST_NAME)
    return Settings(
        addresses=_addresses(addresses, insecure=insecure),
        application=application,
        node_name=name,
        token=_token(token),
        ca=None if insecure else _ca(ca),
        insecure=insecure,
    )


def _host_name() -> str:
    """The host's name as a display name; a host may have none, or one of any bytes."""
    name = "".join("?" if steers(each) else each for each in socket.gethostname())
    return name[:_LONGEST_NAME] or "unnamed"


def _addresses(given: str | Sequence[str], *, insecure: bool) -> tuple[str, ...]:
    parts = given.split(",") if isinstance(given, str) else given
    found = tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
    if not found:
        message = "addresses: must name at least one daemon, as host:port"
        raise ValueError(message)
    for address in found:
        if not _is_address(address):
            message = f"addresses: {address!r} is not a valid address; write it as host:port, such as licd.example:7443"
            raise ValueError(message)
        if insecure and not _is_loopback(address):
            message = f"addresses: {address!r} is not loopback, so insecure is not allowed there; give ca instead"
            raise ValueError(message)
    return found


def _is_address(address: str) -> bool:
    host, _, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    plain = host and not set(host) & set(":/ []")
    return bool(bracketed or plain) and port.isascii() and port.isdigit() and 0 < int(port) < 2**16


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _token(token: str | None) -> str:
    if token is None:
        return ""
    # Metadata takes printable ASCII only, and a newline read along with a file is the usual mistake.
    if not token or not all("!" <= character <= "~" for character in token):
        message = "token: must be printable ASCII without spaces or newlines; strip what was read from a file"
        raise ValueError(message)
    return token


def _ca(ca: str | pathlib.Path | None) -> pathlib.Path | None:
    if ca is None:
        return None
    path = pathlib.Path(ca)
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"ca: cannot read {path}: {error.strerror}"
        raise ValueError(message) from error
    if b"-----BEGIN CERTIFICATE-----" not in content:
        message = f"ca: {path} holds no PEM certificate"
        raise ValueError(message)
    return path
