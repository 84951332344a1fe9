"""`licd-vendor portal`: the page behind the QR."""

import contextlib
import os
import tempfile

import click

from licd_kit.addresses import Address
from licd_vendor import keys
from licd_vendor.cli.address import ADDRESS
from licd_vendor.cli.common import Session, log_to_stderr, pass_session

_MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


@click.group()
def portal() -> None:
    """Run the portal that phones reach."""


@portal.command()
@click.option("--listen", type=ADDRESS, default="127.0.0.1:8600", show_default=True, help="Where; port 0: any.")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="How many processes.")
@click.option(
    "--trusted-proxy",
    multiple=True,
    metavar="ADDRESS|NETWORK",
    help="Believe X-Forwarded-For from here; may be repeated.",
)
@click.option("--ops-listen", type=ADDRESS, help="Serve /livez, /readyz and /metrics here.  [default: nowhere]")
@pass_session
def serve(
    session: Session,
    listen: Address,
    workers: int,
    trusted_proxy: tuple[str, ...],
    ops_listen: Address | None,
) -> None:
    """Serve until SIGTERM. Speaks HTTP: put a proxy that does TLS in front of it, and its URL into --portal-url."""
    with contextlib.ExitStack() as stack:
        if ops_listen is not None and _MULTIPROCESS not in os.environ:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="licd-portal-"))
            os.environ[_MULTIPROCESS] = folder
            stack.callback(os.environ.pop, _MULTIPROCESS)
        # only now: the metrics look at the environment when they are imported, and the web server costs a tenth of a
        # second that no other command should pay
        from licd_vendor import roles

        proxies = roles.read_proxies(trusted_proxy)
        log_to_stderr()
        portal_key = keys.load_portal(session.home, session.passphrase)
        with session.database():
            pass  # migrated here, once, before there are workers
        roles.serve(session.database_url, portal_key, proxies, listen, ops_listen, workers)
