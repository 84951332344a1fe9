"""The commands that change the registration: `licd submit`, `reset`, `release`."""

import sys

import click

from licd.v1.registration_service_pb2 import (
    GetRegistrationRequest,
    GetRegistrationResponse,
    Registration,
    ReleaseLicenseRequest,
    ReleaseLicenseResponse,
    ResetRegistrationRequest,
    ResetRegistrationResponse,
    SubmitCodeRequest,
    SubmitCodeResponse,
)
from licd_daemon.cli.client import Client
from licd_daemon.cli.errors import CallRefused
from licd_daemon.cli.options import client_command, output_option, yes_option
from licd_daemon.cli.qr_picture import show_picture
from licd_daemon.cli.text import clean, say, say_json


@click.command()
@click.argument("code")
@click.option("--challenge", "challenge_id", metavar="ID", help="The challenge.  [default: the last one created]")
@client_command
@output_option
def submit(client: Client, code: str, challenge_id: str | None, output: str) -> None:
    """Register the cluster with the six digits that the phone shows."""
    request = SubmitCodeRequest(challenge_id=challenge_id or _current_challenge(client), code=code)
    registration = client.call("RegistrationService/SubmitCode", request, SubmitCodeResponse).registration
    if output == "json":
        say_json(registration)
    else:
        say(registered(registration))


@click.command()
@yes_option
@client_command
@output_option
def reset(client: Client, yes: bool, output: str) -> None:
    """End the registration and every seat; the license stays."""
    _confirm("This ends the registration and every node's seat. Go on?", yes)
    answer = client.call("RegistrationService/ResetRegistration", ResetRegistrationRequest(), ResetRegistrationResponse)
    if output == "json":
        say_json(answer.registration)
    else:
        say("The registration has ended. To register again: licd qr")


@click.command(short_help="Give the license back, to register elsewhere.")
@yes_option
@client_command
@output_option
def release(client: Client, yes: bool, output: str) -> None:
    """End the registration for good, and show the QR that frees the license for another server."""
    _confirm("This ends the registration and every node's seat, and gives this deployment's binding up. Go on?", yes)
    answer = client.call("RegistrationService/ReleaseLicense", ReleaseLicenseRequest(), ReleaseLicenseResponse)
    if output == "json":
        say_json(answer.registration)
        return
    show_picture(answer.qr_text)
    say(f"URL        {clean(answer.registration.release.url)}")
    say("Scan it with a phone: the portal unbinds the license, which can then be uploaded on another server.")


def registered(registration: Registration) -> str:
    """What is shown after a code was accepted."""
    seats = f"{registration.nodes_licensed} of {registration.max_nodes} seats held"
    waiting = f", {registration.nodes_waiting} waiting" if registration.nodes_waiting else ""
    return f"The cluster is registered: {seats}{waiting}."


def _current_challenge(client: Client) -> str:
    answer = client.call("RegistrationService/GetRegistration", GetRegistrationRequest(), GetRegistrationResponse)
    if not answer.registration.challenge.challenge_id:
        raise CallRefused("No QR code was created since the daemon started.", "NO_SUCH_CHALLENGE")
    return answer.registration.challenge.challenge_id


def _confirm(question: str, yes: bool) -> None:
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
