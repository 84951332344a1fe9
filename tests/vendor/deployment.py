"""The two who meet at the portal: a deployment that draws challenges as a daemon does, and a phone that scans them."""

import dataclasses
import http.client
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.waiting import eventually

from licd_formats import challenge, strict
from licd_formats.challenge import NO_PREDECESSOR, Purpose, SealedContent
from licd_formats.license import License


def logged_answers(entries: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """What the portal has logged of its answers, once there are `count`: each is logged when it has been sent."""

    def found() -> list[Mapping[str, Any]]:
        return [entry for entry in entries if entry["event"] == "answered"]

    eventually(lambda: len(found()) >= count)
    return found()


@dataclass
class Clock:
    """A wall clock that tests set."""

    now: int

    def __call__(self) -> int:
        return self.now


@dataclass
class Deployment:
    """What a daemon keeps in its journal: its project key, and the challenge that last registered it."""

    license: License
    clock: Clock
    project_key: bytes = field(default_factory=lambda: os.urandom(16))
    predecessor: bytes = NO_PREDECESSOR
    clock_offset: int = 0

    def draw(self, code: str = "042195", node_count: int = 2) -> SealedContent:
        """Draw a challenge, as CreateChallenge does."""
        return SealedContent(
            license_id=self.license.license_id,
            project_key=self.project_key,
            challenge_id=os.urandom(8),
            created_at=self.clock() + self.clock_offset,
            predecessor=self.predecessor,
            node_count=node_count,
            code=code,
        )

    def seal(self, content: SealedContent, purpose: Purpose = Purpose.REGISTER) -> str:
        return challenge.seal(content, strict.decode_base64url(self.license.portal.public_key, "key"), purpose)

    def qr(self, code: str = "042195") -> str:
        """The path of a fresh QR."""
        return challenge.url_of("", self.seal(self.draw(code)), Purpose.REGISTER)

    def release_qr(self) -> str:
        content = dataclasses.replace(self.draw(), code=challenge.RELEASE_CODE)
        return challenge.url_of("", self.seal(content, Purpose.RELEASE), Purpose.RELEASE)

    def registered_with(self, content: SealedContent) -> None:
        """The code was accepted: the challenge becomes the next one's predecessor."""
        self.predecessor = content.challenge_id

    def copy(self) -> "Deployment":
        """The data directory, copied."""
        return dataclasses.replace(self)


@dataclass(frozen=True)
class Page:
    """What the phone shows."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def digits(self) -> list[str]:
        return re.findall(r"\b[0-9]{6}\b", self.text)

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.text)
        return found[1].replace("&#39;", "'") if found else ""


@dataclass(frozen=True)
class Phone:
    """A browser without script."""

    host: str
    port: int

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Page:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, fields, answer.read().decode())
        finally:
            connection.close()

    def look(self, path: str) -> Page:
        return self.ask("GET", path)

    def tap(self, path: str) -> Page:
        return self.ask("POST", path)
