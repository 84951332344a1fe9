"""The staff page's web application.

Rules:

- Nothing is shown, and nothing done, without a login; what is done is in the audit table under that name.
- `GET` changes nothing. Every act is a POST of a form, and what can't be undone asks for a tick first.
- The headers are the portal's, but for the referrer policy: without it browsers would not send a form's origin.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from urllib.parse import parse_qs

import structlog
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from licd_kit.web.origin import is_own_site
from licd_vendor import clock, service, views
from licd_vendor.domain.settle import Side
from licd_vendor.errors import RefusedError
from licd_vendor.portal.guard import RequestGuard
from licd_vendor.portal.pages import HEADERS
from licd_vendor.portal.proxies import Proxies
from licd_vendor.spans import span
from licd_vendor.staff import login
from licd_vendor.staff.login import Door, Visitor
from licd_vendor.store.database import Database

Form = Mapping[str, str]
Handler = Callable[[Request, Form, Visitor], Response]
Endpoint = Callable[[Request], Awaitable[Response]]
_HEADERS = {**HEADERS, "referrer-policy": "same-origin"}
_ROUTES = {"": "licenses", "licenses": "license", "alerts": "alerts", "audit": "audit", "login": "login"}
_MOST_ROWS = 500
_TEMPLATES = Environment(
    loader=PackageLoader("licd_vendor.staff"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters["span"] = span
log = structlog.get_logger("licd_vendor.staff")


def create_staff_app(
    database: Database,
    now: Callable[[], int] = clock.now,
    proxies: Proxies = Proxies(),  # noqa: B008 (frozen)
) -> Starlette:
    """Make the staff's page.

    Args:
        database: The vendor's records.
        now: The wall clock, Unix seconds.
        proxies: Whose X-Forwarded-For is believed.
    """
    staff = _Staff(database, now)
    app = Starlette(
        routes=[
            Route("/login", staff.ask, methods=["GET"]),
            Route("/login", staff.enter, methods=["POST"]),
            Route("/logout", staff.inside(staff.leave), methods=["POST"]),
            Route("/", staff.inside(staff.licenses)),
            Route("/licenses/{license_id}", staff.inside(staff.license)),
            Route("/licenses/{license_id}/unbind", staff.inside(staff.unbind), methods=["POST"]),
            Route("/licenses/{license_id}/revoke", staff.inside(staff.revoke), methods=["POST"]),
            Route("/alerts", staff.inside(staff.alerts)),
            Route("/alerts/{alert_id:int}/settle", staff.inside(staff.settle), methods=["POST"]),
            Route("/audit", staff.inside(staff.audit)),
            Route("/healthz", lambda _: PlainTextResponse("ok\n")),
            Mount("/static", StaticFiles(directory=Path(__file__).parent / "static")),
        ],
        middleware=[Middleware(RequestGuard, proxies, _HEADERS, _ROUTES, lambda _: _message("That was too much", 413))],
        exception_handlers={HTTPException: _on_http_error, ClientDisconnect: _on_disconnect, Exception: _on_fault},
    )
    app.router.redirect_slashes = False
    return app


class _Staff:
    """The handlers."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now
        self._door = Door(database, now)

    def inside(self, handler: Handler) -> Endpoint:
        """Run a handler in a thread for who is logged in; send everybody else to the login."""

        def run(request: Request, form: Form) -> Response:
            visitor = self._door.visitor(request)
            if visitor is None:
                return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
            if request.method == "POST" and not login.is_own_form(request, visitor, form.get("csrf", "")):
                return _message("This form is not of your session: go back, reload the page, and try again", 403)
            try:
                return handler(request, form, visitor)
            except RefusedError as refusal:
                return _message(str(refusal), 409)

        return _with_form(run)

    async def ask(self, _: Request) -> Response:
        return _page("login.html", problem="")

    async def enter(self, request: Request) -> Response:
        return await _with_form(self._enter)(request)

    def _enter(self, request: Request, form: Form) -> Response:
        if not is_own_site(request):
            return _message("This form is not of this site", 403)
        verdict = self._door.let_in(request, form.get("name", ""), form.get("password", ""))
        if isinstance(verdict, str):
            return login.give_cookie(RedirectResponse("/", HTTPStatus.SEE_OTHER), verdict)
        if verdict is None:
            return _page("login.html", HTTPStatus.FORBIDDEN, problem="Name or password is wrong.")
        page = _page("login.html", HTTPStatus.TOO_MANY_REQUESTS, problem="Too many tries: wait a minute.")
        page.headers["retry-after"] = str(verdict)
        return page

    def leave(self, request: Request, _: Form, __: Visitor) -> Response:
        self._door.let_out(request)
        return login.take_cookie(RedirectResponse("/login", HTTPStatus.SEE_OTHER))

    def licenses(self, request: Request, _: Form, visitor: Visitor) -> Response:
        search = request.query_params.get("q", "")[:256]
        with self._database.reading() as connection:
            found = views.all_licenses(connection, self._now(), search=search, limit=_MOST_ROWS + 1)
        return _page(
            "licenses.html", visitor=visitor, licenses=found[:_MOST_ROWS], more=len(found) > _MOST_ROWS, q=search
        )

    def license(self, request: Request, _: Form, visitor: Visitor) -> Response:
        license_id = request.path_params["license_id"]
        with self._database.reading() as connection:
            found = views.one_license(connection, license_id, self._now())
            acts = views.audit_entries(connection, _MOST_ROWS, license_id)
        return _page("license.html", visitor=visitor, license=found, acts=acts)

    def unbind(self, request: Request, form: Form, visitor: Visitor) -> Response:
        _check_tick(form)
        service.unbind(self._database, request.path_params["license_id"], visitor.who, self._now())
        return _back_to(request)

    def revoke(self, request: Request, form: Form, visitor: Visitor) -> Response:
        _check_tick(form)
        service.revoke(self._database, request.path_params["license_id"], visitor.who, self._now())
        return _back_to(request)

    def alerts(self, request: Request, _: Form, visitor: Visitor) -> Response:
        settled = "all" in request.query_params
        with self._database.reading() as connection:
            found = views.all_alerts(connection, settled=settled)
        return _page("alerts.html", visitor=visitor, alerts=found, settled=settled)

    def settle(self, request: Request, form: Form, visitor: Visitor) -> Response:
        if form.get("side") not in [side.value for side in Side]:
            raise RefusedError("choose the installation that is in the right")
        side = Side(form["side"])
        service.settle(self._database, request.path_params["alert_id"], side, visitor.who, self._now())
        return RedirectResponse("/alerts", HTTPStatus.SEE_OTHER)

    def audit(self, _: Request, __: Form, visitor: Visitor) -> Response:
        with self._database.reading() as connection:
            acts = views.audit_entries(connection, _MOST_ROWS)
        return _page("audit.html", visitor=visitor, acts=acts)


def _with_form(run: Callable[[Request, Form], Response]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        # the guard has bounded the body; a form is few short fields
        body = (await request.body()).decode(errors="replace") if request.method == "POST" else ""
        try:
            fields = parse_qs(body, keep_blank_values=True, max_num_fields=16)
        except ValueError:
            return _message("That form is not from this site", 400)
        form = {name: values[-1] for name, values in fields.items()}
        try:
            return await run_in_threadpool(run, request, form)
        except SQLAlchemyError as fault:
            log.error("can't answer", error=type(fault).__name__)
            return _message("The database does not answer; nothing was changed", 503)

    return endpoint


def _check_tick(form: Form) -> None:
    if form.get("sure") != "yes":
        raise RefusedError("tick the box first: this can't be undone")


def _back_to(request: Request) -> Response:
    return RedirectResponse(f"/licenses/{request.path_params['license_id']}", HTTPStatus.SEE_OTHER)


def _page(name: str, status: int = HTTPStatus.OK, **values: object) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), status_code=status)


def _message(text: str, status: int) -> HTMLResponse:
    return _page("message.html", status, text=text)


def _on_http_error(_: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.NOT_FOUND
    return _message("There is no such page", status)


def _on_disconnect(_: Request, __: Exception) -> Response:
    return Response(status_code=400)  # nobody reads it


def _on_fault(_: Request, error: Exception) -> Response:
    log.error("can't answer", error=type(error).__name__)
    page = _message("That did not work; the log says why", 500)
    page.headers.update(_HEADERS)
    return page
