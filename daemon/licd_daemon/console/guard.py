"""What every request to the console passes: limits, origin, identity, errors; and what every answer says.

- A change comes by POST, with the header `x-licd` and from the console's own origin: another site's page can send
  neither its cookie (SameSite=Strict) nor that header.
- A body is read up to its bound and within 10 s.
- Every answer forbids inline scripts and styles, frames, and everything from elsewhere.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from licd_daemon.console.answers import failed, refused
from licd_daemon.console.login import Login, Logins
from licd_daemon.core.budget import network_of
from licd_daemon.core.model import Actor, Role
from licd_daemon.core.refusal import Reason, Refused, too_many_calls
from licd_daemon.operations.refused_credentials import RefusedCredentials, Why
from licd_daemon.rpc.caller import called_by
from licd_daemon.rpc.contract import ACCESS
from licd_daemon.rpc.peer import plain_host
from licd_kit.rate_limit import RateLimit
from licd_kit.web.headers import PROTECTIVE
from licd_kit.web.origin import is_own_site

COOKIE = "licd_console"
BODY_WITHIN_S = 10.0
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    **PROTECTIVE,
    "content-security-policy": CSP,
    "x-frame-options": "DENY",
}
READ = frozenset({Role.VIEWER, Role.ADMIN})

Behaviour = Callable[[Request], Awaitable[Response]]
log = structlog.get_logger(__name__)


def cookie_name(name: str, *, secure: bool) -> str:
    """What a cookie is called: over TLS so that browsers take it from this very host over TLS only.

    In plaintext on loopback (`--insecure`) not every browser would take it.
    """
    return f"__Host-{name}" if secure else name


class ConsoleGuard:
    """Judges requests by the sessions in force."""

    def __init__(self, logins: Logins, cookie: str, refused: RefusedCredentials) -> None:
        self._logins = logins
        self._cookie = cookie
        self._refused = refused
        self._cheap = RateLimit(per_second=50, burst=300)
        self._costly = RateLimit(per_second=2, burst=30)
        self._login = RateLimit(per_second=0.5, burst=10)

    def open(self, behaviour: Behaviour) -> Behaviour:
        """A login: without a session, and rarely."""
        return self._wrapped(behaviour, lambda request: _take(self._login, request))

    def reads(self, behaviour: Behaviour) -> Behaviour:
        """For anyone who may read."""
        return self._wrapped(behaviour, lambda request: self._judge(request, READ, self._cheap))

    def call(self, call: str, behaviour: Behaviour, *, draws: bool = False) -> Behaviour:
        """For anyone who may make this call, `Service/Method` of licd.v1, over gRPC.

        Args:
            call: Its name.
            behaviour: What answers it.
            draws: Whether the answer costs a QR code's picture, or as much.
        """
        access = ACCESS[f"/licd.v1.{call}"]

        def check(request: Request) -> None:
            costly = access.costly or draws or request.method == "POST"  # a change costs the journal a write
            self._judge(request, access.roles, self._costly if costly else self._cheap)

        return self._wrapped(behaviour, check)

    def _wrapped(self, behaviour: Behaviour, check: Callable[[Request], None]) -> Behaviour:
        async def endpoint(request: Request) -> Response:
            try:
                if request.method == "POST":
                    _same_origin(request)
                check(request)
                return await behaviour(request)
            except Refused as refusal:
                return refused(refusal)
            except ClientDisconnect:
                return Response(status_code=400)
            except Exception as error:
                log.error("console_call_failed", path=request.url.path, exc_info=error)
                return failed()

        return endpoint

    def _judge(self, request: Request, roles: frozenset[Role], limit: RateLimit) -> None:
        _take(limit, request)
        login = self.login(request)
        token = self._logins.token(login) if login else None
        if token is None:
            raise Refused(Reason.NO_CREDENTIALS, "You are not logged in, or no more: log in with a token.")
        if token.role not in roles:
            self._refused.note(Why.WRONG_ROLE, host_of(request))
            raise Refused(Reason.WRONG_ROLE, f"The role {token.role} may not do this: log in with an admin token.")
        called_by(Actor(token.role, "console", token.token_id, token.name, host_of(request)))

    def login(self, request: Request) -> Login | None:
        """The session that the request's cookie opens."""
        secret = request.cookies.get(self._cookie, "")
        return self._logins.find(secret) if secret else None


async def body(request: Request, most: int) -> bytes:
    """The request's body.

    Raises:
        Refused: INVALID_FIELD: larger than `most` bytes, or too slow.
    """
    content = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for chunk in request.stream():
                content += chunk
                if len(content) > most:
                    raise Refused(Reason.INVALID_FIELD, f"It is larger than {most // 1024} KiB: is it the right file?")
    except TimeoutError:
        raise Refused(Reason.INVALID_FIELD, "The request came too slowly: try again.") from None
    return bytes(content)


def _same_origin(request: Request) -> None:
    if not is_own_site(request) or "x-licd" not in request.headers:
        raise Refused(Reason.WRONG_ROLE, "This request did not come from the console's own page.")


def _take(limit: RateLimit, request: Request) -> None:
    if wait_ms := limit.take(network_of(host_of(request))):
        raise too_many_calls(wait_ms)


def host_of(request: Request) -> str:
    """Where a request comes from, without a port."""
    return plain_host(request.client.host) if request.client else ""


class Hardened:
    """Puts the protective headers on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""

        async def send_hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-cache" if scope["path"].startswith("/static/") else "no-store")
            await send(message)

        await self._app(scope, receive, send_hardened)
