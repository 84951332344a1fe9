"""A QR in a terminal, and the challenge around it.

A phone reads dark modules on a light ground. A terminal may be dark or light, so on one every line carries its own
colours, from the fixed part of the 256-colour palette that no theme changes. That is no decoration: `NO_COLOR` leaves
it as it is.
"""

import os
import sys

import click

from licd.v1.registration_service_pb2 import Challenge, CreateChallengeRequest, CreateChallengeResponse
from licd_daemon.cli.client import Client
from licd_daemon.cli.text import clean, when

_DARK_ON_LIGHT = "\x1b[38;5;16;48;5;231m"
_LIGHT_ON_DARK = "\x1b[38;5;231;48;5;16m"
_RESET = "\x1b[0m"
_FULL_BLOCK = "█"
_BLOCKS = frozenset(" \u00a0▀▄█\n")


def draw(client: Client) -> Challenge:
    """A fresh challenge, which ends the one before."""
    return client.call(
        "RegistrationService/CreateChallenge", CreateChallengeRequest(), CreateChallengeResponse
    ).challenge


def picture(qr_text: str, *, colours: bool) -> str:
    """The QR in half blocks, one line a row, with its own colours if wanted."""
    # The daemon's blocks are not printed unchecked: anything but blocks could be an escape sequence.
    rows = "".join(each for each in qr_text if each in _BLOCKS).strip("\n").split("\n")
    if not colours:
        return "\n".join(rows)
    # The quiet zone is light: where it is shown in blocks, the blocks are the light modules.
    style = _LIGHT_ON_DARK if rows[0].startswith(_FULL_BLOCK) else _DARK_ON_LIGHT
    width = max(len(row) for row in rows)
    return "\n".join(f"{style}{row.ljust(width)}{_RESET}" for row in rows)


def show_picture(qr_text: str) -> None:
    """Print the QR, in colours of its own on a terminal."""
    on_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    click.echo(picture(qr_text, colours=on_terminal), color=on_terminal)


def challenge_lines(challenge: Challenge) -> list[str]:
    """What stands below the QR."""
    return [
        f"URL        {clean(challenge.url)}",
        f"Challenge  {clean(challenge.challenge_id)}",
        f"Expires    {when(challenge.expires_at)}",
    ]


def without_pictures(challenge: Challenge) -> Challenge:
    """The challenge for programs: its URL is enough to show it again."""
    bare = Challenge()
    bare.CopyFrom(challenge)
    for field in ("qr_png", "qr_svg", "qr_text"):
        bare.ClearField(field)
    return bare
