"""`licd-vendor`: the vendor's command line. Exit codes: 0 done, 1 refused, 2 usage."""

from pathlib import Path

import click

from licd_formats.license import Vendor
from licd_vendor import clock, home, keys
from licd_vendor.cli import alerts, audits, contracts, issuing, key, licenses, portal, staff
from licd_vendor.cli.common import PASSPHRASE_VARIABLE, RefusingGroup, Session, pass_session
from licd_vendor.errors import RefusedError
from licd_vendor.passphrase import read_secret
from licd_vendor.store import audit
from licd_vendor.store.audit import Act
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
@click.option(
    "--passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="LICD_VENDOR_PASSPHRASE_FILE",
    help="File with the passphrase of the private keys.  [default: LICD_VENDOR_PASSPHRASE, or asked on a terminal]",
)
@click.pass_context
def main(
    context: click.Context, home_directory: Path | None, database: str | None, passphrase_file: Path | None
) -> None:
    """Keep contracts, issue Container.lic, see and end bindings, and run the portal that phones reach.

    \b
    licd-vendor keygen
    licd-vendor contract add --company "ACME" --email ops@acme.example --project Finance ...
    licd-vendor issue --contract 1 --from ops@acme.example --company "ACME" --days 365 ...
    licd-vendor portal serve
    """  # noqa: D301 - click's mark for a paragraph that is not wrapped
    chosen = home_directory or home.default_home()
    for note in home.keep_private(chosen):
        click.echo(note, err=True)
    context.obj = Session(chosen, database or default_url(chosen), passphrase_file)


@main.command(short_help="Make the keys, or a new signing key next to the old one.")
@click.option("--vendor-name", envvar="LICD_VENDOR_NAME", help="Your name, as licenses quote it in remedies.")
@click.option("--vendor-email", envvar="LICD_VENDOR_EMAIL", help="Your mail address, quoted in remedies.")
@click.option("--rotate", is_flag=True, help="Make a new signing key; the one before stays valid.")
@click.option("--no-passphrase", is_flag=True, help="Leave the private keys unencrypted: files of mode 0600, no more.")
@pass_session
def keygen(
    session: Session, vendor_name: str | None, vendor_email: str | None, rotate: bool, no_passphrase: bool
) -> None:
    """Make the signing key and the portal's key, encrypted with a passphrase; never writes over one.

    Also writes vendor-keys.json, the public keys for `licd serve --vendor-keys`. With --rotate it holds both keys: ship
    it to customers before they get a license that the new key has signed.
    """
    if rotate:
        _rotate(session)
        return
    passphrase = None if no_passphrase else _new_passphrase(session)
    vendor = Vendor(vendor_name or "your vendor", vendor_email or "licenses@localhost")
    key_id = keys.generate(session.home, vendor, passphrase)
    _audit(session, Act.KEYS_MADE, key_id)
    click.echo(f"signing key {key_id} and portal key made in {session.home}")
    click.echo(f"public keys for the daemon: {session.home / keys.PUBLIC_SET}")
    if vendor_name is None or vendor_email is None:
        click.echo(
            f"note: licenses will say {vendor.name!r} <{vendor.email}>; set both in {session.home / keys.VENDOR}",
            err=True,
        )


def _rotate(session: Session) -> None:
    new, old = keys.rotate(session.home, session.passphrase)
    _audit(session, Act.KEY_ROTATED, f"{new} after {old}")
    click.echo(f"signing key {new} signs from now on; {old} stays valid")
    click.echo(f"public keys for the daemon: {session.home / keys.PUBLIC_SET}")
    click.echo(f"ship them first; for daemons that have the old set only: issue --key {old}", err=True)


def _new_passphrase(session: Session) -> str:
    passphrase = read_secret("Passphrase for the keys", PASSPHRASE_VARIABLE, session.passphrase_file, confirm=True)
    if not passphrase:
        raise RefusedError(
            "passphrase: give one by LICD_VENDOR_PASSPHRASE, --passphrase-file or on a terminal; or say --no-passphrase"
        )
    return passphrase


def _audit(session: Session, act: Act, detail: str) -> None:
    with session.database() as database, database.writing() as connection:
        audit.keep(connection, session.who, act, clock.now(), detail=detail)


main.add_command(key.key)
main.add_command(contracts.contract)
main.add_command(issuing.issue)
main.add_command(licenses.list_)
main.add_command(licenses.show)
main.add_command(licenses.unbind)
main.add_command(licenses.revoke)
main.add_command(alerts.alerts)
main.add_command(alerts.settle)
main.add_command(audits.audit)
main.add_command(portal.portal)
main.add_command(staff.staff)
