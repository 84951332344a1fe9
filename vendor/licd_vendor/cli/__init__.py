"""`licd-vendor`: the vendor's command line. Exit codes: 0 done, 1 refused, 2 usage."""

from pathlib import Path

import click

from licd_daemon.formats.license import Vendor
from licd_vendor import home, keys
from licd_vendor.cli import contracts, licenses, portal
from licd_vendor.cli.common import RefusingGroup, Session, pass_session
from licd_vendor.store.database import default_url


@click.group(cls=RefusingGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--home",
    "home_directory",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="LICD_VENDOR_HOME",
    help="Directory of keys and database.  [default: /var/lib/licd-vendor as root, else $XDG_STATE_HOME/licd-vendor]",
)
@click.option(
    "--database",
    envvar="LICD_VENDOR_DATABASE",
    metavar="URL",
    help="Database, as an SQLAlchemy URL; give one with a password by LICD_VENDOR_DATABASE.  [default: SQLite in home]",
)
@click.pass_context
def main(context: click.Context, home_directory: Path | None, database: str | None) -> None:
    """Keep contracts, issue Container.lic, see and end bindings, and run the portal that phones reach.

    \b
    licd-vendor keygen
    licd-vendor contract add --company "ACME" --email ops@acme.example --project Finance ...
    licd-vendor issue --contract 1 --from ops@acme.example --company "ACME" --days 365 ...
    licd-vendor portal serve
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    chosen = home_directory or home.default_home()
    context.obj = Session(chosen, database or default_url(chosen))


@main.command()
@click.option("--vendor-name", envvar="LICD_VENDOR_NAME", help="Your name, as licenses quote it in remedies.")
@click.option("--vendor-email", envvar="LICD_VENDOR_EMAIL", help="Your mail address, quoted in remedies.")
@pass_session
def keygen(session: Session, vendor_name: str | None, vendor_email: str | None) -> None:
    """Make the signing key and the portal's key; never writes over one.

    Also writes vendor-keys.json, the public keys for `licd serve --vendor-keys`.
    """
    vendor = Vendor(vendor_name or "your vendor", vendor_email or "licenses@localhost")
    key_id = keys.generate(session.home, vendor)
    click.echo(f"signing key {key_id} and portal key made in {session.home}")
    click.echo(f"public keys for the daemon: {session.home / keys.PUBLIC_SET}")
    if vendor_name is None or vendor_email is None:
        click.echo(
            f"note: licenses will say {vendor.name!r} <{vendor.email}>; set both in {session.home / keys.VENDOR}",
            err=True,
        )


main.add_command(contracts.contract)
main.add_command(licenses.issue)
main.add_command(licenses.list_)
main.add_command(licenses.show)
main.add_command(licenses.unbind)
main.add_command(licenses.revoke)
main.add_command(licenses.alerts)
main.add_command(portal.portal)
