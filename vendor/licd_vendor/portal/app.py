"""The portal's web application.

Rules:

- `GET /Q/TOKEN` and `GET /R/TOKEN` show a button and change nothing: link previews and crawlers bind nothing (R26).
  `POST` to the same path binds and shows the digits (R25), or releases (R30). Repeating it is safe.
- Whatever is wrong with a request, the answer is a page in words: 4xx, or 503 when the database can't answer. Never
  500, and never a word of SQL.
- The log has the license's id and the verdict: no path, token, code, or project key (R25).
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import structlog
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from licd_formats.challenge import ChallengeInvalid, Purpose, SealedContent, open_sealed
from licd_vendor import clock, service
from licd_vendor.domain.release import Released
from licd_vendor.domain.scan import Refusal, RefusedScan, Shown
from licd_vendor.portal import metrics
from licd_vendor.portal.guard import CLIENT, RequestGuard
from licd_vendor.portal.language import choose
from licd_vendor.portal.limits import Limits, RateLimiter, left_of_window
from licd_vendor.portal.pages import HEADERS, Pages
from licd_vendor.portal.proxies import Proxies, limit_key
from licd_vendor.store.database import Database

STATIC = Path(__file__).parent / "static"
_UNREADABLE = RefusedScan(Refusal.UNREADABLE)
_ROUTES = {"q": "register", "r": "release", "static": "static", "healthz": "health"}
log = structlog.get_logger("licd_vendor.portal")
_Verdict = TypeVar("_Verdict", bound=Shown | Released | RefusedScan)


def create_app(
    database: Database,
    portal_key: X25519PrivateKey,
    now: Callable[[], int] = clock.now,
    proxies: Proxies = Proxies(),  # noqa: B008 (frozen)
    limits: Limits = Limits(),  # noqa: B008 (frozen)
) -> Starlette:
    """Make the portal.

    Args:
        database: The vendor's records.
        portal_key: Opens the challenges.
        now: The wall clock, Unix seconds.
        proxies: Whose X-Forwarded-For is believed.
        limits: How often codes may be asked for.
    """
    portal = _Portal(database, portal_key, now, limits)
    app = Starlette(
        routes=[
            Route("/q/{token}", portal.register, methods=["GET", "POST"]),
            Route("/r/{token}", portal.release, methods=["GET", "POST"]),
            Route("/healthz", _healthz, methods=["GET"]),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(RequestGuard, proxies, HEADERS, _ROUTES, _too_large)],
        exception_handlers={HTTPException: _on_http_error, SQLAlchemyError: _on_fault, Exception: _on_fault},
    )
    app.router.redirect_slashes = False  # behind a proxy it would lead to a host and scheme that phones can't reach
    return app


class _Portal:
    """The handlers; plain functions, so that starlette runs them in threads and the database may block."""

    def __init__(
        self, database: Database, portal_key: X25519PrivateKey, now: Callable[[], int], limits: Limits
    ) -> None:
        self._database = database
        self._portal_key = portal_key
        self._now = now
        self._limits = limits
        self._limiter = RateLimiter()

    def register(self, request: Request) -> Response:
        pages = Pages.for_request(request)
        content = self._open(request, Purpose.REGISTER)
        if content is None:
            return pages.refused(_UNREADABLE)
        if request.method != "POST":
            return pages.ask_register()
        return self._judge(request, content, Purpose.REGISTER, service.judge_scan, pages.registered)

    def release(self, request: Request) -> Response:
        pages = Pages.for_request(request)
        content = self._open(request, Purpose.RELEASE)
        if content is None:
            return pages.refused(_UNREADABLE)
        if request.method != "POST":
            return pages.ask_release()
        return self._judge(request, content, Purpose.RELEASE, service.judge_release, pages.released)

    def _judge(
        self,
        request: Request,
        content: SealedContent,
        purpose: Purpose,
        act: Callable[[Connection, SealedContent, int], _Verdict],
        show: Callable[[_Verdict], Response],
    ) -> Response:
        now = self._now()
        keys = {
            f"address {limit_key(request.scope[CLIENT])}": self._limits.per_address,
            f"license {content.license_id}": self._limits.per_license,
        }
        if self._limiter.is_full(keys, now):
            return _too_often(request, purpose, left_of_window(now))
        with self._database.writing() as connection:
            wait = self._limiter.count(connection, keys, now)
            verdict = None if wait else act(connection, content, now)
        if verdict is None:
            return _too_often(request, purpose, wait)
        name = service.name_of(verdict)
        metrics.SCANS.labels(purpose.value, name).inc()
        log.info("scanned", purpose=purpose.value, license_id=content.license_id, verdict=name)
        return show(verdict)

    def _open(self, request: Request, purpose: Purpose) -> SealedContent | None:
        try:
            return open_sealed(request.path_params["token"], self._portal_key, purpose)
        except ChallengeInvalid:
            return None


def _too_often(request: Request, purpose: Purpose, wait: int) -> Response:
    metrics.LIMITED.labels(purpose.value).inc()
    page = Pages.for_request(request).failure(lambda sentences: sentences.too_often)
    page.headers["retry-after"] = str(wait)
    return page


def _too_large(headers: Headers) -> ASGIApp:
    return Pages(choose(headers.get("accept-language", ""))).failure(lambda sentences: sentences.too_large)


def _healthz(_: Request) -> Response:
    return PlainTextResponse("ok\n")


def _on_http_error(request: Request, error: Exception) -> Response:
    wrong_method = isinstance(error, HTTPException) and error.status_code == 405
    page = Pages.for_request(request).failure(
        lambda sentences: sentences.wrong_method if wrong_method else sentences.no_such_page
    )
    if wrong_method and isinstance(error, HTTPException):
        page.headers.update(error.headers or {})
    return page


def _on_fault(request: Request, error: Exception) -> Response:
    log.error("can't answer", error=type(error).__name__)
    page = Pages.for_request(request).failure(lambda sentences: sentences.busy)
    page.headers.update(HEADERS)  # a fault outside the database is answered outside the guard
    return page
