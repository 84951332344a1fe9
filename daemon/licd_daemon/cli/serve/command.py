"""`licd serve`: from options to a `ServeConfig`, then the composition root."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from licd_daemon.cli.options import (
    FILE,
    config_option,
    data_dir_option,
    duration,
    insecure_option,
    option,
    split,
)
from licd_daemon.cli.serve.config import (
    DEFAULT_ADDRESS,
    DEFAULT_CONSOLE,
    DEFAULT_MTLS,
    DEFAULT_OPS,
    GRPC_ENVIRONMENT,
    LOG_FORMATS,
    ServeConfig,
)
from licd_kit.options import ConfigInvalid

_SPANS = frozenset({"lease_ttl", "heartbeat_interval", "proof_interval", "recovery_window", "max_clock_drift"})


@click.command()
@option("--listen", "Where to serve gRPC.", metavar="HOST:PORT", default=DEFAULT_ADDRESS, show_default=True)
@option(
    "--console-listen",
    "Where to serve the web console; off: nowhere.",
    metavar="HOST:PORT",
    default=DEFAULT_CONSOLE,
    show_default=True,
)
@option(
    "--ops-listen",
    "Where to serve probes and metrics; off: nowhere.",
    metavar="HOST:PORT",
    default=DEFAULT_OPS,
    show_default=True,
)
@data_dir_option
@option("--vendor-keys", "The vendor's public keys: a JWK Set.", type=FILE)
@option(
    "--journal",
    "sqlite:PATH, etcd://HOST:PORT,... for several daemons, or memory: for a trial.  [default: SQLite in the data "
    "directory]",
    metavar="URL",
    default="",
)
@option("--advertise", "The address that nodes reach this daemon at.", metavar="HOST:PORT")
@option("--tls-cert", "The server certificate (PEM); without one, licd makes its own.", type=FILE)
@option("--tls-key", "The certificate's key (PEM).", type=FILE)
@option(
    "--tls-san",
    "One more name or address for the certificate that licd makes (repeatable).",
    multiple=True,
    metavar="NAME",
    callback=split,
)
@option("--client-ca", "Accept client certificates of this authority (PEM), at --mtls-listen.", type=FILE)
@option(
    "--mtls-listen",
    f"Where to serve gRPC to clients with a certificate of --client-ca.  [default: {DEFAULT_MTLS} with --client-ca]",
    metavar="HOST:PORT",
)
@insecure_option
@option(
    "--lease-ttl",
    "How long a silent node keeps its seat.",
    metavar="DURATION",
    callback=duration,
    default="15s",
    show_default=True,
)
@option(
    "--heartbeat-interval",
    "The time between heartbeats.",
    metavar="DURATION",
    callback=duration,
    default="5s",
    show_default=True,
)
@option(
    "--proof-interval",
    "How long a proof of leadership holds; two are made in it.  [default: 5s, or the lease if that is shorter]",
    metavar="DURATION",
    callback=duration,
)
@option(
    "--recovery-window",
    "How long a registration outlives its last node; 0: reset at the last lease's end.",
    metavar="DURATION",
    callback=duration,
    default="5m",
    show_default=True,
)
@option(
    "--max-clock-drift",
    "The clock difference that is accepted.",
    metavar="DURATION",
    callback=duration,
    default="5s",
    show_default=True,
)
@option(
    "--ntp-server",
    "Hold the own clock against this server (repeatable).",
    multiple=True,
    metavar="HOST",
    callback=split,
)
@option("--log-format", "[default: text on a terminal, else json]", type=click.Choice(LOG_FORMATS))
@config_option
def serve(**values: Any) -> None:
    """Run the daemon."""
    try:
        config = config_of(values)
    except ConfigInvalid as error:
        raise click.UsageError(str(error)) from None
    for name, setting in GRPC_ENVIRONMENT.items():
        os.environ.setdefault(name, setting)
    # Only here: --help must not wait for the daemon's libraries.
    from licd_daemon.cli.serve.run import serve as run

    sys.exit(run(config))


def config_of(values: Mapping[str, Any]) -> ServeConfig:
    """The configuration that the command's options stand for.

    Raises:
        ConfigInvalid: one of them can't be used.
    """
    settings = {f"{name}_ms" if name in _SPANS else name: value for name, value in values.items()}
    settings["log_format"] = settings["log_format"] or ("text" if sys.stderr.isatty() else "json")
    return ServeConfig(**settings)
