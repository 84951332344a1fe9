"""What the daemon serves on its ports, as the one that leads or as a follower: from the options to the end.

What is bound is known before anything is served; an address in use is one clear word.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import grpc
import structlog

from licd_daemon.cli.serve import descriptors, tls
from licd_daemon.cli.serve.config import ServeConfig, address_file, ops_address_file
from licd_daemon.cli.serve.follower_web import FollowerWeb
from licd_daemon.cli.serve.port_tls import (
    port_certificate,
    renewal,
    times_at_start,
    times_of,
    unconfirmed,
)
from licd_daemon.cli.serve.served_certificate import ServedCertificate, warnings_of
from licd_daemon.cli.serve.web import ListenFailed, Served, Web, WebPorts
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.leader_clock import LeaderClock
from licd_daemon.core import commands as c
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.journal.port import Journal, JournalUnavailable
from licd_daemon.leadership.etcd import Leader
from licd_daemon.operations import tokens
from licd_daemon.operations.challenges import Challenges
from licd_daemon.operations.event_log import EventLog
from licd_daemon.operations.nodes import Nodes
from licd_daemon.operations.operations import Operations
from licd_daemon.operations.refused_credentials import RefusedCredentials
from licd_daemon.operations.registration import RegistrationOperations, Warned
from licd_daemon.rpc.clock import ClockService
from licd_daemon.rpc.cluster import ClusterService
from licd_daemon.rpc.follower import FollowerServer
from licd_daemon.rpc.leadership import LeadershipService
from licd_daemon.rpc.node import NodeService
from licd_daemon.rpc.registration import RegistrationService
from licd_daemon.rpc.server import Server, Services
from licd_daemon.rpc.tokens import TokenService
from licd_formats.vendor_keys import VendorKeys, VendorKeysInvalid
from licd_kit.addresses import Address
from licd_kit.synced_files import write_whole

log = structlog.get_logger(__name__)

START_RETRY_S = 0.2
START_PATIENCE_S = 10


class _Binding(Protocol):
    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int: ...


@dataclass(frozen=True)
class LeadingConfig:
    """What a daemon that leads serves.

    `reload`: set when the files that were handed to it are to be read again; `transfer`: gives the lead to a follower;
    None: there are none.
    """

    options: ServeConfig
    coordinator: Coordinator
    journal: Journal
    reload: asyncio.Event
    transfer: Callable[[], Awaitable[str | None]] | None = None


class Leading:
    """Made by `start`; then `withdraw`, `drain`, and `stop` at the end."""

    def __init__(self, server: Server, web: Web, watching: list[asyncio.Task[None]]) -> None:
        self._server = server
        self._web = web
        self._watching = watching

    @classmethod
    async def start(cls, config: LeadingConfig) -> "Leading":
        """Serve from now on.

        Raises:
            ListenFailed, TlsInvalid, TokenFileInvalid, VendorKeysInvalid.
        """
        options, coordinator = config.options, config.coordinator
        await _journal_tokens(coordinator, options.data_dir)
        leader_clock = LeaderClock(coordinator, options.ntp_server, options.max_clock_drift_ms)
        challenges = Challenges(coordinator, read_vendor_keys(options), leader_clock)
        refused = RefusedCredentials(coordinator)
        shares = descriptors.connections(options)
        server = Server(coordinator, refused, on_loopback=_on_loopback(options), max_connections=shares.grpc)
        certificate = port_certificate(options, times_at_start(options, coordinator))
        web = Web(options, shares.web)
        try:
            bound = _bound(options, server, certificate)
        except ListenFailed:
            await web.stop()
            raise
        advertise = options.advertise or str(bound.tokens)

        def warnings() -> list[Warned]:
            return [*warnings_of(certificate), *shares.warnings(coordinator.state.license)]

        operations = _operations(config, challenges, refused, advertise, warnings)
        server.add(_services(config, operations, leader_clock))
        await server.start()
        web.start(Served(coordinator, operations, server.guard.latency, certificate))
        _publish_addresses(options, "serving", bound, web, epoch=coordinator.state.epoch)
        watching = [
            asyncio.create_task(leader_clock.watch()),
            asyncio.create_task(_reload_when_asked(config, challenges)),
        ]
        if certificate is not None:
            news = coordinator.news.notify
            following = certificate.follow(lambda: times_of(coordinator), renewal(options), news)
            watching.append(asyncio.create_task(following))
        return cls(server, web, watching)

    def withdraw(self) -> None:
        """Not ready from here on."""
        for task in self._watching:
            task.cancel()
        self._web.drain()

    async def drain(self, successor: Leader | None = None) -> None:
        """Nodes are asked to come back, or to go on to `successor`; what is under way ends."""
        await self._server.drain(successor)

    async def stop(self) -> None:
        """End the web servers, the last to go: probes ask them."""
        await self._web.stop()


class Following:
    """What a follower serves. `leader`: who leads, as far as is known. Made by `start`; then `stop`."""

    def __init__(self, server: FollowerServer) -> None:
        self._server = server
        self._leader: Leader | None = None
        self._web: FollowerWeb
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, options: ServeConfig) -> "Following":
        """Serve from now on.

        Raises:
            ListenFailed, TlsInvalid.
        """
        shares = descriptors.connections(options)
        server = FollowerServer(max_connections=shares.grpc)
        following = cls(server)
        certificate = port_certificate(options, unconfirmed())
        following._web = FollowerWeb(options, shares.web, lambda: following.leader)
        try:
            bound = _bound(options, server, certificate)
        except ListenFailed:
            await following._web.stop()
            raise
        await server.start()
        following._web.start(certificate)
        if certificate is not None:
            watch = certificate.follow(unconfirmed, renewal(options), lambda: None)
            following._watching = asyncio.create_task(watch)
        _publish_addresses(options, "following", bound, following._web)
        return following

    @property
    def leader(self) -> Leader | None:
        """Who leads, as far as is known."""
        return self._leader

    @leader.setter
    def leader(self, leader: Leader | None) -> None:
        self._leader = leader
        self._server.leader = leader

    async def stop(self) -> None:
        """Give the ports free."""
        if self._watching is not None:
            self._watching.cancel()
        await asyncio.gather(self._server.stop(), self._web.stop())


def read_vendor_keys(config: ServeConfig) -> VendorKeys:
    """The keys that licenses are verified by.

    Raises:
        VendorKeysInvalid: There are none, or they can't be read; names the option and the remedy.
    """
    if config.vendor_keys is None:
        raise VendorKeysInvalid("--vendor-keys: give the JWK Set that your vendor ships, or no license can be verified")
    try:
        return VendorKeys.from_jwk_set(config.vendor_keys.read_bytes())
    except (OSError, VendorKeysInvalid) as error:
        raise VendorKeysInvalid(f"--vendor-keys {config.vendor_keys}: {error}") from None


async def _reload_when_asked(config: LeadingConfig, challenges: Challenges) -> None:
    """Read vendor keys and token files again; what can't be used is left as it was, and reported.

    Certificates need no asking: they are followed (`served_certificate`).
    """
    while True:
        await config.reload.wait()
        config.reload.clear()
        log.info("reloading")
        try:
            challenges.vendor_keys = read_vendor_keys(config.options)
        except VendorKeysInvalid as error:
            log.error("vendor_keys_not_reloaded", error=str(error))
        try:
            await _journal_tokens(config.coordinator, config.options.data_dir)
        except (tokens.TokenFileInvalid, JournalUnavailable, Refused) as error:
            log.error("token_files_not_reloaded", error=str(error))


def _credentials(certificate: ServedCertificate | None, client_ca: Path | None) -> grpc.ServerCredentials | None:
    if certificate is None:
        return None
    return tls.server_credentials(certificate.watch(tls.read_configuration, client_ca))


async def _journal_tokens(coordinator: Coordinator, data_dir: Path) -> None:
    """R35: tokens that are in files are in force; the journal keeps their hashes."""
    known = coordinator.state.token_ids.keys()
    for found in tokens.ensure_token_files(data_dir, known):
        await _submit_patiently(coordinator, c.CreateToken(found.token_id, found.role, found.name, found.token_hash))


async def _submit_patiently(coordinator: Coordinator, command: c.Command) -> None:
    """A disk that is slow at the start is waited for: what is refused until then would end the daemon.

    Raises:
        JournalUnavailable: it could not be written for `START_PATIENCE_S`.
    """
    for _ in range(int(START_PATIENCE_S / START_RETRY_S)):
        try:
            await coordinator.submit(command)
        except Refused as refusal:
            if refusal.reason not in (Reason.NOT_LEADER, Reason.JOURNAL_UNAVAILABLE):
                raise
            await asyncio.sleep(START_RETRY_S)
        else:
            return
    raise JournalUnavailable("the disk of the data directory is too slow or can't be written: fix it and start again")


class _Bound(NamedTuple):
    """What a gRPC server is bound to. `certificates`: for clients with a certificate; None: there is no such port."""

    tokens: Address
    certificates: Address | None


def _bound(config: ServeConfig, server: _Binding, certificate: ServedCertificate | None) -> _Bound:
    """Binds the gRPC ports. gRPC can't ask for a client certificate without demanding it, so there are two (R34).

    Raises:
        ListenFailed: an address is in use or not this machine's.
        TlsInvalid: the client CA can't be used.
    """
    tokens = _bind("--listen", config.listen_address, server, _credentials(certificate, None))
    if config.mtls_address is None:
        return _Bound(tokens, None)
    demanding = _credentials(certificate, config.client_ca)
    return _Bound(tokens, _bind("--mtls-listen", config.mtls_address, server, demanding))


def _bind(option: str, address: Address, server: _Binding, credentials: grpc.ServerCredentials | None) -> Address:
    try:
        return address._replace(port=server.bind(str(address), credentials))
    except OSError:
        raise ListenFailed(
            f"{option} {address}: the address is in use or not this machine's: stop the other daemon, or listen "
            "elsewhere"
        ) from None


def _on_loopback(config: ServeConfig) -> bool:
    return all(address.on_loopback for address in (config.listen_address, config.mtls_address) if address)


def _operations(
    config: LeadingConfig,
    challenges: Challenges,
    refused: RefusedCredentials,
    advertise: str,
    warnings: Callable[[], Sequence[Warned]],
) -> Operations:
    coordinator = config.coordinator
    registration = RegistrationOperations(
        coordinator,
        challenges,
        advertise=advertise,
        recovery_window_ms=config.options.recovery_window_ms,
        warnings=warnings,
    )
    return Operations(
        registration, Nodes(coordinator), EventLog(coordinator, config.journal), tokens.Tokens(coordinator), refused
    )


def _services(config: LeadingConfig, operations: Operations, leader_clock: LeaderClock) -> Services:
    options, coordinator = config.options, config.coordinator
    return Services(
        NodeService(
            coordinator,
            lease_ttl_ms=options.lease_ttl_ms,
            heartbeat_interval_ms=options.heartbeat_interval_ms,
            max_clock_drift_ms=options.max_clock_drift_ms,
        ),
        RegistrationService(operations.registration),
        ClusterService(coordinator, operations),
        TokenService(operations.tokens),
        ClockService(coordinator, leader_clock),
        LeadershipService(coordinator, config.transfer),
    )


def _publish_addresses(config: ServeConfig, role: str, bound: _Bound, web: WebPorts, **more: object) -> None:
    """Local commands find the daemon by a file; people and scripts by one line."""
    for file, address in (
        (address_file(config.data_dir), str(bound.tokens.reached)),
        (ops_address_file(config.data_dir), web.ops_url.removeprefix("http://")),
    ):
        write_whole(file, f"{address}\n".encode(), 0o600)
    log.info(
        role,
        address=str(bound.tokens.reached),
        mtls=str(bound.certificates.reached) if bound.certificates else "",
        console=web.console_url,
        ops=web.ops_url,
        data_dir=str(config.data_dir),
        pid=os.getpid(),
        **more,
    )
