"""What stands around every request, whatever answers it.

Rules:

- Paths ignore case. A request that brings a body of more than 4 KiB, or of a length that it does not say, is turned
  away unread.
- Every answer carries the private headers: no cache, no referrer, no script, no other site.
- One log line and one count each: route, method, status, milliseconds, client. Never a path or a query: a path is the
  sealed challenge (R25).
"""

import re
from collections.abc import Callable, Mapping

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from licd_kit.clock import stopwatch_s
from licd_vendor.portal import metrics
from licd_vendor.portal.proxies import Proxies

MAX_BODY_BYTES = 4096
CLIENT = "licd_client"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
log = structlog.get_logger("licd_vendor.access")


class RequestGuard:
    """Wraps an application."""

    def __init__(
        self,
        app: ASGIApp,
        proxies: Proxies,
        headers: Mapping[str, str],
        routes: Mapping[str, str],
        too_large: Callable[[Headers], ASGIApp],
    ) -> None:
        """Wrap `app`.

        Args:
            app: What answers.
            proxies: Whose X-Forwarded-For is believed.
            headers: The headers of every answer.
            routes: The names of the routes by the path's first segment.
            too_large: Makes the answer to a body that is too large.
        """
        self._app = app
        self._proxies = proxies
        self._headers = headers
        self._routes = routes
        self._too_large = too_large

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"].lower()
        peer = scope["client"][0] if scope["client"] else ""
        client = self._proxies.client(peer, headers.getlist("x-forwarded-for"))
        status, began = 0, stopwatch_s()

        async def send_private(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message).update(self._headers)
            await send(message)

        app = self._too_large(headers) if _brings_too_much(headers) else self._app
        try:
            await app({**scope, "path": path, CLIENT: client}, receive, send_private)
        finally:
            self._note(path, scope["method"], status, stopwatch_s() - began, client)

    def _note(self, path: str, method: str, status: int, seconds: float, client: str) -> None:
        route = self._routes.get(path.split("/", 2)[1] if path.startswith("/") else "", "other")
        method = method if method in _METHODS else "other"
        metrics.REQUESTS.labels(route, method, status).inc()
        metrics.SECONDS.labels(route).observe(seconds)
        log.info("answered", route=route, method=method, status=status, ms=round(seconds * 1000, 1), client=client)


def _brings_too_much(headers: Headers) -> bool:
    lengths = headers.getlist("content-length") or ["0"]
    return (
        "transfer-encoding" in headers
        or len(lengths) != 1
        or not re.fullmatch("[0-9]{1,4}", lengths[0])
        or int(lengths[0]) > MAX_BODY_BYTES
    )
