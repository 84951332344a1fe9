"""What connect() was given, checked: a bad argument is a ValueError that names it, at once and not at the first try."""

import dataclasses
import ipaddress
import pathlib
import socket
from collections.abc import Sequence

from node_client import files
from node_client.files import Shown
from node_client.values import Application, check_text, steers
from node_client.verifier import Verifier

_LONGEST_NAME = 253


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """Checked arguments of connect().

    Attributes:
        addresses: of the daemons, host:port, at least one.
        application: what the program is.
        node_name: a display name.
        token: the bearer token, never shown; empty for none, or for one in a file.
        ca: the file of CA certificates; None for the system's own.
        insecure: plaintext, loopback addresses only (R34).
        token_file: the file of the bearer token; None for none.
        cert: the file of the client certificate, with its chain; None for none.
        key: the file of its key.
        first: what these files held when they were checked.
        credential_file: where the node keeps a token of its own that it has made with a join token; None: in memory.
        own: what that file held, empty if it is not there yet; never shown.
        verifier: what judges the license by pinned keys; None for a node that believes the daemon (R37).
        wants_license: ask the daemon for the license.
    """

    addresses: tuple[str, ...]
    application: Application
    node_name: str
    token: str = dataclasses.field(repr=False)
    ca: pathlib.Path | None
    insecure: bool
    token_file: pathlib.Path | None = None
    cert: pathlib.Path | None = None
    key: pathlib.Path | None = None
    first: Shown = dataclasses.field(default_factory=Shown)
    credential_file: pathlib.Path | None = None
    own: str = dataclasses.field(default="", repr=False)
    verifier: Verifier | None = None
    wants_license: bool = False

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
    token_file: str | pathlib.Path | None = None,
    cert: str | pathlib.Path | None = None,
    key: str | pathlib.Path | None = None,
    credential_file: str | pathlib.Path | None = None,
    vendor_keys: str | bytes | pathlib.Path | None = None,
    wants_license: bool = False,
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
    _check_together(token=token, token_file=token_file, cert=cert, key=key, insecure=insecure)
    paths = [None if path is None else pathlib.Path(path) for path in (token_file, None if insecure else ca, cert, key)]
    kept = None if credential_file is None else pathlib.Path(credential_file)
    return Settings(
        addresses=_addresses(addresses, insecure=insecure),
        application=application,
        node_name=name,
        token=_token(token),
        ca=paths[1],
        insecure=insecure,
        token_file=paths[0],
        cert=paths[2],
        key=paths[3],
        first=_first(_token(token), *paths),
        credential_file=kept,
        own=_own(kept),
        verifier=None if vendor_keys is None else Verifier(vendor_keys, application),
        wants_license=wants_license or vendor_keys is not None,
    )


def _own(path: pathlib.Path | None) -> str:
    if path is None or not path.exists():
        if path is not None and not path.parent.is_dir():
            message = f"credential_file: there is no folder {path.parent} to keep it in"
            raise ValueError(message)
        return ""
    return files.read_token(path, "credential_file")


def _check_together(*, token: object, token_file: object, cert: object, key: object, insecure: bool) -> None:
    if token is not None and token_file is not None:
        message = "token_file: give either the token or its file"
        raise ValueError(message)
    if (cert is None) != (key is None):
        given, missing = ("cert", "key") if key is None else ("key", "cert")
        message = f"{given}: needs {missing} too; give the files of both"
        raise ValueError(message)
    if cert is not None and insecure:
        message = "cert: plaintext shows no certificate; leave out either it or insecure"
        raise ValueError(message)


def _first(
    token: str,
    token_file: pathlib.Path | None,
    ca: pathlib.Path | None,
    cert: pathlib.Path | None,
    key: pathlib.Path | None,
) -> Shown:
    return Shown(
        files.read_token(token_file) if token_file else token,
        files.read_roots(ca) if ca else None,
        files.read_pair(cert, key) if cert and key else None,
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
