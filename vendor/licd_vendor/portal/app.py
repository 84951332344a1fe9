"""The portal's web application.

Rules:

- `GET /Q/TOKEN` and `GET /R/TOKEN` show a button and change nothing: link previews and crawlers bind nothing (R26).
  `POST` to the same path binds and shows the digits (R25), or releases (R30). Repeating it is safe.
- Paths ignore case. Whatever is wrong with a request, the answer is a page in words: 4xx, or 503 when the database
  can't answer. Never 500, and never a word of SQL.
- No request has a body worth reading; one that brings more than 1 KiB is turned away unread.
- The log has the license's id and the verdict: no path, token, code, or project key (R25).
"""

import re
from collections.abc import Callable
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from licd_daemon.formats.challenge import ChallengeInvalid, Purpose, SealedContent, open_sealed
from licd_vendor import clock, service
from licd_vendor.domain.scan import Refusal, Refused
from licd_vendor.portal import pages, words
from licd_vendor.store.database import Database

MAX_BODY_BYTES = 1024
_UNREADABLE = Refused(Refusal.UNREADABLE)
_log = structlog.get_logger("licd_vendor.portal")


def create_app(database: Database, portal_key: X25519PrivateKey, now: Callable[[], int] = clock.now) -> Starlette:
    """Make the portal.

    Args:
        database: The vendor's records.
        portal_key: Opens the challenges.
        now: The wall clock, Unix seconds.
    """
    portal = _Portal(database, portal_key, now)
    app = Starlette(
        routes=[
            Route("/q/{token}", portal.register, methods=["GET", "POST"]),
            Route("/r/{token}", portal.release, methods=["GET", "POST"]),
            Route("/healthz", _healthz, methods=["GET"]),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(_Guard)],
        exception_handlers={HTTPException: _on_http_error, SQLAlchemyError: _on_fault, Exception: _on_fault},
    )
    app.router.redirect_slashes = False  # behind a proxy it would lead to a host and scheme that phones can't reach
    return app


class _Portal:
    """The handlers; plain functions, so that starlette runs them in threads and the database may block."""

    def __init__(self, database: Database, portal_key: X25519PrivateKey, now: Callable[[], int]) -> None:
        self._database = database
        self._portal_key = portal_key
        self._now = now

    def register(self, request: Request) -> Response:
        content = self._open(request, Purpose.REGISTER)
        if content is None:
            return pages.refused(_UNREADABLE)
        if request.method != "POST":
            return pages.ask_register()
        verdict = service.register(self._database, content, self._now())
        _log.info("scanned", license_id=content.license_id, verdict=service.name_of(verdict))
        return pages.registered(verdict)

    def release(self, request: Request) -> Response:
        content = self._open(request, Purpose.RELEASE)
        if content is None:
            return pages.refused(_UNREADABLE)
        if request.method != "POST":
            return pages.ask_release()
        verdict = service.release_license(self._database, content, self._now())
        _log.info("release scanned", license_id=content.license_id, verdict=service.name_of(verdict))
        return pages.released(verdict)

    def _open(self, request: Request, purpose: Purpose) -> SealedContent | None:
        try:
            return open_sealed(request.path_params["token"], self._portal_key, purpose)
        except ChallengeInvalid:
            return None


class _Guard:
    """Folds the path's case, turns large bodies away, and puts the private headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_private(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(pages.HEADERS)
            await send(message)

        app = pages.failure(words.TOO_LARGE) if _brings_too_much(Headers(scope=scope)) else self._app
        await app({**scope, "path": scope["path"].lower()}, receive, send_private)


def _brings_too_much(headers: Headers) -> bool:
    length = headers.get("content-length", "0")
    return "transfer-encoding" in headers or not re.fullmatch("[0-9]{1,4}", length) or int(length) > MAX_BODY_BYTES


def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _on_http_error(_: Request, error: Exception) -> Response:
    wrong_method = isinstance(error, HTTPException) and error.status_code == words.WRONG_METHOD.status
    page = pages.failure(words.WRONG_METHOD if wrong_method else words.NO_SUCH_PAGE)
    if wrong_method and isinstance(error, HTTPException):
        page.headers.update(error.headers or {})
    return page


def _on_fault(_: Request, error: Exception) -> Response:
    _log.error("can't answer", error=type(error).__name__)
    page = pages.failure(words.BUSY)
    page.headers.update(pages.HEADERS)  # a fault outside the database is answered outside the guard
    return page
