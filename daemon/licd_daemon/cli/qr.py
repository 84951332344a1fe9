"""`licd qr`: the QR, and the code at the same screen.

- On a terminal it counts the challenge's life down, takes the six digits, and goes on after a wrong code until the
  daemon locks (exit code 1). An expired QR is refreshed by hand only (R7): `r`.
- Elsewhere it prints the QR once.
"""

import sys
from pathlib import Path

import click

from licd_daemon.cli.client import Client
from licd_daemon.cli.options import FILE, client_command, output_option
from licd_daemon.cli.qr_picture import challenge_lines, draw, show_picture, without_pictures
from licd_daemon.cli.text import say, say_json


@click.command()
@click.option("--png", type=FILE, help="Write the QR into this PNG file too.")
@client_command
@output_option
def qr(client: Client, png: Path | None, output: str) -> None:
    """Create a fresh QR, and take the code that the phone shows."""
    challenge = draw(client)
    if png is not None:
        _write(png, challenge.qr_png)
    if output == "json":
        say_json(without_pictures(challenge))
        return
    interactive = sys.stdin.isatty() and sys.stdout.isatty() and sys.platform != "win32"
    if interactive:
        # Only here: the modules that read keys exist on Unix only.
        from licd_daemon.cli.qr_screen import Screen

        Screen(client, challenge).run()
    else:
        show_picture(challenge.qr_text)
        say("\n".join([*challenge_lines(challenge), "Scan it with a phone, then: licd submit CODE"]))


def _write(png: Path, content: bytes) -> None:
    try:
        png.write_bytes(content)
    except OSError as error:
        raise click.UsageError(f"--png: can't write {png} ({error.strerror}): name another file") from None
