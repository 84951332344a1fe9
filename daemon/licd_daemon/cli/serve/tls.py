"""What the daemon's ports serve TLS with (R34).

Rules:

- Given files (`--tls-cert`, `--tls-key`, `--client-ca`) are used unchanged, mode, owner and symlinks included.
- For each new connection the files' stamps are looked at; files that changed are loaded, for new connections only.
  Where files can't be used, or no client could use them, what was loaded before stays.
- A port with a client CA takes no connection without a certificate of that CA: gRPC for Python can't ask for one and
  do without it. Clients that have none use another port, with the same files but the client CA.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

import grpc
from cryptography import x509

from licd_kit.pem import TlsInvalid, fits, parse_certificates, parse_key, refuse_unusable

__all__ = ["TlsFiles", "TlsInvalid", "Watch", "read_chain", "read_configuration", "server_credentials"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files: the server's certificate (with its chain), its key, and the CA of client certificates.

    `accept`: raises TlsInvalid for a chain that is not to be served. It is called from several threads.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    accept: Callable[[Sequence[x509.Certificate]], None] = lambda _: None


def read_chain(files: TlsFiles) -> list[x509.Certificate]:
    """The server's certificate and those after it in its file, checked.

    Raises:
        TlsInvalid: As `read_configuration`.
    """
    return _checked(files, _read(files.certificate), _read(files.key))


def _checked(files: TlsFiles, content: bytes, key: bytes) -> list[x509.Certificate]:
    chain = parse_certificates(content, files.certificate)
    refuse_unusable(chain[0], files.certificate)
    if not fits(chain[0], parse_key(key, files.key)):
        raise TlsInvalid(f"{files.key} is not the key of {files.certificate}: give the two that belong together")
    files.accept(chain)
    return chain


def read_configuration(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    """The files as gRPC takes them, checked.

    Raises:
        TlsInvalid: One can't be read or used, is not accepted, or certificate and key do not fit; names the file and
            the remedy.
    """
    chain, key = _read(files.certificate), _read(files.key)
    _checked(files, chain, key)
    client_ca = None
    if files.client_ca is not None:
        client_ca = _read(files.client_ca)
        parse_certificates(client_ca, files.client_ca)
    return grpc.ssl_server_certificate_configuration([(key, chain)], client_ca)


def server_credentials(watch: "Watch[grpc.ServerCertificateConfiguration]") -> grpc.ServerCredentials:
    """Credentials for a server's port, which follow the files of a watch over `read_configuration`."""
    fetch = cast("Callable[[], grpc.ServerCertificateConfiguration]", watch.fetch)  # the stubs forget its None
    return grpc.dynamic_ssl_server_credentials(watch.loaded, fetch, watch.files.client_ca is not None)


class Watch(Generic[T]):
    """Loads the files again when they have changed; for any thread.

    `loaded`: the last that could be used; `trouble`: why the files as they are now are not loaded, or "".

    Raises:
        TlsInvalid: As the files are now, they can't be used.
    """

    def __init__(self, files: TlsFiles, load: Callable[[TlsFiles], T]) -> None:
        self.files = files
        self._load = load
        self._lock = threading.Lock()
        self._seen = self._stamps()
        self._fresh = False
        self.loaded = load(files)
        self.trouble = ""

    def look(self) -> None:
        """Load the files if they have changed."""
        with self._lock:
            stamps = self._stamps()
            if stamps == self._seen:
                return
            self._seen = stamps
            try:
                self.loaded, self._fresh, self.trouble = self._load(self.files), True, ""
            except TlsInvalid as error:
                self.trouble = str(error)

    def fetch(self) -> T | None:
        """What was loaded since the last time; None: nothing. To be called for each connection."""
        self.look()
        with self._lock:
            fresh, self._fresh = self._fresh, False
            return self.loaded if fresh else None

    def _stamps(self) -> tuple[tuple[int, ...] | None, ...]:
        return tuple(map(_stamp, (self.files.certificate, self.files.key, self.files.client_ca)))


def _stamp(path: Path | None) -> tuple[int, ...] | None:
    # Not the time alone: a Secret is swapped by a symlink, whose target may be of the same time. And the time of the
    # last change of its mode: a file that could not be read keeps its content when that is corrected.
    try:
        status = path.stat() if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_size) if status else None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsInvalid(f"{path}: {error.strerror}: make it readable for the daemon") from None
