"""The portal's pages: HTML that needs no script, and the headers that keep it private."""

from collections.abc import Mapping
from http import HTTPStatus

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from licd_vendor.domain.release import Released
from licd_vendor.domain.scan import Refused, Shown
from licd_vendor.portal import words

HEADERS: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
_TEMPLATES = Environment(
    loader=PackageLoader("licd_vendor.portal"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def ask_register() -> HTMLResponse:
    """Ask for the tap that binds; say nothing of the license (R25, R26)."""
    return _page("ask_register.html")


def ask_release() -> HTMLResponse:
    """Ask for the tap that releases (R30)."""
    return _page("ask_release.html")


def registered(verdict: Shown | Refused) -> HTMLResponse:
    """Show the six digits, or why there are none."""
    return refused(verdict) if isinstance(verdict, Refused) else _page("shown.html", shown=verdict)


def released(verdict: Released | Refused) -> HTMLResponse:
    """Say that the license is free, or why not."""
    return refused(verdict) if isinstance(verdict, Refused) else _page("released.html")


def refused(verdict: Refused) -> HTMLResponse:
    """Say why, and what to do."""
    return failure(words.of(verdict))


def failure(text: words.Words) -> HTMLResponse:
    """Say what went wrong."""
    return _page("refused.html", text.status, words=text)


def _page(name: str, status: HTTPStatus = HTTPStatus.OK, **values: object) -> HTMLResponse:
    return HTMLResponse(_TEMPLATES.get_template(name).render(**values), status_code=status)
