"""`licd status`: am I fine, and if not, what do I do."""

from collections.abc import Sequence
from datetime import datetime

import click

from licd.v1.failure_pb2 import Failure, FailureReason
from licd.v1.registration_service_pb2 import (
    GetRegistrationRequest,
    GetRegistrationResponse,
    Registration,
    RegistrationState,
)
from licd_daemon.cli.advice import DUE, advice
from licd_daemon.cli.check import failing, obstacle_lines
from licd_daemon.cli.client import Client
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.past import ended_rows, refused_lines
from licd_daemon.cli.text import certified, clean, left, length, say, say_json, short, wall_time, when

_MOST_PROBLEMS = 20
# A node above the maximum waits, and a cluster without nodes is RECOVERING: both are shown elsewhere.
_NORMAL_WHEN_REGISTERED = frozenset(
    {FailureReason.FAILURE_REASON_MAX_AUTHORIZATIONS_REACHED, FailureReason.FAILURE_REASON_NO_NODES_CONNECTED}
)
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
    obstacles = failing(client).failures if answer.registration.HasField("license") else []
    for line in describe(answer.registration, obstacles, wall_time()):
        say(line)


def describe(registration: Registration, obstacles: Sequence[Failure], now: datetime) -> list[str]:
    """The registration in lines for people, what to do at its end.

    Args:
        registration: what the daemon answered.
        obstacles: what would stand in the way of a registration, whether one is due or not.
        now: this machine's wall time, with a time zone.
    """
    state = short(RegistrationState, registration.state, "REGISTRATION_STATE_")
    rows = [("State", click.style(state, fg=_COLOURS.get(state, "red"), bold=True))]
    rows += _license_rows(registration, now) + _cluster_rows(registration, now)
    lines = [f"{name:<13}{value}" for name, value in rows]
    due = state in DUE
    problems = list(obstacles) if due else _problems(registration, state, obstacles)
    lines += refused_lines(registration.last_failures, problems)
    if due and problems:
        lines += ["", "A registration would be refused now:", *_first(problems)]
    attention = [*([] if due else problems), *registration.warnings]
    if attention:
        lines += ["", "Needs attention:", *_first(attention)]
    return [*lines, "", *advice(registration, state, now, blocked=bool(problems))]


def _problems(registration: Registration, state: str, obstacles: Sequence[Failure]) -> list[Failure]:
    """What is wrong although no registration is due: nodes that may not work, and the leader's clock."""
    if state == "REGISTERED":
        return [failure for failure in obstacles if failure.reason not in _NORMAL_WHEN_REGISTERED]
    return [registration.clock_untrusted] if registration.HasField("clock_untrusted") else []


def _first(problems: Sequence[Failure]) -> list[str]:
    lines = obstacle_lines(problems[:_MOST_PROBLEMS])
    more = len(problems) - _MOST_PROBLEMS
    return [*lines, f"... and {more} more: licd check"] if more > 0 else lines


def _license_rows(registration: Registration, now: datetime) -> list[tuple[str, str]]:
    if not registration.HasField("license"):
        return []
    license_ = registration.license
    application = license_.application
    return [
        ("Company", clean(license_.company)),
        ("Project", clean(license_.project)),
        ("Application", f"{certified(application)} {clean(application.content)}".rstrip()),
        ("License", clean(license_.license_id)),
        ("Expires", f"{when(license_.expires_at)} ({left(license_.expires_at, now)})"),
        # Daemons before 0.2 do not send it, and give none.
        ("Outage grace", length(license_.outage_grace)),
    ]


def _cluster_rows(registration: Registration, now: datetime) -> list[tuple[str, str]]:
    lockout, leader = registration.lockout, registration.leader
    nodes = f"{registration.nodes_licensed} of {registration.max_nodes} seats held"
    rows = [("Nodes", f"{nodes}, {registration.nodes_connected} connected, {registration.nodes_waiting} waiting")]
    if registration.HasField("registered_at"):
        rows.append(("Registered", when(registration.registered_at)))
    if registration.HasField("recovery_deadline"):
        deadline = registration.recovery_deadline
        rows.append(("Recovery", f"until {when(deadline)} ({left(deadline, now)}), then the registration ends"))
    if registration.HasField("recovering_since"):
        since = registration.recovering_since
        rows.append(("", f"no node that held a seat has been connected since {when(since)} ({left(since, now)})"))
    if registration.HasField("last_registration"):
        rows += ended_rows(registration.last_registration, now)
    if lockout.locked:
        rows.append(("Locked", f"until {when(lockout.locked_until)} ({left(lockout.locked_until, now)})"))
    elif lockout.wrong_codes:
        rows.append(("Wrong codes", f"{lockout.wrong_codes}, {lockout.attempts_left} attempts left"))
    if registration.HasField("release"):
        rows.append(("Released", f"{when(registration.release.released_at)}; its QR: licd release"))
    if leader.address:
        rows.append(("Leader", f"{clean(leader.address)}, epoch {leader.epoch}, since {when(leader.since)}"))
    return rows
