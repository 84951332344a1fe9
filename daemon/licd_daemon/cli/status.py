"""`licd status`: am I fine, and if not, what do I do."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from licd.v1.failure_pb2 import Failure
from licd.v1.registration_service_pb2 import (
    GetRegistrationRequest,
    GetRegistrationResponse,
    Registration,
    RegistrationState,
)
from licd_daemon.cli.check import failing, obstacle_lines
from licd_daemon.cli.client import Client
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.text import clean, failure_lines, left, local, say, say_json, short, when

_WARN_DAYS = 30
_TO_BE_REGISTERED = frozenset({"UNREGISTERED", "RECOVERING"})
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
    state = short(RegistrationState, answer.registration.state, "REGISTRATION_STATE_")
    obstacles = failing(client).failures if state in _TO_BE_REGISTERED else []
    for line in describe(answer.registration, obstacles, datetime.now(UTC)):
        say(line)


def describe(registration: Registration, obstacles: Sequence[Failure], now: datetime) -> list[str]:
    """The registration in lines for people, what to do at its end.

    Args:
        registration: what the daemon said.
        obstacles: what stands in the way of a registration that is due.
        now: this machine's wall time, with a time zone.
    """
    state = short(RegistrationState, registration.state, "REGISTRATION_STATE_")
    rows = [("State", click.style(state, fg=_COLOURS.get(state, "red"), bold=True))]
    rows += _license_rows(registration, now) + _cluster_rows(registration, now)
    lines = [f"{name:<13}{value}" for name, value in rows]
    if past := [failure for failure in registration.last_failures if failure not in obstacles]:
        lines += ["", "The last upload or registration was refused:", *failure_lines(past)]
    if obstacles:
        lines += ["", "A registration would be refused now:", *obstacle_lines(obstacles)]
    return [*lines, "", *advice(registration, state, now, blocked=bool(obstacles))]


def advice(registration: Registration, state: str, now: datetime, *, blocked: bool) -> list[str]:
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
            first = "Mend what stands in the way; then scan" if blocked else "Scan"
            todo.append(f"{first} the QR with a phone and type the code: licd qr")
        case "RECOVERING":
            todo.append("Bring back a node that held a seat, before the recovery deadline; or register anew: licd qr")
        case "EXPIRED":
            todo.append(f"Ask {vendor} for a new Container.lic, then: licd upload Container.lic")
    if state == "REGISTERED" and (local(license_.expires_at) - now).days < _WARN_DAYS:
        todo.append(f"The license expires soon: ask {vendor} for a reissue, then: licd upload Container.lic")
    if registration.nodes_waiting:
        todo.append(f"Nodes wait for a seat: stop or evict others (licd nodes), or ask {vendor} for more.")
    idle = registration.nodes_connected - registration.nodes_licensed - registration.nodes_waiting
    if state == "REGISTERED" and idle > 0:
        todo.append(f"Nodes connected without a seat, nor in line for one: {idle}; see why: licd nodes")
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
