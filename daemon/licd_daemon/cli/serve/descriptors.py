"""R36: who may have how many file descriptors, so that connections never take one from journal, lock file or probes.

- The soft limit is raised to the hard one. Of that, `RESERVED` are nobody's connections: the daemon at rest has about
  half of them open, and the others are for files and names that it opens briefly, and for connections on their
  way in or out.
- Console and ops get 128 connections each, or an eighth where there are few; the gRPC ports get the rest, equally.
- Fewer than 512 are told in the log, and in `licd check` as well as a license for more nodes than can connect.
- gRPC counts the connections of each listener for itself: of each port, and of each address that its host has.
"""

import resource
import socket
from dataclasses import dataclass

import structlog

from licd_daemon.cli.serve.config import ServeConfig
from licd_daemon.console.listener import MAX_CONNECTIONS
from licd_formats.license import License
from licd_kit.addresses import Address

RESERVED = 96
LEAST = 256
FEW = 512
MOST = 1_000_000
log = structlog.get_logger(__name__)


class TooFewFiles(Exception):
    """The daemon can't serve within the limit of open files; the text names the remedy."""


_REMEDY = "Raise the hard limit of open files (LimitNOFILE, ulimit -Hn): each node is a connection"


@dataclass(frozen=True, slots=True)
class FewFiles:
    """What `licd check` says of a limit that may be too low; whole sentences for people."""

    detail: str
    title: str = "Few open files are allowed"
    remedy: str = _REMEDY


@dataclass(frozen=True, slots=True)
class Connections:
    """How many each listener may have. `grpc`: of one of its listeners; `web`: of console and ops, each."""

    limit: int
    grpc: int
    web: int

    def warnings(self, license: License | None) -> list[FewFiles]:
        """What there is to say under a license; None: there is none."""
        nodes = license.max_nodes if license else 0
        if self.limit >= FEW and nodes <= self.grpc:
            return []
        return [FewFiles(f"A limit of {self.limit} allows {self.grpc} gRPC connections; the license: {nodes} nodes")]


def connections(config: ServeConfig) -> Connections:
    """Raise the limit of open files as far as it goes, and share it out.

    Raises:
        TooFewFiles: it is less than `LEAST`.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listeners = sum(_listeners(address) for address in (config.listen_address, config.mtls_address) if address)
    shared = share_out(hard, listeners)
    if hard < FEW:
        log.warning("few_file_descriptors", limit=hard, grpc=shared.grpc, web=shared.web, remedy=_REMEDY)
    return shared


def share_out(limit: int, grpc_listeners: int) -> Connections:
    """What each listener may have of so many descriptors.

    Raises:
        TooFewFiles: they are less than `LEAST`.
    """
    if limit < LEAST:
        raise TooFewFiles(f"{limit} open files are too few: raise their hard limit (ulimit -Hn) to {FEW} or more")
    free = min(limit, MOST) - RESERVED
    web = min(MAX_CONNECTIONS, free // 8)
    return Connections(limit, max(1, (free - 2 * web) // grpc_listeners), web)


def _listeners(address: Address) -> int:
    """How many sockets gRPC listens with: a wildcard is one, a name may have several addresses."""
    if address.everywhere:
        return 1
    try:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    except OSError:
        return 1  # binding it will fail, and say so
    return len({where for *_, where in found})
