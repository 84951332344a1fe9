"""R26: 100,000 tokens that nobody has sealed, random and mutated: none can be read, and none binds.

All are put to what opens a challenge; many go into the application as the web server would hand them over, and some go
over HTTP. With a number given, that many go into the application too, on each database (3 minutes for 100,000):

    LICD_TEST_TOKENS=100000 pytest --timeout 1200 tests/vendor/test_fuzz.py
"""

import asyncio
import os
import random
import string
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp, Message
from support.vendor import TestVendor
from vendor.conftest import no_passphrase
from vendor.deployment import Clock, Deployment, Phone
from vendor.test_portal import bindings_in_force

from licd_formats.challenge import ChallengeInvalid, Purpose, open_sealed
from licd_formats.license import License
from licd_vendor import keys
from licd_vendor.portal.app import create_app
from licd_vendor.store.database import Database

GIVEN = int(os.environ.get("LICD_TEST_TOKENS", "0"))
TOKENS, IN_APPLICATION, OVER_HTTP = GIVEN or 100_000, GIVEN or 3_000, 300
BASE32 = string.ascii_uppercase + "234567"
STRANGE = string.printable.replace("/", "").replace("?", "").replace("#", "") + "äß漢\x00\u2028"


def mutated(token: str, draw: random.Random) -> str:
    """The token, changed somewhere or replaced."""
    at, way = draw.randrange(len(token)), draw.randrange(8)
    match way:
        case 0:
            return token[:at] + draw.choice(BASE32.replace(token[at], "")) + token[at + 1 :]
        case 1:
            return token[:at] + draw.choice(STRANGE) + token[at + 1 :]
        case 2:
            return token[:at]
        case 3:
            return token + "".join(draw.choices(BASE32, k=draw.randrange(1, 9)))
        case 4:
            return token[at:] + token[:at] if at else token[::-1]
        case 5:
            return "".join(draw.choices(BASE32, k=len(token)))
        case 6:
            return "".join(draw.choices(STRANGE, k=draw.randrange(1, 400)))
        case _:
            flips = set(draw.choices(range(len(token)), k=5))
            return "".join(draw.choice(BASE32) if here in flips else each for here, each in enumerate(token))


def is_foreign(token: str, sealed: str) -> bool:
    return token.upper() != sealed


def test_r26_100000_tokens_open_to_nothing(vendor: TestVendor, clock: Clock) -> None:
    draw, sealed = random.Random(26), Deployment(vendor.license(), clock).qr().rpartition("/")[2]
    tried = 0
    while tried < TOKENS:
        token = mutated(sealed, draw)
        if is_foreign(token, sealed):
            tried += 1
            with pytest.raises(ChallengeInvalid):
                open_sealed(token, vendor.portal, Purpose.REGISTER if tried % 2 else Purpose.RELEASE)


async def status_of(app: ASGIApp, method: str, path: str) -> int:
    """What the application answers to the server."""
    answers: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        answers.append(message)

    scope: dict[str, Any] = {
        "type": "http", "method": method, "path": path, "raw_path": b"", "query_string": b"", "headers": [],
        "client": ("203.0.113.7", 1), "server": ("portal", 80), "scheme": "http", "http_version": "1.1",
        "root_path": "",
    }  # fmt: skip
    await app(scope, receive, send)
    return int(answers[0]["status"])


def test_r26_no_token_makes_the_application_stumble(
    home: Path, database: Database, license_: License, clock: Clock
) -> None:
    app, draw = create_app(database, keys.load_portal(home, no_passphrase), clock), random.Random(500)
    sealed = Deployment(license_, clock).qr().rpartition("/")[2]

    async def try_all() -> set[int]:
        statuses = set()
        for at in range(IN_APPLICATION):
            token = mutated(sealed, draw)
            if is_foreign(token, sealed):
                statuses.add(await status_of(app, ("POST", "GET")[at % 4 == 0], f"/{'QR'[at % 2]}/{token}"))
        return statuses

    assert asyncio.run(try_all()) == {404}
    assert bindings_in_force(database, license_) == 0


def test_r26_no_token_makes_the_portal_stumble(
    phone: Phone, license_: License, database: Database, clock: Clock
) -> None:
    draw, sealed = random.Random(80), Deployment(license_, clock).qr().rpartition("/")[2]
    for _ in range(OVER_HTTP):
        token = mutated(sealed, draw)
        if is_foreign(token, sealed) and token.isascii() and token.isprintable() and " " not in token:
            page = phone.tap(f"/Q/{token}")
            assert (page.status, page.digits) in ((404, []), (400, []))
    assert bindings_in_force(database, license_) == 0
