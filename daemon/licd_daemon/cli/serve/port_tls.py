"""TLS of the daemon's ports, from its options: which certificate, under which name, judged by which times (R34)."""

from collections.abc import Callable
from datetime import UTC, datetime

from licd_daemon.cli.serve import certificates, tls
from licd_daemon.cli.serve.config import ServeConfig
from licd_daemon.cli.serve.served_certificate import ServedCertificate, Times
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.build import BUILD_DATE
from licd_daemon.operations.certificate_check import Host
from licd_kit.clock import wall_ms


def make_certificates(config: ServeConfig, times: Times | None = None) -> None:
    """TLS from the first start (R34). `times`: by which a renewal is due; None: nothing is confirmed yet.

    Raises:
        TlsInvalid: what is there can't be used.
    """
    if config.insecure or config.tls_cert is not None:
        return
    addresses = (config.advertise_address, config.listen_address, config.mtls_address, config.console_address)
    hosts = [address.host for address in addresses if address is not None and not address.everywhere]
    names = [*config.tls_san, *hosts]
    certificates.ensure_certificates(config.data_dir / "tls", names, *(times or unconfirmed()))


def make_certificates_at_start(config: ServeConfig) -> None:
    """The same at the start, where a certificate that can't be renewed for lack of the CA's key is served on.

    Raises:
        TlsInvalid: what is there can't be used.
    """
    try:
        make_certificates(config)
    except certificates.IssuerMissing:
        if not certificates.are_served(config.data_dir / "tls"):
            raise


def renewal(config: ServeConfig) -> Callable[[Times], None] | None:
    """Renew the certificates that the daemon makes for itself; None: others were given."""
    return None if config.tls_cert is not None else lambda times: make_certificates(config, times)


def times_at_start(config: ServeConfig, coordinator: Coordinator) -> Times:
    """One of several daemons has to lead although all of their certificates may have ended: no end is sure at first."""
    times = times_of(coordinator)
    return times._replace(confirmed=BUILD_DATE) if config.journal_target.shared else times


def times_of(coordinator: Coordinator) -> Times:
    """Effective time, and what of it is confirmed (R23)."""
    now = coordinator.now()
    return Times(datetime.fromtimestamp(now.wall / 1000, UTC), datetime.fromtimestamp(now.confirmed / 1000, UTC))


def unconfirmed() -> Times:
    """The machine's clock, which nothing has confirmed."""
    return Times(datetime.fromtimestamp(wall_ms() / 1000, UTC), BUILD_DATE)


def port_certificate(config: ServeConfig, times: Times) -> ServedCertificate | None:
    """The certificate of all ports; None: `--insecure`.

    Raises:
        TlsInvalid: what is there can't be used.
    """
    if config.insecure:
        return None
    folder = config.data_dir / "tls"
    files = tls.TlsFiles(config.tls_cert or folder / "server.crt", config.tls_key or folder / "server.key")
    return ServedCertificate(files, _reached_host(config), times)


def _reached_host(config: ServeConfig) -> Host | None:
    """The host that clients are given, or else the one that is listened at; None: nobody knows (a wildcard)."""
    reached = config.reached_at
    return None if reached.everywhere else Host(reached.host, advertised=config.advertise is not None)
