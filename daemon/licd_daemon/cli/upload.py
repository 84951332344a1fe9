"""`licd upload`: a Container.lic to the daemon, after a question where it would cost something (R2).

- On a terminal the refusal WOULD_END_REGISTRATION becomes a question: what would be lost, and whether to go on.
- Elsewhere it stays a refusal (exit code 1), which names `--replace`.
- `--dry-run` shows what an upload would change, and changes nothing.
"""

import sys
from typing import BinaryIO

import click

from licd.v1.registration_service_pb2 import (
    AuthMethod,
    Registration,
    RegistrationState,
    UploadEffect,
    UploadLicenseRequest,
    UploadLicenseResponse,
)
from licd_daemon.cli.check import obstacle_lines
from licd_daemon.cli.client import Client
from licd_daemon.cli.errors import CallRefused
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.qr_picture import challenge_lines, draw, show_picture, without_pictures
from licd_daemon.cli.text import certified, clean, say, say_json, when

# One byte over the limit (R1) is enough for the daemon, which judges it, to see that the file is too large.
_READ_BYTES = 64 * 1024 + 1
_AUTH_METHODS = {"LOCAL_CONTAINER": AuthMethod.AUTH_METHOD_LOCAL_CONTAINER}
_REGISTERED = frozenset(
    {RegistrationState.REGISTRATION_STATE_REGISTERED, RegistrationState.REGISTRATION_STATE_RECOVERING}
)


@click.command(short_help="Upload a Container.lic, and show the QR.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--auth-method",
    type=click.Choice(list(_AUTH_METHODS)),
    default="LOCAL_CONTAINER",
    show_default=True,
    help="How the license is authenticated.",
)
@click.option("--replace", is_flag=True, help="Go on although a registration, a seat or the way to one ends.")
@click.option("--dry-run", is_flag=True, help="Only show what the upload would change.")
@client_command
@output_option
def upload(client: Client, file: BinaryIO, auth_method: str, replace: bool, dry_run: bool, output: str) -> None:
    """Upload a Container.lic (- reads it from the standard input) and show the QR to scan."""
    request = UploadLicenseRequest(
        content=file.read(_READ_BYTES), auth_method=_AUTH_METHODS[auth_method], replace=replace, dry_run=dry_run
    )
    if not dry_run:
        _show_uploaded(client, _send_or_ask(client, request), output)
    elif output == "json":
        say_json(_send(client, request))
    else:
        say("\n".join(effect_lines(_send(client, request))))


def _send(client: Client, request: UploadLicenseRequest) -> UploadLicenseResponse:
    return client.call("RegistrationService/UploadLicense", request, UploadLicenseResponse)


def _send_or_ask(client: Client, request: UploadLicenseRequest) -> UploadLicenseResponse:
    try:
        return _send(client, request)
    except CallRefused as refusal:
        if refusal.reason != "WOULD_END_REGISTRATION" or not sys.stdin.isatty():
            raise
        say(clean(refusal.message), err=True)
    request.dry_run = True
    say("\n".join(effect_lines(_send(client, request))), err=True)
    click.confirm("Go on?", abort=True, err=True)
    request.dry_run, request.replace = False, True
    return _send(client, request)


def _show_uploaded(client: Client, answer: UploadLicenseResponse, output: str) -> None:
    registration = answer.registration
    text = output == "text"
    if text:
        say(f"The license is accepted: {_terms(registration)}.")
    if registration.state == RegistrationState.REGISTRATION_STATE_REGISTERED:
        if text:
            say("The cluster stays registered: there is nothing to scan.")
    else:
        challenge = draw(client)
        registration.challenge.CopyFrom(without_pictures(challenge))
        if text:
            show_picture(challenge.qr_text)
            say("\n".join([*challenge_lines(challenge), *_in_the_way(answer.effect)]))
            say("Scan it with a phone, then: licd submit CODE")
    if not text:
        say_json(registration)


def _terms(registration: Registration) -> str:
    license_ = registration.license
    return f"{clean(license_.company)}, {license_.max_nodes} nodes, until {when(license_.expires_at)}"


def effect_lines(answer: UploadLicenseResponse) -> list[str]:
    """What a dry run has answered, in lines for people."""
    effect, license_ = answer.effect, answer.effect.license
    application, until = certified(license_.application), when(license_.expires_at)
    terms = f"{clean(license_.company)}, {application}, {license_.max_nodes} nodes, until {until}"
    rows = [("License", terms), ("Registration", _registration(answer))]
    rows.append(("Seats", f"{effect.seats_lost} would be lost" if effect.seats_lost else "none would be lost"))
    if effect.nodes_rejected:
        rows.append(("Not admitted", ", ".join(clean(node.name) for node in effect.nodes_rejected)))
    open_way = ["Nothing would block a registration."]
    return ["With this license:", *(f"{name:<14}{value}" for name, value in rows), *(_in_the_way(effect) or open_way)]


def _registration(answer: UploadLicenseResponse) -> str:
    if answer.effect.ends_registration:
        return "would end; the cluster would need another scan"
    return "would go on" if answer.registration.state in _REGISTERED else "none"


def _in_the_way(effect: UploadEffect) -> list[str]:
    if not effect.failures:
        return []
    return ["A registration would be refused now:", *obstacle_lines(effect.failures)]
