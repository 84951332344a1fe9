"""The composition root: from a `ServeConfig` to a running daemon, and back down again.

Order up: data directory, certificates, journal, leadership and state, tokens, server; down the other way round. What
keeps it from starting is one line on stderr that says what to do, and exit code 1.
"""

import asyncio
import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import grpc
import structlog

from licd_daemon import certificates, tls, tokens
from licd_daemon.config import ServeConfig, address_file, is_loopback, split_address
from licd_daemon.coordinator import Coordinator, CoordinatorConfig
from licd_daemon.core import commands as c
from licd_daemon.core.model import Policy
from licd_daemon.formats.vendor_keys import VendorKeys, VendorKeysInvalid
from licd_daemon.journal.memory import MemoryJournal
from licd_daemon.journal.port import Journal, JournalError
from licd_daemon.journal.sqlite import SqliteJournal
from licd_daemon.leader_clock import LeaderClock
from licd_daemon.leadership.port import AlreadyLed, LeadershipUnavailable
from licd_daemon.leadership.sole import SoleLeadership
from licd_daemon.logs import configure
from licd_daemon.paths import ephemeral_filesystem
from licd_daemon.pem import TlsInvalid
from licd_daemon.registrar import Registrar
from licd_daemon.rpc.cluster import ClusterService
from licd_daemon.rpc.node import NodeService
from licd_daemon.rpc.registration import RegistrationService
from licd_daemon.rpc.server import Server, Services
from licd_daemon.rpc.tokens import TokenService

log = structlog.get_logger(__name__)

RESERVED_FILES = 256
WATCH_S = 0.5
DAY_S = 86_400
LOCAL = "127.0.0.1"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (what is reached where such a wildcard is bound)


class CannotStart(Exception):
    """The daemon can't start; the text says what to do."""


def serve(config: ServeConfig) -> int:
    """Runs the daemon until SIGTERM or SIGINT; gives the exit code."""
    configure(config.log_format)
    os.umask(0o077)
    runner = asyncio.run
    try:
        import uvloop

        runner = uvloop.run
    except ImportError:
        pass
    try:
        return runner(_serve(config))
    except CannotStart as error:
        print(f"licd serve: {error}", file=sys.stderr)
        return 1


async def _serve(config: ServeConfig) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        return await _serve_until(config, stop)
    except (AlreadyLed, LeadershipUnavailable, JournalError, TlsInvalid, tokens.TokenFileInvalid) as error:
        raise CannotStart(str(error)) from None


async def _serve_until(config: ServeConfig, stop: asyncio.Event) -> int:
    vendor_keys = _vendor_keys(config)
    _make_data_dir(config.data_dir)
    if not config.insecure:
        _make_certificates(config)
    journal, folder = await _journal(config)
    leadership = SoleLeadership(folder / "lock", config.heartbeat_interval_ms)
    try:
        coordinator = Coordinator(
            CoordinatorConfig(journal, leadership, Policy(config.recovery_window_ms), config.lease_ttl_ms)
        )
        await coordinator.start()
        await _journal_tokens(coordinator, config.data_dir)
        server, bound, local = _bound(config, coordinator)
        server.add(_services(config, coordinator, journal, vendor_keys, config.advertise or bound))
        await server.start()
        _say_where(config, local, coordinator)
        leader_clock = LeaderClock(coordinator, config.ntp_server, config.max_clock_drift_ms)
        watching = [asyncio.create_task(leader_clock.watch()), asyncio.create_task(_renew_certificates(config))]
        code = await _until_stopped(stop, coordinator)
        for task in watching:
            task.cancel()
        await server.drain()
        await coordinator.stop()
        return code
    finally:
        await leadership.release()
        await journal.close()


def _vendor_keys(config: ServeConfig) -> VendorKeys:
    if config.vendor_keys is None:
        raise CannotStart("--vendor-keys: give the JWK Set that your vendor ships, or no license can be verified")
    try:
        return VendorKeys.from_jwk_set(config.vendor_keys.read_bytes())
    except (OSError, VendorKeysInvalid) as error:
        raise CannotStart(f"--vendor-keys {config.vendor_keys}: {error}") from None


def _make_data_dir(data_dir: Path) -> None:
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotStart(f"--data-dir {data_dir}: {error.strerror}: make it, or name another") from None
    kind = ephemeral_filesystem(data_dir)
    if kind is not None:
        log.warning(
            "data_directory_is_ephemeral",
            path=str(data_dir),
            filesystem=kind,
            remedy="mount a volume there: a lost data directory needs a call to the vendor",
        )


def _make_certificates(config: ServeConfig) -> None:
    """TLS from the first start (R34)."""
    if config.tls_cert is not None:
        return
    names = list(config.tls_san)
    for address in (config.advertise, config.listen):
        host = split_address(address)[0] if address else ""
        if host and host not in _EVERYWHERE:
            names.append(host)
    certificates.ensure_certificates(config.data_dir / "tls", names, datetime.now(UTC))


async def _renew_certificates(config: ServeConfig) -> None:
    """Looks once a day; new connections get the new certificate (R34)."""
    while not config.insecure:
        await asyncio.sleep(DAY_S)
        try:
            await asyncio.to_thread(_make_certificates, config)
        except TlsInvalid as error:
            log.error("certificate_not_renewed", error=str(error))


def _credentials(config: ServeConfig, client_ca: Path | None) -> grpc.ServerCredentials | None:
    if config.insecure:
        return None
    folder = config.data_dir / "tls"
    certificate, key = config.tls_cert or folder / "server.crt", config.tls_key or folder / "server.key"
    return tls.server_credentials(tls.TlsFiles(certificate, key, client_ca))


async def _journal(config: ServeConfig) -> tuple[Journal, Path]:
    """The journal, and the folder that its lock file stands in."""
    if config.journal == "memory:":
        return MemoryJournal(), config.data_dir
    path = Path(config.journal.removeprefix("sqlite:")) if config.journal else config.data_dir / "journal.db"
    return await SqliteJournal.open(path), path.parent


async def _journal_tokens(coordinator: Coordinator, data_dir: Path) -> None:
    """R35: tokens that stand in files are in force; the journal keeps their hashes."""
    known = {token.token_hash for token in coordinator.state.tokens.values()}
    for found in tokens.ensure_token_files(data_dir, known):
        await coordinator.submit(c.CreateToken(found.token_id, found.role, found.name, found.token_hash))


def _bound(config: ServeConfig, coordinator: Coordinator) -> tuple[Server, str, str]:
    """The server, the address that it is bound to, and the one that local commands reach it at.

    gRPC can't ask for a client certificate without demanding it: with `--client-ca`, local commands, which have a token
    only, get a port on loopback of their own.
    """
    host, _ = split_address(config.listen)
    server = Server(coordinator, on_loopback=is_loopback(host), max_connections=_max_connections())
    try:
        port = server.bind(config.listen, _credentials(config, config.client_ca))
        local = _address(_EVERYWHERE.get(host, host), port)
        if config.client_ca is not None:
            local = _address(LOCAL, server.bind(f"{LOCAL}:0", _credentials(config, None)))
    except OSError:
        raise CannotStart(
            f"--listen {config.listen}: the address is in use or not this machine's: stop the other daemon, or listen "
            "elsewhere"
        ) from None
    return server, _address(host, port), local


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _services(
    config: ServeConfig, coordinator: Coordinator, journal: Journal, vendor_keys: VendorKeys, advertise: str
) -> Services:
    return Services(
        NodeService(
            coordinator,
            lease_ttl_ms=config.lease_ttl_ms,
            heartbeat_interval_ms=config.heartbeat_interval_ms,
            max_clock_drift_ms=config.max_clock_drift_ms,
        ),
        RegistrationService(
            coordinator,
            Registrar(coordinator),
            vendor_keys,
            advertise=advertise,
            recovery_window_ms=config.recovery_window_ms,
        ),
        ClusterService(coordinator, journal, advertise=advertise),
        TokenService(coordinator),
    )


def _max_connections() -> int:
    """As many as file descriptors allow; the soft limit is raised to the hard one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(64, min(hard, 1_000_000) - RESERVED_FILES)


def _say_where(config: ServeConfig, address: str, coordinator: Coordinator) -> None:
    """Local commands find the daemon by a file; people and scripts by one line."""
    address_file(config.data_dir).write_text(address + "\n")
    log.info("serving", address=address, epoch=coordinator.state.epoch, data_dir=str(config.data_dir), pid=os.getpid())


async def _until_stopped(stop: asyncio.Event, coordinator: Coordinator) -> int:
    """0 when asked to stop; 1 when the coordinator has failed: a supervisor shall start the daemon anew."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), WATCH_S)
        except TimeoutError:
            if coordinator.failed is not None:
                log.critical("stopping_after_failure")
                return 1
    log.info("stopping")
    return 0
