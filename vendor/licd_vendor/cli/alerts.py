"""`licd-vendor alerts` and `settle` (R28, R30)."""

import click

from licd_vendor import clock, service
from licd_vendor.cli.common import Session, output_option, pass_session, print_json, print_table
from licd_vendor.domain.settle import Side
from licd_vendor.views import all_alerts


@click.command()
@click.option("--all", "settled", is_flag=True, help="The settled ones, too.")
@output_option
@pass_session
def alerts(session: Session, settled: bool, output: str) -> None:
    """List copied deployments, and releases beyond a contract's limit."""
    with session.database() as database, database.reading() as connection:
        found = all_alerts(connection, settled=settled)
    if output == "json":
        print_json(found)
        return
    columns = ("alert_id", "last_at", "kind", "license_id", "company", "times", *(["settled_for"] if settled else []))
    titles = ("alert", "last", "what", "license", "company", "times", "settled for")[: len(columns)]
    print_table(titles, [[one[name] for name in columns] for one in found], "no alerts")


@click.command()
@click.argument("alert_id", type=int)
@click.option(
    "--for",
    "side",
    type=click.Choice([side.value for side in Side]),
    required=True,
    help="Who is in the right: the installation that is registered, or the one that was refused.",
)
@pass_session
def settle(session: Session, alert_id: int, side: str) -> None:
    """Settle an alert.

    Of a copy, --for refused lets the refused installation go on (such as a backup that was restored on purpose), and
    stops the other one at its next registration. Of a release beyond the limit, it grants the release.
    """
    with session.database() as database:
        outcome = service.settle(database, alert_id, Side(side), session.who, clock.now())
    click.echo(f"alert {alert_id} is settled: {outcome}")
