"""The portal's pages: HTML that needs no script, in the phone's language, and the headers that keep it private."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from licd_kit.web.headers import PROTECTIVE
from licd_vendor.domain.release import Released
from licd_vendor.domain.scan import RefusedScan, Shown
from licd_vendor.portal import words
from licd_vendor.portal.language import Language, choose
from licd_vendor.portal.sentences import Sentences, Words
from licd_vendor.spans import span

HEADERS: Mapping[str, str] = {
    **PROTECTIVE,
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-robots-tag": "noindex, nofollow",
}
_TEMPLATES = Environment(
    loader=PackageLoader("licd_vendor.portal"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

_TEMPLATES.filters["span"] = span


@dataclass(frozen=True, slots=True)
class Pages:
    """The pages in one language."""

    language: Language

    @classmethod
    def for_request(cls, request: Request) -> "Pages":
        """Speak as the request's Accept-Language asks."""
        return cls(choose(request.headers.get("accept-language", "")))

    def ask_register(self) -> HTMLResponse:
        """Ask for the tap that binds; say nothing of the license (R25, R26)."""
        return self._page("ask_register.html")

    def ask_release(self) -> HTMLResponse:
        """Ask for the tap that releases (R30)."""
        return self._page("ask_release.html")

    def registered(self, verdict: Shown | RefusedScan) -> HTMLResponse:
        """Show the six digits, or why there are none."""
        return self.refused(verdict) if isinstance(verdict, RefusedScan) else self._page("shown.html", shown=verdict)

    def released(self, verdict: Released | RefusedScan) -> HTMLResponse:
        """Say that the license is free, or why not."""
        return self.refused(verdict) if isinstance(verdict, RefusedScan) else self._page("released.html")

    def refused(self, verdict: RefusedScan) -> HTMLResponse:
        """Say why, and what to do."""
        return self._failure(words.of(verdict, self.language))

    def failure(self, choose_words: Callable[[Sentences], Words]) -> HTMLResponse:
        """Say what went wrong that is no verdict."""
        return self._failure(choose_words(words.SENTENCES[self.language]))

    def _failure(self, text: Words) -> HTMLResponse:
        return self._page("refused.html", text.status, words=text)

    def _page(self, name: str, status: HTTPStatus = HTTPStatus.OK, **values: object) -> HTMLResponse:
        sentences = words.SENTENCES[self.language]
        given = {"language": self.language.value, "t": sentences.texts, "units": sentences.units}
        html = _TEMPLATES.get_template(name).render(**given, **values)
        headers = {"content-language": self.language.value, "vary": "accept-language"}
        return HTMLResponse(html, status_code=status, headers=headers)
