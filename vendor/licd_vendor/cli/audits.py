"""`licd-vendor audit`: who did what, when."""

import click

from licd_vendor import views
from licd_vendor.cli.common import Session, output_option, pass_session, print_json, print_table


@click.command()
@click.option("--license", "license_id", metavar="LICENSE_ID", help="Only what concerns this license.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@output_option
@pass_session
def audit(session: Session, license_id: str | None, limit: int, output: str) -> None:
    """List every act, newest first: who did what, when."""
    with session.database() as database, database.reading() as connection:
        found = views.audit_entries(connection, limit, license_id)
    if output == "json":
        print_json(found)
        return
    columns = ("at", "who", "act", "contract_id", "license_id", "detail")
    titles = ("when", "who", "what", "contract", "license", "more")
    print_table(titles, [[one[name] for name in columns] for one in found], "nothing was done yet")
