"""`licd status`: am I fine, and if not, what do I do. `licd check`: what would block a registration now."""

from datetime import UTC, datetime
from pathlib import Path

import click

from licd.v1.registration_service_pb2 import (
    CheckRegistrationRequest,
    CheckRegistrationResponse,
    GetRegistrationRequest,
    GetRegistrationResponse,
    Registration,
    RegistrationState,
)
from licd_daemon.cli.client import Client
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.text import clean, failure_lines, left, local, say, say_json, short, when
from licd_daemon.paths import ephemeral_filesystem

_WARN_DAYS = 30
_COLOURS = {"REGISTERED": "green", "RECOVERING": "yellow", "UNREGISTERED": "yellow"}


@click.command()
@client_command
@output_option
def status(client: Client, output: str) -> None:
    """Show whether the cluster is licensed, and what to do if not."""
    answer = client.call("RegistrationService/GetRegistration", GetRegistrationRequest(), GetRegistrationResponse)
    if output == "json":
        say_json(answer.registration)
        return
    for line in describe(answer.registration, datetime.now(UTC)):
        say(line)


@click.command(short_help="Show what would block a registration now.")
@client_command
@output_option
@click.pass_context
def check(ctx: click.Context, client: Client, output: str) -> None:
    """Show everything that would block a registration now (exit code 1), or that nothing does (0)."""
    answer = client.call("RegistrationService/CheckRegistration", CheckRegistrationRequest(), CheckRegistrationResponse)
    if output == "json":
        say_json(answer)
    elif not answer.failures:
        say("Nothing stands in the way of a registration.")
    else:
        say("\n".join(["A registration would be refused:", *failure_lines(answer.failures)]), err=True)
    _warn_of_lost_data(client.data_dir)
    ctx.exit(1 if answer.failures else 0)


def _warn_of_lost_data(data_dir: Path) -> None:
    """A data directory of this machine that dies with its container costs a call to the vendor (DESIGN section 5)."""
    kind = ephemeral_filesystem(data_dir) if data_dir.exists() else None
    if kind is not None:
        say(
            f"Warning: {data_dir} is on {kind}, which may not outlive its container: mount a volume there, or a new "
            "container needs a call to the vendor.",
            err=True,
        )


def describe(registration: Registration, now: datetime) -> list[str]:
    """The registration in lines for people, what to do at its end.

    Args:
        registration: what the daemon said.
        now: this machine's wall time, with a time zone.
    """
    state = short(RegistrationState, registration.state, "REGISTRATION_STATE_")
    rows = [("State", click.style(state, fg=_COLOURS.get(state, "red"), bold=True))]
    rows += _license_rows(registration, now) + _cluster_rows(registration, now)
    lines = [f"{name:<13}{value}" for name, value in rows]
    if registration.last_failures:
        lines += ["", "The last upload or registration was refused:", *failure_lines(registration.last_failures)]
    return [*lines, "", *advice(registration, state, now)]


def advice(registration: Registration, state: str, now: datetime) -> list[str]:
    """What to do now; one line says so when there is nothing."""
    license_ = registration.license
    vendor = f"{clean(license_.vendor_name)} <{clean(license_.vendor_email)}>"
    todo = []
    if registration.lockout.locked:
        todo.append(f"Too many wrong codes: wait until {when(registration.lockout.locked_until)}, then: licd qr")
    match state:
        case "UNLICENSED":
            todo.append("Upload the license: licd upload Container.lic")
        case "UNREGISTERED" if not registration.lockout.locked:
            todo.append("Scan the QR with a phone and type the code: licd qr")
        case "RECOVERING":
            todo.append("Bring back a node that held a seat, before the recovery deadline; or register anew: licd qr")
        case "EXPIRED":
            todo.append(f"Ask {vendor} for a new Container.lic, then: licd upload Container.lic")
    if state == "REGISTERED" and (local(license_.expires_at) - now).days < _WARN_DAYS:
        todo.append(f"The license expires soon: ask {vendor} for a reissue, then: licd upload Container.lic")
    if registration.nodes_waiting:
        todo.append(f"Nodes wait for a seat: stop or evict others (licd nodes), or ask {vendor} for more.")
    return [f"To do: {line}" for line in todo] or ["All is well: there is nothing to do."]


def _license_rows(registration: Registration, now: datetime) -> list[tuple[str, str]]:
    if not registration.HasField("license"):
        return []
    license_ = registration.license
    application = license_.application
    return [
        ("Company", clean(license_.company)),
        ("Project", clean(license_.project)),
        ("Application", clean(f"{application.name} {application.version} {application.content}".rstrip())),
        ("License", clean(license_.license_id)),
        ("Expires", f"{when(license_.expires_at)} ({left(license_.expires_at, now)})"),
    ]


def _cluster_rows(registration: Registration, now: datetime) -> list[tuple[str, str]]:
    lockout, leader = registration.lockout, registration.leader
    nodes = f"{registration.nodes_licensed} of {registration.max_nodes} seats held"
    rows = [("Nodes", f"{nodes}, {registration.nodes_connected} connected, {registration.nodes_waiting} waiting")]
    if registration.HasField("registered_at"):
        rows.append(("Registered", when(registration.registered_at)))
    if registration.HasField("recovery_deadline"):
        deadline = registration.recovery_deadline
        rows.append(("Recovery", f"until {when(deadline)} ({left(deadline, now)}), then the registration resets"))
    if lockout.locked:
        rows.append(("Locked", f"until {when(lockout.locked_until)} ({left(lockout.locked_until, now)})"))
    elif lockout.wrong_codes:
        rows.append(("Wrong codes", f"{lockout.wrong_codes}, {lockout.attempts_left} attempts left"))
    if registration.HasField("release"):
        rows.append(("Released", f"{when(registration.release.released_at)}; its QR: licd release"))
    if leader.address:
        rows.append(("Leader", f"{clean(leader.address)}, epoch {leader.epoch}, since {when(leader.since)}"))
    return rows
