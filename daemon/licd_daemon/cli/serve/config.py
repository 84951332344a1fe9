"""The options of `licd serve`, checked before anything starts; where the data directory keeps what clients look for.

Rules:

- A `ServeConfig` that exists is valid: what contradicts itself raises `ConfigInvalid`, which names the option and the
  remedy. Where the values come from is the command line's matter (`command.py`).
- No option is named port, host or service: Kubernetes injects `LICD_PORT=tcp://...` for a Service named licd.
- The lease is at least two heartbeats, so that one lost heartbeat costs no seat (R14).
- Plaintext is for loopback only (R34).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from licd_daemon.journal import target
from licd_daemon.journal.target import JournalTarget
from licd_kit.addresses import Address, is_host, is_ipv6
from licd_kit.options import ConfigInvalid, duration_text

LOG_FORMATS = ("json", "text")
DEFAULT_ADDRESS = "127.0.0.1:7443"
DEFAULT_CONSOLE = "127.0.0.1:8443"
DEFAULT_OPS = "127.0.0.1:9464"
DEFAULT_MTLS = "127.0.0.1:7444"
OFF = "off"
GRPC_ENVIRONMENT = {
    "GRPC_VERBOSITY": "NONE",  # it writes a raw line for every failed handshake; the log has its own form
    "GRPC_EXPERIMENTS": "-event_engine_listener",  # one thread less to wake for each message (docs/adr/0016-speed.md)
}
"""What the daemon's process sets, unless it is set already, before it imports gRPC."""

DEFAULT_PROOF_MS = 5_000
MIN_PROOF_MS = 1_000
_MIN_HEARTBEAT_MS = 100
_MAX_LEASE_MS = 3_600_000
_MAX_RECOVERY_MS = 24 * 3_600_000
_MAX_DRIFT_MS = 3_600_000
_MAX_NAMES = 64


@dataclass(frozen=True, slots=True)
class ServeConfig:
    """The options of `licd serve`; durations in milliseconds.

    `console_listen`, `ops_listen`: host:port, or `off`.
    `mtls_listen`: None: with a client CA the default, else there is none (R34); `mtls_address` is what holds.
    `proof_interval_ms`: how long a proof of leadership holds (R31); None: the default, see `proof_ms`.
    `journal`: see `journal/target.py`; `journal_target` is what it names.
    `listen_address` and the like: what the options name, parsed; None: off, or not given.

    Raises:
        ConfigInvalid: an option that can't be used.
    """

    data_dir: Path
    listen: str = DEFAULT_ADDRESS
    console_listen: str = DEFAULT_CONSOLE
    ops_listen: str = DEFAULT_OPS
    vendor_keys: Path | None = None
    journal: str = ""
    advertise: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_san: tuple[str, ...] = ()
    client_ca: Path | None = None
    mtls_listen: str | None = None
    insecure: bool = False
    lease_ttl_ms: int = 15_000
    heartbeat_interval_ms: int = 5_000
    proof_interval_ms: int | None = None
    recovery_window_ms: int = 300_000
    max_clock_drift_ms: int = 5_000
    ntp_server: tuple[str, ...] = ()
    log_format: Literal["json", "text"] = "json"
    listen_address: Address = field(init=False)
    console_address: Address | None = field(init=False)
    ops_address: Address | None = field(init=False)
    mtls_address: Address | None = field(init=False)
    advertise_address: Address | None = field(init=False)
    journal_target: JournalTarget = field(init=False)

    @property
    def reached_at(self) -> Address:
        """The address that others reach the daemon at: the one that is advertised, or else the one it listens at."""
        return self.advertise_address or self.listen_address

    @property
    def mtls_reached_at(self) -> Address | None:
        """The address that others reach the port for client certificates at: the advertised host, that port."""
        if self.mtls_address is None or self.advertise_address is None:
            return self.mtls_address
        return self.advertise_address._replace(port=self.mtls_address.port)

    @property
    def proof_ms(self) -> int:
        """How long a proof of leadership holds (R31): 5 s, or a lease that is shorter, unless it is given."""
        if self.proof_interval_ms is not None:
            return self.proof_interval_ms
        return max(MIN_PROOF_MS, min(DEFAULT_PROOF_MS, self.lease_ttl_ms))

    def __post_init__(self) -> None:
        _check_tls(self)
        _check_addresses(self)
        _check_files(self)
        _check_durations(self)
        if self.log_format not in LOG_FORMATS:
            raise ConfigInvalid("--log-format", f"{self.log_format!r} is neither json nor text")


def default_data_dir() -> Path:
    """`/var/lib/licd` as root, else `$XDG_STATE_HOME/licd` (DESIGN section 5)."""
    if os.geteuid() == 0:
        return Path("/var/lib/licd")
    state_home = os.environ.get("XDG_STATE_HOME", "")
    # The XDG specification has relative paths ignored.
    return (Path(state_home) if state_home.startswith("/") else Path("~/.local/state").expanduser()) / "licd"


def address_file(data_dir: Path) -> Path:
    """Where the daemon writes the host:port that local commands reach it at."""
    return data_dir / "address"


def ops_address_file(data_dir: Path) -> Path:
    """Where the daemon writes the host:port that this machine reaches its ops port at; empty: it is off."""
    return data_dir / "ops-address"


def console_link_file(data_dir: Path) -> Path:
    """Where the daemon writes the console's address that logs in once."""
    return data_dir / "console-login"


def ca_file(data_dir: Path) -> Path:
    """The certificate authority that the daemon made for itself."""
    return data_dir / "tls" / "ca.crt"


def admin_token_file(data_dir: Path) -> Path:
    """The admin token that the daemon made at its first start."""
    return data_dir / "tokens" / "admin.token"


def _address(option: str, text: str) -> Address:
    try:
        return Address.parse(text)
    except ValueError as error:
        raise ConfigInvalid(option, str(error)) from None


def _parse_addresses(config: ServeConfig) -> None:
    mtls = None if config.client_ca is None else config.mtls_listen or DEFAULT_MTLS
    for name, option, text, none in (
        ("listen_address", "--listen", config.listen, None),
        ("console_address", "--console-listen", config.console_listen, OFF),
        ("ops_address", "--ops-listen", config.ops_listen, OFF),
        ("mtls_address", "--mtls-listen", mtls, None),
        ("advertise_address", "--advertise", config.advertise, None),
    ):
        object.__setattr__(config, name, None if text in (None, none) else _address(option, text or ""))


def _check_addresses(config: ServeConfig) -> None:
    _parse_addresses(config)
    listen, console = config.listen_address, config.console_address
    if config.insecure and not listen.on_loopback:
        remedy = "listen on 127.0.0.1, or leave --insecure out (licd makes its own certificates)"
        raise ConfigInvalid(
            "--insecure", f"serves without TLS, which is for loopback only, not {listen.host}: {remedy}"
        )
    if config.insecure and console is not None and not console.on_loopback:
        remedy = f"listen on 127.0.0.1, write {OFF}, or leave --insecure out"
        raise ConfigInvalid("--console-listen", f"is without TLS under --insecure, so not for {console.host}: {remedy}")
    if config.mtls_address == listen and listen.port != 0:
        raise ConfigInvalid("--mtls-listen", f"{listen} is --listen's: give the two ports addresses of their own")
    if config.advertise_address is not None and config.advertise_address.port == 0:
        raise ConfigInvalid("--advertise", "port 0 can't be connected to: name the port that nodes reach")
    for option, names in (("--tls-san", config.tls_san), ("--ntp-server", config.ntp_server)):
        _check_names(option, names)


def _check_names(option: str, names: tuple[str, ...]) -> None:
    if len(names) > _MAX_NAMES:
        raise ConfigInvalid(option, f"{len(names)} values are too many: give at most {_MAX_NAMES}")
    for name in names:
        host_port = option == "--ntp-server" and ":" in name and not is_ipv6(name)
        if host_port:
            _address(option, name)
        elif not is_host(name) and not is_ipv6(name):
            raise ConfigInvalid(option, f"{name!r} is neither a host name nor an IP address: correct or remove it")


def _check_files(config: ServeConfig) -> None:
    for option, path in (
        ("--vendor-keys", config.vendor_keys),
        ("--tls-cert", config.tls_cert),
        ("--tls-key", config.tls_key),
        ("--client-ca", config.client_ca),
    ):
        if path is not None and not (path.is_file() and os.access(path, os.R_OK)):
            raise ConfigInvalid(option, f"can't read the file {path}: check the path and its permissions")
    if config.data_dir.exists() and not config.data_dir.is_dir():
        raise ConfigInvalid("--data-dir", f"{config.data_dir} is not a directory: name one, or a path to make it at")
    _check_journal(config)


def _check_journal(config: ServeConfig) -> None:
    object.__setattr__(config, "journal_target", target.parse(config.journal, config.data_dir))
    if not config.journal_target.shared:
        return
    for listen in (config.listen_address, config.mtls_address):
        if config.advertise is None and listen is not None and listen.everywhere:
            raise ConfigInvalid(
                "--advertise", f"followers must be able to name this daemon, and {listen.host} is no name: give it"
            )


def _check_tls(config: ServeConfig) -> None:
    if (config.tls_cert is None) != (config.tls_key is None):
        given, missing = ("cert", "key") if config.tls_key is None else ("key", "cert")
        raise ConfigInvalid(
            f"--tls-{given}", f"needs --tls-{missing} too: give both, or neither and licd makes its own"
        )
    if config.tls_cert is not None and config.tls_san:
        raise ConfigInvalid(
            "--tls-san", "is for the certificate that licd makes: leave it out together with --tls-cert"
        )
    if config.insecure and (config.tls_cert is not None or config.client_ca is not None):
        raise ConfigInvalid("--insecure", "serves without TLS: leave out either it, or --tls-cert and --client-ca")
    if config.mtls_listen is not None and config.client_ca is None:
        raise ConfigInvalid("--mtls-listen", "demands client certificates: give their authority too, --client-ca FILE")


def _check_durations(config: ServeConfig) -> None:
    for option, span_ms, least_ms, most_ms in (
        ("--heartbeat-interval", config.heartbeat_interval_ms, _MIN_HEARTBEAT_MS, _MAX_LEASE_MS // 2),
        ("--lease-ttl", config.lease_ttl_ms, 2 * _MIN_HEARTBEAT_MS, _MAX_LEASE_MS),
        ("--proof-interval", config.proof_ms, MIN_PROOF_MS, max(MIN_PROOF_MS, config.lease_ttl_ms)),
        ("--recovery-window", config.recovery_window_ms, 0, _MAX_RECOVERY_MS),
        ("--max-clock-drift", config.max_clock_drift_ms, 1, _MAX_DRIFT_MS),
    ):
        if not least_ms <= span_ms <= most_ms:
            bounds = f"give {duration_text(least_ms)} to {duration_text(most_ms)}"
            raise ConfigInvalid(option, f"{duration_text(span_ms)} is out of bounds: {bounds}")
    if config.lease_ttl_ms < 2 * config.heartbeat_interval_ms:
        heartbeat = duration_text(config.heartbeat_interval_ms)
        least = duration_text(2 * config.heartbeat_interval_ms)
        problem = f"{duration_text(config.lease_ttl_ms)} is less than two heartbeats (--heartbeat-interval {heartbeat})"
        raise ConfigInvalid("--lease-ttl", f"{problem}: raise it to {least} or more, or lower --heartbeat-interval")
