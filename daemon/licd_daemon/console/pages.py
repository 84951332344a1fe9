"""The console's pages: shells without a secret, whose scripts fill them by calls."""

from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from licd_daemon.console.guard import ConsoleGuard, cookie_name
from licd_daemon.console.login import Logins
from licd_daemon.console.words import LANGUAGES, catalogue, choose
from licd_daemon.core.events import AnyEvent, snake

LANGUAGE_COOKIE = "licd_language"
YEAR_S = 365 * 86_400
HOME = "/registration"
KINDS = sorted(snake(kind.__name__) for kind in AnyEvent.__args__)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("licd_daemon.console"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )


class Pages:
    """Renders the pages. `facts`: what a page knows of this daemon; `secure`: served over TLS."""

    def __init__(self, logins: Logins, guard: ConsoleGuard, facts: dict[str, Any], *, secure: bool) -> None:
        self._logins = logins
        self._guard = guard
        self._facts = {**facts, "version": version("licd")}
        self._secure = secure
        self._language_cookie = cookie_name(LANGUAGE_COOKIE, secure=secure)

    async def home(self, request: Request) -> Response:
        """Lead to the first page."""
        return RedirectResponse(HOME, 303)

    async def page(self, request: Request) -> Response:
        """Registration, nodes or events; the login first, if need be."""
        if "language" in request.query_params:
            return self._language_chosen(request)
        login = self._guard.login(request)
        token = self._logins.token(login) if login else None
        name = request.url.path.strip("/")
        if token is None:
            return RedirectResponse(f"/login?next={name}", 303)
        return self._rendered(request, name, str(token.role))

    async def login(self, request: Request) -> Response:
        """The login; its script leads anyone who is logged in on, since a cookie may not come with the first call."""
        if "language" in request.query_params:
            return self._language_chosen(request)
        return self._rendered(request, "login", "")

    def _rendered(self, request: Request, name: str, role: str) -> Response:
        asked = request.cookies.get(self._language_cookie, "")
        language = choose(asked, request.headers.get("accept-language", ""))
        words = catalogue(language)
        html = (
            _environment()
            .get_template(f"{name}.html")
            .render(
                words=words,
                language=language,
                languages=LANGUAGES,
                page=name,
                role=role,
                kinds=KINDS,
                facts=self._facts,
                page_data={"words": words, "language": language, "page": name, "role": role, "facts": self._facts},
            )
        )
        return HTMLResponse(html, headers={"content-language": language, "vary": "accept-language, cookie"})

    def _language_chosen(self, request: Request) -> Response:
        response = RedirectResponse(request.url.path, 303)
        chosen = request.query_params["language"]
        if chosen in LANGUAGES:
            response.set_cookie(
                self._language_cookie, chosen, max_age=YEAR_S, secure=self._secure, httponly=True, samesite="strict"
            )
        return response


STATIC = files("licd_daemon.console") / "static"
