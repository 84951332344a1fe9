"""The console's calls on the registration, by the same operations as over gRPC.

An answer carries the registration as licd.v1 has it; `position`, the journal's, as an answer and the stream's changes
may overtake each other on their way to the page; and `now`, the daemon's effective time in ms: a browser's clock may be
wrong.
"""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from licd_daemon.console.answers import answer, plain
from licd_daemon.console.guard import body
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.operations.fields import invalid_field
from licd_daemon.operations.qr import draw
from licd_daemon.operations.registration import RegistrationOperations
from licd_daemon.rpc.caller import caller, may_scan
from licd_daemon.rpc.convert import (
    AUTH_METHOD,
    effect_message,
    failure_message,
    registration_message,
)

MAX_LICENSE_BYTES = 64 * 1024 + 1  # one byte over the limit: enough to see what a larger file is (R1)
MAX_JSON_BYTES = 4096
_SVG = {"content-type": "image/svg+xml", "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}


class Code(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends with the six digits."""

    challenge_id: str
    code: str


class RegistrationCalls:
    """The calls; roles are the guard's matter."""

    def __init__(self, operations: RegistrationOperations) -> None:
        self._operations = operations
        self._drawn = ("", "")

    def current(self) -> dict[str, Any]:
        """The registration as it stands, its position in the journal, and the daemon's time."""
        latest = self._operations.latest()
        registration = plain(registration_message(latest, scan=may_scan()))
        return {"registration": registration, "position": latest.position, "now": latest.now.wall}

    async def get(self, _: Request) -> Response:
        """The registration."""
        self._operations.current()
        return answer(self.current())

    async def upload(self, request: Request) -> Response:
        """Take a Container.lic: the body; the method is a parameter. `dry_run` only reports, `replace` goes on."""
        method = request.query_params.get("method", "")
        if method not in AUTH_METHOD.values():
            raise invalid_field("auth_method", "is not set or unknown", "Choose Local Container.")
        content = await body(request, MAX_LICENSE_BYTES)
        asked = request.query_params
        _, effect = await self._operations.upload(
            content, method, caller(), dry_run="dry_run" in asked, replace="replace" in asked
        )
        return answer({**self.current(), "effect": plain(effect_message(effect))})

    async def create_challenge(self, _: Request) -> Response:
        """Create a fresh challenge."""
        drawn = await self._operations.create_challenge(caller())
        self._drawn = (drawn.challenge.url, drawn.pictures.svg)
        return answer(self.current())

    async def submit(self, request: Request) -> Response:
        """Register the cluster with the six digits."""
        sent = read_json(await body(request, MAX_JSON_BYTES), Code)
        await self._operations.submit_code(sent.challenge_id, sent.code, caller())
        return answer(self.current())

    async def check(self, _: Request) -> Response:
        """Everything that would block a registration now; nothing while there is no license."""
        return answer({"failures": [plain(failure_message(failure)) for failure in self._operations.blocking()]})

    async def reset(self, _: Request) -> Response:
        """End the registration and every seat."""
        await self._operations.reset(caller())
        return answer(self.current())

    async def release(self, _: Request) -> Response:
        """Give the license back."""
        released, pictures = await self._operations.release(caller())
        if released.state.release is not None:
            self._drawn = (released.state.release.url, pictures.svg)
        return answer(self.current())

    async def challenge_picture(self, _: Request) -> Response:
        """The present challenge's QR."""
        challenge = self._operations.current().state.challenge
        if challenge is None:
            raise Refused(Reason.NO_SUCH_CHALLENGE, "There is no QR code: create one.")
        return Response(await self._picture(challenge.url), headers=_SVG)

    async def release_picture(self, _: Request) -> Response:
        """The sealed release's QR."""
        release = self._operations.current().state.release
        if release is None:
            raise Refused(Reason.NO_LICENSE, "Nothing was released: there is no QR.")
        return Response(await self._picture(release.url), headers=_SVG)

    async def _picture(self, url: str) -> str:
        if self._drawn[0] != url:
            self._drawn = (url, (await asyncio.to_thread(draw, url)).svg)
        return self._drawn[1]


def read_json(content: bytes, kind: type[Any]) -> Any:
    """What a page has sent, checked against `kind`.

    Raises:
        Refused: INVALID_FIELD; the content is not repeated.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise invalid_field("body", "is not what this call takes", "Load the page again.") from None
