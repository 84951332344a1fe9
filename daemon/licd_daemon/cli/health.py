"""`licd health`: the check for Docker and scripts (section 5); it needs no token, and no proxy variable misleads it."""

import click

from licd_daemon.cli.client import Client
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.text import say, say_json

_LIVE, _READY = "", "licd.v1.NodeService"


@click.command(short_help="Say by the exit code whether the daemon is healthy.")
@click.option("--live", is_flag=True, help="Ask only whether the process is well: followers and a full disk pass.")
@client_command
@output_option
@click.pass_context
def health(ctx: click.Context, client: Client, live: bool, output: str) -> None:
    """Exit with 0 if the daemon leads and its journal can be written, 1 if not, 3 if it does not answer."""
    answer = client.health(_LIVE if live else _READY)
    healthy = answer.status == answer.SERVING
    if output == "json":
        say_json(answer)
    elif healthy:
        say("healthy")
    else:
        reason = "it stops" if live else "it stops or follows, it can't prove that it leads, or its journal is stuck"
        say(f"not healthy: {reason}; licd status says more", err=True)
    ctx.exit(0 if healthy else 1)
