"""`licd check`: everything that would stop a registration now, each with its remedy and who can do it."""

from collections.abc import Sequence
from pathlib import Path

import click

from licd.v1 import failure_pb2 as pb
from licd.v1.registration_service_pb2 import (
    CheckRegistrationRequest,
    CheckRegistrationResponse,
    GetRegistrationRequest,
    GetRegistrationResponse,
    Lockout,
)
from licd_daemon.cli.client import Client
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.text import clean, failure_lines, left, say, say_json, short, wall_time, when
from licd_daemon.core.reasons import FailureReason
from licd_kit.filesystem import ephemeral_filesystem


@click.command(short_help="Show what would block a registration now.")
@client_command
@output_option
@click.pass_context
def check(ctx: click.Context, client: Client, output: str) -> None:
    """Show everything that would block a registration now (exit code 1), or that nothing does (0)."""
    registration = client.call(
        "RegistrationService/GetRegistration", GetRegistrationRequest(), GetRegistrationResponse
    ).registration
    _warn(registration.warnings)  # first: without a license the next call is refused
    answer = failing(client)
    lines = [*_lock_lines(registration.lockout), *obstacle_lines(answer.failures)]
    if output == "json":
        say_json(answer)
    elif not lines:
        say("Nothing stands in the way of a registration.")
    else:
        say("\n".join(["A registration would be refused:", *lines]), err=True)
    _warn_of_lost_data(client.data_dir)
    ctx.exit(1 if lines else 0)


def failing(client: Client) -> CheckRegistrationResponse:
    """What the daemon would refuse a registration for."""
    return client.call("RegistrationService/CheckRegistration", CheckRegistrationRequest(), CheckRegistrationResponse)


def obstacle_lines(failures: Sequence[pb.Failure]) -> list[str]:
    """Every reason with its node, its detail, its remedy, and who can do it."""
    lines = []
    for failure in failures:
        lines += failure_lines([failure])
        name = short(pb.FailureReason, failure.reason, "FAILURE_REASON_")
        if name in FailureReason.__members__:  # a newer daemon's may be unknown here
            who = FailureReason[name].row.who.format(node=clean(failure.node_name) or "each node")
            lines.append(f"  Can be fixed by: {who}.")
    return lines


def _lock_lines(lockout: Lockout) -> list[str]:
    if not lockout.locked:
        return []
    until = f"until {when(lockout.locked_until)} ({left(lockout.locked_until, wall_time())})"
    return [
        click.style("- Too many wrong codes", bold=True) + f": locked {until}",
        "  Wait for it, then: licd qr",
        "  Can be fixed by: nobody sooner; a reset, a restart or another license does not end it.",
    ]


def _warn(warnings: Sequence[pb.Failure]) -> None:
    for warning in warnings:
        say(f"Warning: {clean(warning.title)}. {clean(warning.detail)}. {clean(warning.remedy)}", err=True)


def _warn_of_lost_data(data_dir: Path) -> None:
    """A journal that dies with its container means contacting the vendor (DESIGN section 5); one in etcd does not."""
    kind = ephemeral_filesystem(data_dir) if (data_dir / "journal.db").exists() else None
    if kind is not None:
        say(
            f"Warning: {data_dir} is on {kind}, which may not outlive its container: mount a volume there, or a new "
            "container means contacting the vendor.",
            err=True,
        )
