"""`licd leader transfer`: moves the lead to another daemon, without a node noticing (R32)."""

from typing import TYPE_CHECKING

import click

from licd.v1.leadership_service_pb2 import TransferLeadershipRequest, TransferLeadershipResponse
from licd_daemon.cli.options import Group, client_command
from licd_daemon.cli.text import clean, say

if TYPE_CHECKING:
    from licd_daemon.cli.client import Client


@click.group(cls=Group)
def leader(**_: object) -> None:
    """Choose among several daemons."""


@leader.command()
@client_command
def transfer(client: "Client") -> None:
    """Give the lead to another daemon; nodes keep their seats."""
    answer = client.call(
        "LeadershipService/TransferLeadership", TransferLeadershipRequest(), TransferLeadershipResponse
    )
    say(f"The daemon at {clean(answer.leader)} leads now." if answer.leader else "Given up; one will lead shortly.")
