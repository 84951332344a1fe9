"""`licd-vendor list · show · unbind · revoke` (R26, R27)."""

import click

from licd_vendor import clock, service, views
from licd_vendor.cli.common import Session, output_option, pass_session, print_fields, print_json, print_table


@click.command("list")
@output_option
@pass_session
def list_(session: Session, output: str) -> None:
    """List the licenses."""
    with session.database() as database, database.reading() as connection:
        licenses = views.all_licenses(connection, clock.now())
    if output == "json":
        print_json(licenses)
        return
    columns = ("license_id", "company", "project", "max_nodes", "expires_at", "state", "bound_at")
    titles = ("license", "company", "project", "nodes", "expires", "state", "bound since")
    print_table(titles, [[one[name] for name in columns] for one in licenses], "no licenses")


@click.command()
@click.argument("license_id")
@output_option
@pass_session
def show(session: Session, license_id: str, output: str) -> None:
    """Show a license, its issues, bindings and scans."""
    with session.database() as database, database.reading() as connection:
        value = views.one_license(connection, license_id, clock.now())
    if output == "json":
        print_json(value)
        return
    lists = {name: value.pop(name) for name in ("issues", "bindings", "scans")}
    print_fields(value)
    for name, rows in lists.items():
        click.echo(f"\n{name}")
        columns = tuple(rows[0]) if rows else ()
        print_table(columns, [tuple(row.values()) for row in rows], "none")


@click.command()
@click.argument("license_id")
@pass_session
def unbind(session: Session, license_id: str) -> None:
    """End a license's binding, so that a new server can register."""
    with session.database() as database:
        license_ = service.unbind(database, license_id, session.who, clock.now())
    click.echo(f"license {license_.license_id} is unbound; the next scan binds it")


@click.command()
@click.argument("license_id")
@pass_session
def revoke(session: Session, license_id: str) -> None:
    """Revoke a license: no scan of it gives a code again."""
    with session.database() as database:
        license_ = service.revoke(database, license_id, session.who, clock.now())
    click.echo(f"license {license_.license_id} is revoked")
