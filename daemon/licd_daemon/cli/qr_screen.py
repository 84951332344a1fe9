"""The screen of `licd qr`: the QR stays above, one line below it is rewritten each second and takes the keys.

Keys: digits, backspace, Enter to submit, `r` for a new QR, Ctrl-C to end. Enter is wanted, because a mistyped code
counts.
"""

import os
import select
import shutil
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import click

from licd.v1.registration_service_pb2 import Challenge, SubmitCodeRequest, SubmitCodeResponse
from licd_daemon.cli.client import Client
from licd_daemon.cli.errors import CallRefused
from licd_daemon.cli.qr_picture import challenge_lines, draw, show_picture
from licd_daemon.cli.registering import registered
from licd_daemon.cli.text import clean, say, wall_time

_DIGITS = 6
_BACKSPACE = "\x7f\b"
_ENTER = "\r\n"
_CLEAR_LINE = "\r\x1b[K"
_TICK_SECONDS = 1.0
_LONGEST_LIFE_S = 86_400  # whatever the daemon says
_GONE = frozenset({"CHALLENGE_EXPIRED", "NO_SUCH_CHALLENGE"})


class Screen:
    """One sitting in front of the QR."""

    def __init__(self, client: Client, challenge: Challenge) -> None:
        self._client = client
        self._typed = ""
        self._expired = False
        self._registered = False
        self._show(challenge)

    def run(self) -> None:
        """Go on until the cluster is registered.

        Raises:
            CallRefused: locked, or refused for a reason that typing cannot fix.
            Unreachable: the daemon is gone.
            click.Abort: Ctrl-C, or the terminal is gone.
        """
        with _keys_at_once():
            while not self._registered:
                self._tick()
                for key in _keys():
                    self._press(key)

    def _show(self, challenge: Challenge) -> None:
        # The life is the daemon's, the count is ours: the two clocks need not agree.
        life_s = min(challenge.expires_at.seconds - challenge.created_at.seconds, _LONGEST_LIFE_S)
        self._challenge, self._deadline = challenge, wall_time() + timedelta(seconds=life_s)
        self._typed, self._expired = "", False
        show_picture(challenge.qr_text)
        say("\n".join([*challenge_lines(challenge), "Scan it with a phone, then type the code that it shows."]))

    def _tick(self) -> None:
        left = int((self._deadline - wall_time()).total_seconds())
        if left <= 0 and not self._expired:
            self._expire()
        code = self._typed.ljust(_DIGITS, "_")
        life = "expired" if self._expired else f"{left // 60}:{left % 60:02} left"
        line = f"Code: {code}  {life}  (Enter: submit, r: new QR, Ctrl-C: end)"
        # A line that wraps could not be rewritten.
        click.echo(_CLEAR_LINE + line[: shutil.get_terminal_size().columns - 1], nl=False)

    def _expire(self) -> None:
        self._typed, self._expired = "", True
        self._print("The QR has expired: press r for a new one.")

    def _print(self, text: str) -> None:
        click.echo(_CLEAR_LINE, nl=False)
        say(text)

    def _press(self, key: str) -> None:
        if key in "rR":
            click.echo(_CLEAR_LINE, nl=False)
            self._show(draw(self._client))
        elif key in _BACKSPACE:
            self._typed = self._typed[:-1]
        elif key in _ENTER:
            self._enter()
        elif key.isascii() and key.isdigit() and len(self._typed) < _DIGITS and not self._expired:
            self._typed += key

    def _enter(self) -> None:
        if self._expired:
            self._print("The QR has expired: press r for a new one.")
        elif len(self._typed) < _DIGITS:
            self._print("The code has six digits.")
        else:
            self._submit()

    def _submit(self) -> None:
        request = SubmitCodeRequest(challenge_id=self._challenge.challenge_id, code=self._typed)
        try:
            answer = self._client.call("RegistrationService/SubmitCode", request, SubmitCodeResponse)
        except CallRefused as refused:
            self._refuse(refused)
        else:
            self._registered = True
            self._print(registered(answer.registration))

    def _refuse(self, refused: CallRefused) -> None:
        if refused.reason == "WRONG_CODE":
            self._typed = ""
            attempts = clean(refused.metadata.get("attempts_left", "?"))
            self._print(f"Wrong code; attempts left before the lock: {attempts}.")
        elif refused.reason == "REGISTRATION_REFUSED":
            # The code was right and stays usable (R8): it is not to be typed again.
            self._print("\n".join([*refused.lines(), "Fix this, then press Enter: the code is still good."]))
        elif refused.reason in _GONE:
            self._expire()
        else:
            click.echo(_CLEAR_LINE, nl=False)
            raise refused


def _keys() -> Iterator[str]:
    """The keys pressed within a tick."""
    readable, _, _ = select.select([sys.stdin], [], [], _TICK_SECONDS)
    if readable:
        pressed = os.read(sys.stdin.fileno(), 64)
        if not pressed:
            raise click.Abort
        yield from pressed.decode(errors="ignore")


@contextmanager
def _keys_at_once() -> Iterator[None]:
    """Keys come one by one and unseen; the terminal is as before afterwards, whatever happens."""
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
