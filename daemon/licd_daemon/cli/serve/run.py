"""The composition root: from a `ServeConfig` to a running daemon, and back down again.

Order up: data directory, certificates, journal, leadership and state, tokens, server; down the other way round. What
keeps it from starting is one line on stderr that says what to do, and exit code 1. With etcd the daemon is one of
several, and follows until it is elected (`candidate.py`).
"""

import asyncio
import dataclasses
import errno
import gc
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from licd_daemon.cli.serve import data_dir
from licd_daemon.cli.serve import roles as serving
from licd_daemon.cli.serve.candidate import Candidate, CandidateConfig, Term
from licd_daemon.cli.serve.config import OFF, ServeConfig
from licd_daemon.cli.serve.descriptors import TooFewFiles
from licd_daemon.cli.serve.port_tls import make_certificates_at_start
from licd_daemon.cli.serve.stderr_relay import StderrRelay
from licd_daemon.cli.serve.web import ListenFailed
from licd_daemon.coordinator.coordinator import Coordinator, CoordinatorConfig
from licd_daemon.core.model import Policy
from licd_daemon.journal.etcd.client import EtcdClient
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_daemon.journal.opening import opened
from licd_daemon.journal.port import Journal, JournalError
from licd_daemon.journal.target import SoleTarget
from licd_daemon.leadership.port import AlreadyLed, Leadership, LeadershipUnavailable
from licd_daemon.leadership.sole import SoleLeadership
from licd_daemon.operations import tokens
from licd_formats.vendor_keys import VendorKeysInvalid
from licd_kit.addresses import Address
from licd_kit.clock import boottime_ms
from licd_kit.logs import configure
from licd_kit.pem import TlsInvalid

T = TypeVar("T")
log = structlog.get_logger(__name__)

WATCH_S = 0.5
COLLECT_AFTER = 2_000
COLLECT_OLDER_AFTER = 500
SWITCH_S = 0.001
_DROPPED = {
    "json": '{"event": "log_lines_dropped", "level": "warning", "bytes": {bytes}}',
    "text": "log_lines_dropped [warning] bytes={bytes}",
}
REBIND_MS = 5_000
REBIND_PAUSE_S = 0.05
_FREE_PORTS = range(10_000, 15_000)
"""Below the kernel's own range, from which an outgoing connection might take a port while the role changes."""


class CannotStart(Exception):
    """The daemon can't start; the text says what to do."""


def serve(config: ServeConfig) -> int:
    """Run the daemon until SIGTERM or SIGINT; give the exit code."""
    configure(config.log_format)
    os.umask(0o077)
    _tune()
    runner = asyncio.run
    try:
        import uvloop

        runner = uvloop.run
    except ImportError:
        pass
    with StderrRelay(_DROPPED[config.log_format]):
        try:
            return runner(_serve(config))
        except CannotStart as error:
            print(f"licd serve: {error}", file=sys.stderr)
            return 1


def _tune() -> None:
    """What is kept for thousands of nodes is no garbage: the collector looks at it once, then seldom, at imports never.

    It looks at few objects at a time, because every caller waits meanwhile. The journal's thread must not wait 5 ms for
    the interpreter each time that it comes back from the disk.
    """
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, COLLECT_OLDER_AFTER, 100)
    sys.setswitchinterval(SWITCH_S)


async def _serve(config: ServeConfig) -> int:
    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number, event in ((signal.SIGTERM, stop), (signal.SIGINT, stop), (signal.SIGHUP, reload)):
        loop.add_signal_handler(number, event.set)
    try:
        return await _serve_until(config, stop, reload)
    except (
        AlreadyLed, LeadershipUnavailable, JournalError, ListenFailed, TlsInvalid, VendorKeysInvalid,
        tokens.TokenFileInvalid, TooFewFiles, data_dir.DataDirUnusable,
    ) as error:  # fmt: skip
        raise CannotStart(str(error)) from None


async def _serve_until(config: ServeConfig, stop: asyncio.Event, reload: asyncio.Event) -> int:
    serving.read_vendor_keys(config)  # a follower too must not find out only when it is to lead
    target = config.journal_target
    data_dir.prepare(config.data_dir, target)
    make_certificates_at_start(config)
    if isinstance(target, EtcdTarget):
        return await _serve_one_of_several(config, target, stop, reload)
    return await _serve_alone(config, target, stop, reload)


async def _serve_alone(config: ServeConfig, target: SoleTarget, stop: asyncio.Event, reload: asyncio.Event) -> int:
    async with opened(target) as journal:
        leadership = SoleLeadership(target.folder / "lock", config.proof_ms, misplaced=journal.misplaced)
        try:
            coordinator = _coordinator(config, journal, leadership)
            await coordinator.start()
            leading = await serving.Leading.start(serving.LeadingConfig(config, coordinator, journal, reload))
            code = await _until_stopped(stop, coordinator)
            leading.withdraw()
            await leading.drain()
            await coordinator.stop()
            await leading.stop()
            return code
        finally:
            await leadership.release()


async def _serve_one_of_several(
    config: ServeConfig, target: EtcdTarget, stop: asyncio.Event, reload: asyncio.Event
) -> int:
    config = _with_ports(config)
    store = EtcdClient(target)

    async def follow() -> serving.Following:
        return await _bound_again(lambda: serving.Following.start(config))

    async def lead(term: Term) -> serving.Leading:
        leading = serving.LeadingConfig(config, term.coordinator, term.journal, reload, term.transfer)
        return await _bound_again(lambda: serving.Leading.start(leading))

    candidate = Candidate(
        CandidateConfig(
            store,
            target.prefix,
            target.lease_ttl_ms,
            config.advertise or config.listen,
            str(config.mtls_reached_at or ""),
            _console_url(config),
            lambda journal, leadership: _coordinator(config, journal, leadership),
            follow,
            lead,
        )
    )
    try:
        return await candidate.run(stop)
    finally:
        await store.close()


def _coordinator(config: ServeConfig, journal: Journal, leadership: Leadership) -> Coordinator:
    return Coordinator(
        CoordinatorConfig(
            journal,
            leadership,
            Policy(config.recovery_window_ms),
            config.lease_ttl_ms,
            config.max_clock_drift_ms,
        )
    )


def _with_ports(config: ServeConfig) -> ServeConfig:
    """A free port for each that is 0: the addresses outlast the roles."""
    return dataclasses.replace(
        config,
        listen=_with_port(config.listen_address),
        mtls_listen=_with_port(config.mtls_address) if config.mtls_address else None,
        console_listen=_with_port(config.console_address),
        ops_listen=_with_port(config.ops_address),
    )


def _with_port(address: Address | None) -> str:
    if address is None or address.port != 0:
        return str(address or OFF)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    while True:
        port = secrets.choice(_FREE_PORTS)
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((address.host, port))
                return str(address._replace(port=port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise CannotStart(f"{address}: the address is not this machine's: listen elsewhere") from None


def _console_url(config: ServeConfig) -> str:
    """Where browsers on other machines find the console; "" if they can't."""
    console, reached = config.console_address, config.reached_at
    if console is None or (console.on_loopback and not reached.on_loopback):
        return ""
    return f"{'http' if config.insecure else 'https'}://{reached._replace(port=console.port)}"


async def _bound_again(start: Callable[[], Awaitable[T]]) -> T:
    """The ports of the role before are free a moment after it has ended."""
    deadline = boottime_ms() + REBIND_MS
    while True:
        try:
            return await start()
        except ListenFailed:
            if boottime_ms() > deadline:
                raise
            await asyncio.sleep(REBIND_PAUSE_S)


async def _until_stopped(stop: asyncio.Event, coordinator: Coordinator) -> int:
    """0 when asked to stop; 1 when the coordinator has failed: a supervisor shall restart the daemon."""
    while not stop.is_set():
        try:
            await asyncio.wait_for(stop.wait(), WATCH_S)
        except TimeoutError:
            if coordinator.failed is not None:
                log.critical("stopping_after_failure")
                return 1
    log.info("stopping")
    return 0
