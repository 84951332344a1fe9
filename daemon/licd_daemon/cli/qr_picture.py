"""A QR in a terminal, and the challenge around it.

A phone reads dark modules on a light ground. A terminal may be dark or light, so on one every line carries its own
colours, from the fixed part of the 256-colour palette that no theme changes. That is no decoration: `NO_COLOR` leaves
it as it is.
"""

import os
import shutil
import sys

import click

from licd.v1.registration_service_pb2 import Challenge, CreateChallengeRequest, CreateChallengeResponse
from licd_daemon.cli.client import Client
from licd_daemon.cli.text import clean, say, when

_DARK_ON_LIGHT = "\x1b[38;5;16;48;5;231m"
_LIGHT_ON_DARK = "\x1b[38;5;231;48;5;16m"
_LIGHT, _DARK = "\x1b[48;5;231m", "\x1b[48;5;16m"
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
    rows = _rows(qr_text)
    if not colours:
        return "\n".join(rows)
    # The quiet zone is light: where it is shown in blocks, the blocks are the light modules.
    style = _LIGHT_ON_DARK if rows[0].startswith(_FULL_BLOCK) else _DARK_ON_LIGHT
    width = max(len(row) for row in rows)
    return "\n".join(f"{style}{row.ljust(width)}{_RESET}" for row in rows)


def plain_picture(qr_text: str) -> str:
    """The same in spaces of two colours, two for each module, for a terminal whose encoding has no blocks."""
    rows = _rows(qr_text)
    width = max(len(row) for row in rows)
    blocks_are_light = rows[0].startswith(_FULL_BLOCK)
    lines = []
    for row in rows:
        for filled in ("▀█", "▄█"):
            light = [(each in filled) == blocks_are_light for each in row.ljust(width)]
            lines.append("".join(f"{_LIGHT if each else _DARK}  " for each in light) + _RESET)
    return "\n".join(lines)


def _rows(qr_text: str) -> list[str]:
    # The daemon's blocks are not printed unchecked: anything but blocks could be an escape sequence.
    return "".join(each for each in qr_text if each in _BLOCKS).strip("\n").split("\n")


def show_picture(qr_text: str) -> None:
    """Print the QR, in colours of its own on a terminal; where that can't show one, how to have it all the same."""
    on_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if _encodes_blocks(sys.stdout.encoding):
        click.echo(picture(qr_text, colours=on_terminal), color=on_terminal)
    elif on_terminal and shutil.get_terminal_size().columns >= 2 * len(_rows(qr_text)[0]):
        click.echo(plain_picture(qr_text), color=True)
    else:
        say("This encoding has no QR: open the URL on the phone, or set LC_ALL=C.UTF-8.")


def _encodes_blocks(encoding: str | None) -> bool:
    try:
        "▀▄█".encode(encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


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
