"""The console as a program sees it: HTTP with a cookie, as its pages send it."""

import http.client
import json
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

WAIT_S = 10


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    content: bytes

    @property
    def json(self) -> Any:
        """The content as JSON."""
        return json.loads(self.content)

    @property
    def refused(self) -> str:
        """The reason of a refusal, or ""."""
        return str(self.json.get("refused", {}).get("reason", ""))


class Console:
    """One browser's view of a daemon's console or ops port. `ca`: PEM; None: plaintext."""

    def __init__(self, url: str, ca: bytes | None = None) -> None:
        self._where = urlsplit(url)
        self._ca = ca
        self.cookie = ""

    def connect(self) -> http.client.HTTPConnection:
        """A connection of its own."""
        host, port = self._where.hostname or "", self._where.port
        if self._ca is None:
            return http.client.HTTPConnection(host, port, timeout=WAIT_S)
        context = ssl.create_default_context(cadata=self._ca.decode())
        return http.client.HTTPSConnection(host, port, timeout=WAIT_S, context=context)

    def request(self, method: str, path: str, body: bytes | None = None, /, **headers: str) -> Answer:
        """One request. Header names with _ for -."""
        connection = self.connect()
        try:
            connection.request(method, path, body, self._headers(headers))
            response = connection.getresponse()
            cookies = response.headers.get_all("set-cookie") or []
            lowered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, lowered, cookies, response.read())
        finally:
            connection.close()

    def _headers(self, headers: dict[str, str]) -> dict[str, str]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return {**({"cookie": self.cookie} if self.cookie else {}), **named}

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return self.request("GET", path, **headers)

    def post(self, path: str, content: object = None, **headers: str) -> Answer:
        """POST as the page does it: JSON, or bytes as they are."""
        body = content if isinstance(content, bytes) else json.dumps({} if content is None else content).encode()
        headers = {"x_licd": "test", **headers}
        return self.request("POST", path, body, **headers)

    def log_in(self, token: str) -> Answer:
        """Logs in with a token, and keeps the cookie."""
        return self._kept(self.post("/api/login", {"token": token}))

    def follow_link(self, link: str) -> Answer:
        """Logs in with the link that logs in once."""
        return self._kept(self.post("/api/login", {"link": urlsplit(link).fragment}))

    def _kept(self, answer: Answer) -> Answer:
        if answer.cookies:
            self.cookie = answer.cookies[0].partition(";")[0]
        return answer

    def live(self, query: str) -> Generator[tuple[str, Any], None, None]:
        """The stream's news, as they come, until it ends."""
        connection = self.connect()
        try:
            connection.request("GET", f"/api/live?{query}", headers=self._headers({}))
            response = connection.getresponse()
            assert response.status == 200, response.read()
            topic = ""
            for line in response:
                if line.startswith(b"event: "):
                    topic = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    yield topic, json.loads(line[6:])
        finally:
            connection.close()
