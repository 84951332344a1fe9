"""`licd-vendor staff`: who may log in to the staff's page, and the page."""

import re
from pathlib import Path

import click

from licd_kit.addresses import Address
from licd_vendor import clock
from licd_vendor.cli.address import ADDRESS
from licd_vendor.cli.common import Session, log_to_stderr, output_option, pass_session, print_json, print_table
from licd_vendor.errors import RefusedError
from licd_vendor.passphrase import read_secret
from licd_vendor.store import audit
from licd_vendor.store import staff as records
from licd_vendor.store.audit import Act

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")


@click.group()
def staff() -> None:
    """Keep the staff's logins, and run their page."""


@staff.command()
@click.argument("name")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the password.  [default: LICD_VENDOR_STAFF_PASSWORD, or asked on a terminal]",
)
@pass_session
def add(session: Session, name: str, password_file: Path | None) -> None:
    """Add NAME, or change its password, which ends its sessions."""
    from licd_vendor.staff.passwords import hash_password

    if not _NAME.fullmatch(name):
        raise RefusedError("name: must be 1 to 64 of a-z, 0-9, and ._@- (not at its start)")
    password = read_secret("Password", "LICD_VENDOR_STAFF_PASSWORD", password_file, confirm=True)
    if not password:
        raise RefusedError("password: give one by LICD_VENDOR_STAFF_PASSWORD, --password-file or on a terminal")
    hashed = hash_password(password)
    with session.database() as database, database.writing() as connection:
        is_new = records.put(connection, name, hashed, clock.now())
        act = Act.STAFF_ADDED if is_new else Act.STAFF_PASSWORD_CHANGED
        audit.keep(connection, session.who, act, clock.now(), detail=name)
    click.echo(f"{name} may log in" if is_new else f"{name} has a new password, and is logged out")


@staff.command("list")
@output_option
@pass_session
def list_(session: Session, output: str) -> None:
    """List who may log in."""
    with session.database() as database, database.reading() as connection:
        found = [{"name": name, "created_at": clock.iso(added)} for name, added in records.names(connection)]
    if output == "json":
        print_json(found)
        return
    print_table(("name", "since"), [tuple(one.values()) for one in found], "nobody")


@staff.command()
@click.argument("name")
@pass_session
def remove(session: Session, name: str) -> None:
    """Remove NAME, and end its sessions."""
    with session.database() as database, database.writing() as connection:
        if not records.remove(connection, name):
            raise RefusedError(f"name: there is no {name!r}; see `licd-vendor staff list`")
        audit.keep(connection, session.who, Act.STAFF_REMOVED, clock.now(), detail=name)
    click.echo(f"{name} may not log in any more")


@staff.command()
@click.option("--listen", type=ADDRESS, default="127.0.0.1:8601", show_default=True, help="Where; port 0: any.")
@click.option(
    "--trusted-proxy",
    multiple=True,
    metavar="ADDRESS|NETWORK",
    help="Believe X-Forwarded-For from here; may be repeated.",
)
@pass_session
def serve(session: Session, listen: Address, trusted_proxy: tuple[str, ...]) -> None:
    """Serve the staff's page until SIGTERM. Speaks HTTP: from other machines only through a proxy that does TLS."""
    from licd_vendor import roles

    proxies = roles.read_proxies(trusted_proxy)
    log_to_stderr()
    with session.database():
        pass  # migrated here, before there is a worker
    roles.serve_staff(session.database_url, proxies, listen)
