"""The web console's application: what is where, and for whom.

| path | for |
|---|---|
| /login, /static | everybody |
| /registration, /nodes, /events | a shell without data, for anyone who is logged in |
| GET /api/session | everybody: the role of the browser's session, or none |
| POST /api/login | everybody, rarely; a token or the link that logs in once |
| POST /api/logout | anyone who is logged in |
| /api/... | the roles that the contract gives the same call over gRPC |
"""

from dataclasses import dataclass

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from licd_daemon.console.answers import answer
from licd_daemon.console.cluster import ClusterCalls
from licd_daemon.console.guard import COOKIE, ConsoleGuard, Hardened, body, cookie_name, host_of
from licd_daemon.console.live import Live
from licd_daemon.console.login import SESSION_MS, LoginLink, Logins
from licd_daemon.console.pages import STATIC, Pages
from licd_daemon.console.registration import MAX_JSON_BYTES, RegistrationCalls, read_json
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.refusal import Refused
from licd_daemon.operations.operations import Operations
from licd_daemon.operations.tokens import hash_token


@dataclass(frozen=True, slots=True)
class Settings:
    """What the console is given. Spans in ms; `ephemeral`: the data directory's file system if it dies with the
    container, else ""; `secure`: served over TLS.
    """

    max_clock_drift_ms: int
    ephemeral: str
    secure: bool


class Credentials(msgspec.Struct, forbid_unknown_fields=True):
    """A token, or the secret of the link that logs in once."""

    token: str = ""
    link: str = ""


class Console:
    """The application; `close` ends its streams and its link."""

    def __init__(
        self,
        coordinator: Coordinator,
        operations: Operations,
        settings: Settings,
        link: LoginLink,
    ) -> None:
        self._logins = Logins(coordinator)
        self._cookie = cookie_name(COOKIE, secure=settings.secure)
        self._guard = ConsoleGuard(self._logins, self._cookie, operations.refused)
        self._refused = operations.refused
        self._link = link
        self._secure = settings.secure
        registration = RegistrationCalls(operations.registration)
        cluster = ClusterCalls(coordinator, operations)
        self._live = Live(coordinator, operations.events, self._logins, self._guard, registration, cluster)
        facts = {"ephemeral": settings.ephemeral, "limit": settings.max_clock_drift_ms}
        pages = Pages(self._logins, self._guard, facts, secure=settings.secure)
        self.app = Starlette(
            routes=[
                Route("/", pages.home),
                Route("/login", pages.login),
                *(Route(f"/{page}", pages.page) for page in ("registration", "nodes", "events")),
                Mount("/api", routes=self._calls(registration, cluster)),
                Mount("/static", StaticFiles(directory=str(STATIC))),
            ],
            middleware=[Middleware(Hardened)],
        )

    def _calls(self, registration: RegistrationCalls, cluster: ClusterCalls) -> list[Route]:
        call, post = self._guard.call, ["POST"]
        return [
            Route("/login", self._guard.open(self._login), methods=post),
            Route("/logout", self._guard.reads(self._logout), methods=post),
            Route("/session", self._session),
            Route("/live", call("RegistrationService/WatchRegistration", self._live.stream)),
            Route("/registration", call("RegistrationService/GetRegistration", registration.get)),
            Route("/check", call("RegistrationService/CheckRegistration", registration.check)),
            Route(
                "/challenge.svg",
                call("RegistrationService/CreateChallenge", registration.challenge_picture, draws=True),
            ),
            Route("/release.svg", call("RegistrationService/ReleaseLicense", registration.release_picture, draws=True)),
            Route("/license", call("RegistrationService/UploadLicense", registration.upload), methods=post),
            Route(
                "/challenge", call("RegistrationService/CreateChallenge", registration.create_challenge), methods=post
            ),
            Route("/code", call("RegistrationService/SubmitCode", registration.submit), methods=post),
            Route("/reset", call("RegistrationService/ResetRegistration", registration.reset), methods=post),
            Route("/release", call("RegistrationService/ReleaseLicense", registration.release), methods=post),
            Route("/nodes", call("ClusterService/ListNodes", cluster.nodes)),
            Route("/seats", call("ClusterService/ListEvents", cluster.seats)),
            Route("/evict", call("ClusterService/EvictNode", cluster.evict), methods=post),
            Route("/events", call("ClusterService/ListEvents", cluster.events)),
            Route("/events/export", call("ClusterService/ListEvents", cluster.export, draws=True)),
        ]

    async def _login(self, request: Request) -> Response:
        sent = read_json(await body(request, MAX_JSON_BYTES), Credentials)
        try:
            secret = self._logins.open(self._link.take(sent.link) if sent.link else hash_token(sent.token.strip()))
        except Refused as refusal:
            self._refused.note_refusal(refusal, host_of(request))
            raise
        response = answer({})
        response.set_cookie(
            self._cookie,
            secret,
            max_age=SESSION_MS // 1000,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        login = self._guard.login(request)
        if login is not None:
            self._logins.close(login)
        response = answer({})
        response.delete_cookie(self._cookie, secure=self._secure, httponly=True, samesite="strict")
        return response

    async def _session(self, request: Request) -> Response:
        login = self._guard.login(request)
        token = self._logins.token(login) if login else None
        return answer({"role": str(token.role) if token else ""})

    def close(self) -> None:
        """The daemon is about to stop."""
        self._live.close()
        self._link.end()
