"""`licd token`: the bearer tokens of the roles (R35).

A secret is shown once: on the standard output, or in a new file that only its owner can read. It is never an argument.
"""

import os
from pathlib import Path

import click

from licd.v1.token_service_pb2 import (
    CreateTokenRequest,
    CreateTokenResponse,
    ListTokensRequest,
    ListTokensResponse,
    RevokeTokenRequest,
    RevokeTokenResponse,
    Role,
)
from licd_daemon.cli.client import Client
from licd_daemon.cli.options import FILE, Group, client_command, output_option
from licd_daemon.cli.table import show_table
from licd_daemon.cli.text import clean, say, say_json, short, when

_ROLES = {"admin": Role.ROLE_ADMIN, "viewer": Role.ROLE_VIEWER, "node": Role.ROLE_NODE}
_COLUMNS = ("TOKEN", "ROLE", "NAME", "MADE")


@click.group(cls=Group)
def token(**_: object) -> None:
    """Make, list and revoke bearer tokens."""


@token.command()
@click.argument("role", type=click.Choice(list(_ROLES)))
@click.option("--name", default="", help="A display name.")
@click.option("--out", type=FILE, help="Write it into this new file (0600) instead of the standard output.")
@client_command
def create(client: Client, role: str, name: str, out: Path | None) -> None:
    """Make a token for ROLE; its secret is shown once."""
    request = CreateTokenRequest(role=_ROLES[role], name=name)
    if out is None:
        made = client.call("TokenService/CreateToken", request, CreateTokenResponse)
        click.echo(made.secret)
    else:
        made = _create_into(client, request, out)
    say(f"To revoke this {role} token: licd token revoke {clean(made.token.token_id)}", err=True)


@token.command("list")
@client_command
@output_option
def list_tokens(client: Client, output: str) -> None:
    """List the tokens in force, without their secrets."""
    answer = client.call("TokenService/ListTokens", ListTokensRequest(), ListTokensResponse)
    if output == "json":
        say_json(answer)
        return
    rows = [
        [clean(each.token_id), short(Role, each.role, "ROLE_").lower(), clean(each.name), when(each.created_at)]
        for each in answer.tokens
    ]
    show_table(_COLUMNS, rows)


@token.command()
@click.argument("token_id", metavar="ID")
@client_command
def revoke(client: Client, token_id: str) -> None:
    """End the token with this ID (see licd token list)."""
    client.call("TokenService/RevokeToken", RevokeTokenRequest(token_id=token_id), RevokeTokenResponse)
    say("The token is revoked.")


def _create_into(client: Client, request: CreateTokenRequest, out: Path) -> CreateTokenResponse:
    # The file first: a token whose secret has nowhere to go would be in force and lost.
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.UsageError(f"--out: can't make {out} ({error.strerror}): name a new file") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            made = client.call("TokenService/CreateToken", request, CreateTokenResponse)
            file.write(f"{made.secret}\n")
    except BaseException:
        out.unlink()
        raise
    return made
