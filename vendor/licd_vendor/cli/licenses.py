"""`licd-vendor issue · list · show · unbind · revoke · alerts` (R26 to R29)."""

from pathlib import Path

import click

from licd_vendor import clock, home, keys, mail, service
from licd_vendor.cli import views
from licd_vendor.cli.common import Session, output_option, pass_session, print_fields, print_json, print_table
from licd_vendor.domain.issue import Request, end_of_day

_DAY_SECONDS = 86_400
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(short_help="Answer a mail: write Container.lic and its mail.")
@click.option("--contract", "contract_id", type=int, required=True, help="The contract's id.")
@click.option("--from", "sender", required=True, metavar="MAIL", help="The address that the customer's mail came from.")
@click.option("--company", required=True, help="The company that the customer's mail named.")
@click.option("--nodes", default=1, show_default=True, help="The maximum of nodes asked for.")
@click.option("--expires", metavar="YYYY-MM-DD", help="The license's last day (UTC).")
@click.option("--days", type=click.IntRange(1, 36_500), help="Instead: how many days from now.")
@click.option("--reissue", metavar="LICENSE_ID", help="Issue this license again: longer, or for more nodes.")
@click.option(
    "--portal-url", required=True, metavar="URL", help="Where phones reach the portal: http(s)://host[:port]."
)
@click.option("--out", type=_FILE, default="Container.lic", show_default=True, help="The license file to write.")
@click.option("--mail", "mail_file", type=_FILE, default="answer.eml", show_default=True, help="The mail to write.")
@pass_session
def issue(
    session: Session,
    contract_id: int,
    sender: str,
    company: str,
    nodes: int,
    expires: str | None,
    days: int | None,
    reissue: str | None,
    portal_url: str,
    out: Path,
    mail_file: Path,
) -> None:
    """Answer a customer's mail: write Container.lic and the mail that carries it."""
    if (expires is None) == (days is None):
        raise click.UsageError("give one of --expires and --days")
    now = clock.now()
    expires_at = end_of_day(expires) if expires is not None else now + (days or 0) * _DAY_SECONDS
    order = service.Order(
        contract_id=contract_id,
        request=Request(sender, company, nodes, expires_at),
        vendor=keys.load_vendor(session.home),
        portal_url=portal_url,
        portal_public_key=keys.load_portal(session.home).public_key().public_bytes_raw(),
        reissue=reissue,
    )

    def deliver(issued: service.Issued) -> None:
        home.write_public(out, issued.content)
        home.write_public(mail_file, mail.write(issued.license, issued.content, issued.recipient))

    with session.database() as database:
        issued = service.issue_license(database, order, keys.load_signing(session.home), now, deliver)
    click.echo(f"license {issued.license.license_id} until {clock.iso(issued.license.expires_at)}")
    click.echo(f"written: {out}, {mail_file}")


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
        license_ = service.unbind(database, license_id, clock.now())
    click.echo(f"license {license_.license_id} is unbound; the next scan binds it")


@click.command()
@click.argument("license_id")
@pass_session
def revoke(session: Session, license_id: str) -> None:
    """Revoke a license: no scan of it gives a code again."""
    with session.database() as database:
        license_ = service.revoke(database, license_id, clock.now())
    click.echo(f"license {license_.license_id} is revoked")


@click.command()
@output_option
@pass_session
def alerts(session: Session, output: str) -> None:
    """List copied deployments, and releases beyond a contract's limit."""
    with session.database() as database, database.reading() as connection:
        found = views.all_alerts(connection)
    if output == "json":
        print_json(found)
        return
    columns = ("last_at", "kind", "license_id", "company", "times")
    print_table(("last", "what", "license", "company", "times"), [[a[n] for n in columns] for a in found], "no alerts")
