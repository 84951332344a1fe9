"""The commands that change the registration: `licd upload`, `submit`, `reset`, `release`."""

import sys
from typing import BinaryIO

import click

from licd.v1.registration_service_pb2 import (
    AuthMethod,
    CreateChallengeRequest,
    CreateChallengeResponse,
    GetRegistrationRequest,
    GetRegistrationResponse,
    Registration,
    RegistrationState,
    ReleaseLicenseRequest,
    ReleaseLicenseResponse,
    ResetRegistrationRequest,
    ResetRegistrationResponse,
    SubmitCodeRequest,
    SubmitCodeResponse,
    UploadLicenseRequest,
    UploadLicenseResponse,
)
from licd_daemon.cli.client import Client
from licd_daemon.cli.errors import Refused
from licd_daemon.cli.options import client_command, output_option, yes_option
from licd_daemon.cli.qr_picture import challenge_lines, show_picture, without_pictures
from licd_daemon.cli.text import clean, say, say_json, when

# One byte over the limit (R1) is enough for the daemon, which judges it, to see that the file is too large.
_READ_BYTES = 64 * 1024 + 1
_AUTH_METHODS = {"LOCAL_CONTAINER": AuthMethod.AUTH_METHOD_LOCAL_CONTAINER}


@click.command(short_help="Upload a Container.lic, and show the QR.")
@click.argument("file", type=click.File("rb"))
@click.option(
    "--auth-method",
    type=click.Choice(list(_AUTH_METHODS)),
    default="LOCAL_CONTAINER",
    show_default=True,
    help="How the license is authenticated.",
)
@client_command
@output_option
def upload(client: Client, file: BinaryIO, auth_method: str, output: str) -> None:
    """Upload a Container.lic (- reads it from the standard input) and show the QR to scan."""
    request = UploadLicenseRequest(content=file.read(_READ_BYTES), auth_method=_AUTH_METHODS[auth_method])
    registration = client.call("RegistrationService/UploadLicense", request, UploadLicenseResponse).registration
    license_ = registration.license
    if output == "text":
        terms = f"{clean(license_.company)}, {license_.max_nodes} nodes, until {when(license_.expires_at)}"
        say(f"The license is accepted: {terms}.")
    if registration.state == RegistrationState.REGISTRATION_STATE_REGISTERED:
        if output == "text":
            say("The cluster stays registered: there is nothing to scan.")
    else:
        challenge = client.call(
            "RegistrationService/CreateChallenge", CreateChallengeRequest(), CreateChallengeResponse
        ).challenge
        registration.challenge.CopyFrom(without_pictures(challenge))
        if output == "text":
            show_picture(challenge.qr_text)
            say("\n".join([*challenge_lines(challenge), "Scan it with a phone, then: licd submit CODE"]))
    if output == "json":
        say_json(registration)


@click.command()
@click.argument("code")
@click.option("--challenge", "challenge_id", metavar="ID", help="The challenge.  [default: the last one drawn]")
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
        say("The registration is over. To register anew: licd qr")


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
    """What is said after a code was accepted."""
    seats = f"{registration.nodes_licensed} of {registration.max_nodes} seats held"
    waiting = f", {registration.nodes_waiting} waiting" if registration.nodes_waiting else ""
    return f"The cluster is registered: {seats}{waiting}."


def _current_challenge(client: Client) -> str:
    answer = client.call("RegistrationService/GetRegistration", GetRegistrationRequest(), GetRegistrationResponse)
    if not answer.registration.challenge.challenge_id:
        raise Refused("No QR was drawn since the daemon started.", "NO_SUCH_CHALLENGE")
    return answer.registration.challenge.challenge_id


def _confirm(question: str, yes: bool) -> None:
    if not yes and sys.stdin.isatty():
        click.confirm(question, abort=True, err=True)
