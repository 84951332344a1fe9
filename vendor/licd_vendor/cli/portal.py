"""`licd-vendor portal`: the page behind the QR."""

import click

from licd_vendor import keys, log
from licd_vendor.cli.common import Session, pass_session


@click.group()
def portal() -> None:
    """Run the portal that phones reach."""


@portal.command()
@click.option(
    "--listen", default="127.0.0.1:8600", show_default=True, metavar="HOST:PORT", help="Where to listen; port 0: any."
)
@pass_session
def serve(session: Session, listen: str) -> None:
    """Serve until SIGTERM. Speaks HTTP: put a proxy that does TLS in front of it, and its URL into --portal-url."""
    # the web server costs a tenth of a second that no other command should pay
    from licd_vendor.portal import app, server

    host, port = _address(listen)
    log.configure()
    portal_key = keys.load_portal(session.home)
    with session.database() as database:
        server.serve(app.create_app(database, portal_key), host, port)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit() and int(port) <= 65_535):
        raise click.BadParameter("not HOST:PORT, such as 127.0.0.1:8600", param_hint="--listen")
    return host, int(port)
