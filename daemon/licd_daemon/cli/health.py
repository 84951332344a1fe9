"""`licd health`: the check for Docker and scripts (section 5); it needs no token, and no proxy variable misleads it.

A local daemon is asked at its ops port, whose answer hangs on no certificate: none of the daemon's names need be
`127.0.0.1`. Without an ops port, and with `--address`, its health service is asked over gRPC.
"""

from http.client import HTTPConnection, HTTPException
from pathlib import Path

import click
from grpc_health.v1.health_pb2 import HealthCheckResponse

from licd_daemon.cli.client import Client
from licd_daemon.cli.errors import Unreachable
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.serve.config import ops_address_file
from licd_daemon.cli.text import clean, say, say_json
from licd_kit.addresses import Address

_LIVE, _READY = "", "licd.v1.NodeService"
_PATHS = {_LIVE: "/livez", _READY: "/readyz"}
_TIMEOUT_S = 5
_MOST_BYTES = 1024


@click.command(short_help="Say by the exit code whether the daemon is healthy.")
@click.option("--live", is_flag=True, help="Ask only whether the process is well: followers and a full disk pass.")
@client_command
@output_option
@click.pass_context
def health(ctx: click.Context, client: Client, live: bool, output: str) -> None:
    """Exit with 0 if the daemon leads and its journal can be written, 1 if not, 3 if it does not answer."""
    service = _LIVE if live else _READY
    local = None if ctx.params["address"] else _ops_address(client.data_dir)
    healthy, reason = _asked_over_http(local, _PATHS[service]) if local else _asked_over_grpc(client, service)
    if output == "json":
        say_json(HealthCheckResponse(status="SERVING" if healthy else "NOT_SERVING"))
    elif healthy:
        say("healthy")
    else:
        say(f"not healthy: {reason}", err=True)
    ctx.exit(0 if healthy else 1)


def _ops_address(data_dir: Path) -> Address | None:
    """Where the local daemon has its ops port; None: it has none, or no file of it can be read."""
    try:
        return Address.parse(ops_address_file(data_dir).read_text().strip())
    except (OSError, ValueError):
        return None


def _asked_over_http(ops: Address, path: str) -> tuple[bool, str]:
    connection = HTTPConnection(ops.host, ops.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status == 200, clean(answer.read(_MOST_BYTES).decode(errors="replace").strip())
    except (OSError, HTTPException) as error:
        problem = f"no answer at the ops port ({error or type(error).__name__}). Is the daemon running (licd serve)?"
        raise Unreachable([f"{ops}: {problem}"]) from None
    finally:
        connection.close()


def _asked_over_grpc(client: Client, service: str) -> tuple[bool, str]:
    answer = client.health(service)
    return answer.status == answer.SERVING, "it follows, stops, can't prove that it leads, or its journal is stuck"
