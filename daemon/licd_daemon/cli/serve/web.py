"""The daemon's two web servers, from their options to their end.

Addresses are bound before anything is served: what is in use keeps the daemon from starting, in a clear word.
"""

import asyncio
import socket
import ssl
from dataclasses import dataclass

from starlette.types import ASGIApp

from licd_daemon.cli.serve.config import OFF, ServeConfig, console_link_file
from licd_daemon.cli.serve.https import read_context, server_context
from licd_daemon.cli.serve.served_certificate import ServedCertificate, standing_of
from licd_daemon.console.console import Console, Settings
from licd_daemon.console.listener import WebServer
from licd_daemon.console.login import LoginLink
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.latency import Latency
from licd_daemon.operations.operations import Operations
from licd_daemon.ops.metrics import Metrics
from licd_daemon.ops.probes import Ops
from licd_kit.addresses import Address
from licd_kit.filesystem import ephemeral_filesystem
from licd_kit.web.server import bind


class ListenFailed(Exception):
    """An address can't be listened at; the text names the option and the remedy."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the web servers serve. `rpc_latency`: of the gRPC methods, by name; `certificate`: None: no TLS."""

    coordinator: Coordinator
    operations: Operations
    rpc_latency: dict[str, Latency]
    certificate: ServedCertificate | None


class WebPorts:
    """The ports of console and ops, bound when this is made; either may be off. `connections`: of each at once.

    Raises:
        ListenFailed: an address is in use or not this machine's.
    """

    def __init__(self, config: ServeConfig, connections: int) -> None:
        self._config = config
        self._connections = connections
        self._console_socket = _bound("--console-listen", config.console_address)
        self._ops_socket = _bound("--ops-listen", config.ops_address)
        self._servers: list[WebServer] = []

    @property
    def console_url(self) -> str:
        """Where a browser on this machine finds the console; "" when it is off."""
        return _url_of("http" if self._config.insecure else "https", self._console_socket)

    @property
    def ops_url(self) -> str:
        """Where probes find the ops port; "" when it is off."""
        return _url_of("http", self._ops_socket)

    def _serve(self, app: ASGIApp, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        server = WebServer(app, listener, self._connections, tls)
        self._servers.append(server)
        server.start()

    async def stop(self) -> None:
        """End both servers. Idempotent."""
        await asyncio.gather(*(server.stop() for server in self._servers))
        for listener in (self._console_socket, self._ops_socket):
            if listener is not None:
                listener.close()


class Web(WebPorts):
    """Console and ops of the daemon that leads."""

    def __init__(self, config: ServeConfig, connections: int) -> None:
        super().__init__(config, connections)
        self._console: Console | None = None
        self._ops: Ops | None = None

    def start(self, served: Served) -> None:
        """Serve from now on; without a certificate in plaintext on loopback.

        Raises:
            TlsInvalid: the certificate can't be used.
        """
        if self._ops_socket is not None:
            limit = self._config.max_clock_drift_ms
            metrics = Metrics(
                served.coordinator,
                served.rpc_latency,
                limit,
                standing_of(served.certificate),
                served.operations.refused.counts,
            )
            self._ops = Ops(served.coordinator, metrics)
            self._serve(self._ops.app, self._ops_socket)
        if self._console_socket is not None:
            settings = Settings(
                self._config.max_clock_drift_ms,
                self._ephemeral(),
                secure=served.certificate is not None,
            )
            link = LoginLink(console_link_file(self._config.data_dir), self.console_url, served.coordinator)
            self._console = Console(served.coordinator, served.operations, settings, link)
            self._serve(self._console.app, self._console_socket, tls_context(served.certificate))

    def _ephemeral(self) -> str:
        """The data directory's file system if it dies with the container; "" if nothing is lost with it."""
        if self._config.journal_target.shared:
            return ""
        return ephemeral_filesystem(self._config.data_dir) or ""

    def drain(self) -> None:
        """The daemon is about to stop: not ready from here on, and live pages are asked to come back."""
        if self._ops is not None:
            self._ops.draining = True
        if self._console is not None:
            self._console.close()


def tls_context(certificate: ServedCertificate | None) -> ssl.SSLContext | None:
    """What the console serves TLS with; None: no TLS."""
    return server_context(certificate.watch(read_context)) if certificate is not None else None


def _bound(option: str, address: Address | None) -> socket.socket | None:
    """A listening socket at what an option says; None: off.

    Raises:
        ListenFailed: the address is in use or not this machine's.
    """
    if address is None:
        return None
    try:
        return bind(address)
    except OSError:
        raise ListenFailed(
            f"{option} {address}: the address is in use or not this machine's: stop what listens there, listen "
            f"elsewhere, or write {OFF}"
        ) from None


def _url_of(scheme: str, listener: socket.socket | None) -> str:
    """The address as it is reached from this machine."""
    if listener is None:
        return ""
    return f"{scheme}://{Address(*listener.getsockname()[:2]).reached}"
