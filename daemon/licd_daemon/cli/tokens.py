"""`licd token`: the bearer tokens of the roles (R35).

A secret is shown once: on the standard output, or in a new file that only its owner can read. It is never an argument.
One that could not be written is void: it would be in force, and nobody's.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO

import click

from licd.v1.token_service_pb2 import (
    CreateTokenRequest,
    CreateTokenResponse,
    ListTokensRequest,
    ListTokensResponse,
    RevokeTokenRequest,
    RevokeTokenResponse,
    Role,
    RotateTokenRequest,
    RotateTokenResponse,
)
from licd_daemon.cli.client import Client
from licd_daemon.cli.options import FILE, Group, client_command, days_or_duration, end_of_date, output_option
from licd_daemon.cli.table import show_table
from licd_daemon.cli.text import clean, say, say_json, short, when

_ROLES = {"admin": Role.ROLE_ADMIN, "viewer": Role.ROLE_VIEWER, "node": Role.ROLE_NODE, "join": Role.ROLE_JOIN}
_COLUMNS = ("TOKEN", "ROLE", "NAME", "MADE", "BY", "ENDS", "LAST USE")

_OUT = "Write it into this new file (0600) instead of the standard output."


@click.group(cls=Group)
def token(**_: object) -> None:
    """Make, list, rotate and revoke bearer tokens."""


@token.command()
@click.argument("role", type=click.Choice(list(_ROLES)))
@click.option("--name", default="", help="A display name.")
@click.option("--expires-in", metavar="SPAN", callback=days_or_duration, help="When it shall end, such as 90d or 12h.")
@click.option(
    "--expires-at",
    metavar="DATE",
    callback=end_of_date,
    help="When it shall end: 2027-01-31 (that day's end) or a time.",
)
@click.option("--uses", type=click.IntRange(1), help="How many nodes a join token may enroll.  [default: 1]")
@click.option("--out", type=FILE, help=_OUT)
@client_command
def create(
    client: Client,
    role: str,
    name: str,
    expires_in: int | None,
    expires_at: datetime | None,
    uses: int | None,
    out: Path | None,
) -> None:
    """Make a token for ROLE; its secret is shown once.

    With a join token, each node makes a token of its own, named after it: the recommended way.
    """
    if uses and role != "join":
        raise click.UsageError("--uses: is for join tokens; leave it out")
    if expires_in is not None and expires_at is not None:
        raise click.UsageError("--expires-in and --expires-at: give one of them")
    request = CreateTokenRequest(
        role=_ROLES[role], name=name, expires_in=_span(expires_in), ends_at=expires_at, uses=uses
    )
    with _handed_over(out) as hand_over:
        made = client.call("TokenService/CreateToken", request, CreateTokenResponse)
        revocation = RevokeTokenRequest(token_id=made.token.token_id)
        hand_over(made.secret, lambda: client.call("TokenService/RevokeToken", revocation, RevokeTokenResponse))
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
        [
            clean(each.token_id),
            short(Role, each.role, "ROLE_").lower(),
            clean(each.name),
            when(each.created_at),
            clean(each.made_by.name or each.made_by.id) or "licd",
            when(each.ends_at) if each.HasField("ends_at") else "never",
            when(each.last_used_at) if each.HasField("last_used_at") else "never",
        ]
        for each in answer.tokens
    ]
    show_table(_COLUMNS, rows)


@token.command()
@click.argument("token_id", metavar="ID")
@click.option(
    "--overlap",
    metavar="SPAN",
    default="24h",
    show_default=True,
    callback=days_or_duration,
    help="For how long the present secret works still; 0: it ends at once.",
)
@click.option("--out", type=FILE, help=_OUT)
@client_command
def rotate(client: Client, token_id: str, overlap: int, out: Path | None) -> None:
    """Give the token with this ID another secret, which is shown once; streams and sessions go on."""
    back = RotateTokenRequest(token_id=token_id, take_back=True)
    with _handed_over(out) as hand_over:
        request = RotateTokenRequest(token_id=token_id, overlap=_span(overlap))
        rotated = client.call("TokenService/RotateToken", request, RotateTokenResponse)
        hand_over(rotated.secret, lambda: client.call("TokenService/RotateToken", back, RotateTokenResponse))
    former = rotated.token.former_ends_at
    until = f"works until {when(former)}" if rotated.token.HasField("former_ends_at") else "has ended"
    say(f"The secret before {until}.", err=True)


@token.command()
@click.argument("token_id", metavar="ID")
@client_command
def revoke(client: Client, token_id: str) -> None:
    """End the token with this ID (see licd token list), its streams, and the sessions of its nodes."""
    client.call("TokenService/RevokeToken", RevokeTokenRequest(token_id=token_id), RevokeTokenResponse)
    say("The token is revoked.")


def _span(span_ms: int | None) -> timedelta | None:
    return None if span_ms is None else timedelta(milliseconds=span_ms)


@contextmanager
def _handed_over(out: Path | None) -> Iterator[Callable[[str, Callable[[], object]], None]]:
    """Gives what writes a secret, and calls its second argument if it can't.

    A new file is made before anything is asked for, and goes away if nothing was written.
    """
    if out is None:
        yield lambda secret, undo: _write(sys.stdout, secret, undo)
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise click.UsageError(f"--out: can't make {out} ({error.strerror}): name a new file") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            yield lambda secret, undo: _write(file, secret, undo)
    except BaseException:
        out.unlink()
        raise


def _write(file: IO[str], secret: str, undo: Callable[[], object]) -> None:
    try:
        print(secret, file=file, flush=True)
    except OSError as error:
        undo()
        raise click.ClickException(f"The secret could not be written ({error.strerror}): it is void.") from None
