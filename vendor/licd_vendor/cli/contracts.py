"""`licd-vendor contract`: what licenses are issued from (R29)."""

from dataclasses import asdict
from typing import Any

import click

from licd_formats import claims
from licd_vendor import clock, service
from licd_vendor.cli.common import Session, output_option, pass_session, print_fields, print_json, print_table
from licd_vendor.cli.terms import SPAN
from licd_vendor.domain.model import Contract, Terms
from licd_vendor.spans import span
from licd_vendor.store import records


@click.group()
def contract() -> None:
    """Keep the contracts that licenses are issued from."""


@contract.command()
@click.option("--company", required=True, help="The customer's company, as licenses name it.")
@click.option("--email", "sender_email", required=True, help="The one mail address that may ask for licenses.")
@click.option("--project", required=True, help="The project, as licenses name it.")
@click.option("--max-nodes", default=1, show_default=True, help="The most nodes of all its live licenses together.")
@click.option("--application-name", required=True, help="The report server's application name.")
@click.option(
    "--application-version", required=True, help="The certified version: 10.0 certifies 10.0.19 but not 10.1."
)
@click.option("--application-content", default="", help="The project content, compared exactly.")
@click.option(
    "--min-build-date",
    default=claims.DEFAULT_MIN_BUILD_DATE,
    show_default=True,
    metavar="YYYY-MM-DD",
    help="The oldest build admitted.",
)
@click.option(
    "--self-releases",
    "self_releases_per_year",
    default=2,
    show_default=True,
    help="How often a year the customer may move a license without asking.",
)
@click.option("--signed-on", metavar="YYYY-MM-DD", help="The day it was signed, which the customer's mail must name.")
@click.option(
    "--recertify-days", type=int, metavar="DAYS", help="A registration older than this must be renewed by a new scan."
)
@click.option(
    "--outage-grace",
    "outage_grace_seconds",
    type=SPAN,
    default="15m",
    show_default=True,
    help="How long programs may run while the daemon is away: 0 to 7d.",
)
@click.option("--min-version", default="", metavar="VERSION", help="The lowest version admitted.  [default: none]")
@pass_session
def add(session: Session, /, **values: Any) -> None:
    """Add a contract, and print its id."""
    with session.database() as database:
        contract_id = service.add_contract(database, Terms(**values), session.who, clock.now())
    click.echo(contract_id)


@contract.command("list")
@output_option
@pass_session
def list_(session: Session, output: str) -> None:
    """List the contracts."""
    with session.database() as database, database.reading() as connection:
        contracts = records.list_contracts(connection)
    if output == "json":
        print_json([_as_json(one) for one in contracts])
        return
    rows = [
        (c.contract_id, c.terms.company, c.terms.sender_email, c.terms.project, c.terms.max_nodes,
         span(c.terms.outage_grace_seconds), c.terms.min_version or "any")
        for c in contracts
    ]  # fmt: skip
    titles = ("contract", "company", "mail from", "project", "nodes", "outage grace", "lowest version")
    print_table(titles, rows, "no contracts")


@contract.command()
@click.argument("contract_id", type=int)
@output_option
@pass_session
def show(session: Session, contract_id: int, output: str) -> None:
    """Show one contract."""
    with session.database() as database, database.reading() as connection:
        value = _as_json(records.get_contract(connection, contract_id))
    print_json(value) if output == "json" else print_fields(value)


def _as_json(one: Contract) -> dict[str, object]:
    return {"contract_id": one.contract_id, **asdict(one.terms), "created_at": clock.iso(one.created_at)}
