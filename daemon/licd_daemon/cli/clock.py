"""`licd clock`: the leader's clock, where a person knows better than the daemon (R23)."""

import sys

import click

from licd.v1.clock_service_pb2 import ConfirmClockRequest, ConfirmClockResponse
from licd_daemon.cli.client import Client
from licd_daemon.cli.errors import CallRefused
from licd_daemon.cli.options import Group, client_command
from licd_daemon.cli.text import clean, say, when


@click.group(cls=Group)
def clock(**_: object) -> None:
    """Confirm the leader's clock."""


@clock.command()
@click.option("--yes", is_flag=True, help="Do not ask in a terminal.")
@client_command
def confirm(client: Client, yes: bool) -> None:
    """Confirm that the leader's clock is right: effective time, by which the license is judged, is set by it."""
    before = _call(client, dry_run=True)
    say(f"Leader's clock:  {when(before.wall_clock)}")
    say(f"Effective time:  {when(before.effective_time)}")
    say(f"Confirmed:       {when(before.confirmed_time)}")
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("without a terminal nobody can be asked: give --yes if the leader's clock is right")
        click.confirm("Is the leader's clock right? A license whose end it has passed ends", abort=True, err=True)
    after = _call(client, dry_run=False)
    if after.HasField("clock_untrusted"):
        doubt = after.clock_untrusted
        raise CallRefused(
            f"The clock is still in doubt: {clean(doubt.detail)}. {clean(doubt.remedy)}", "CLOCK_UNTRUSTED"
        )
    say(f"Confirmed. Effective time is {when(after.effective_time)}.")


def _call(client: Client, *, dry_run: bool) -> ConfirmClockResponse:
    return client.call("ClockService/ConfirmClock", ConfirmClockRequest(dry_run=dry_run), ConfirmClockResponse)
