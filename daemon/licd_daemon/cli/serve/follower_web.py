"""What the console and ops ports of a daemon serve that does not lead (R32).

- /livez is 200, the process is well; /readyz is 503; /metrics says that it does not lead.
- The console sends a browser on to the leader's, if that can be reached from elsewhere; else it says where the leader
  is.
"""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from licd_daemon.cli.serve.config import ServeConfig
from licd_daemon.cli.serve.served_certificate import ServedCertificate, standing_of
from licd_daemon.cli.serve.web import bound, tls_context, url_of
from licd_daemon.console.listener import WebServer
from licd_daemon.leadership.etcd import Leader
from licd_daemon.ops.metrics import CONTENT_TYPE, FollowerMetrics

_NO_STORE = {"cache-control": "no-store"}


class FollowerWeb:
    """Console and ops of a follower, bound when this is made. `leader`: who leads, as far as is known.

    Raises:
        ListenFailed: an address is in use or not this machine's.
    """

    def __init__(self, config: ServeConfig, leader: Callable[[], Leader | None]) -> None:
        self._config = config
        self._leader = leader
        self._console = bound("--console-listen", config.console_address)
        self._ops = bound("--ops-listen", config.ops_address)
        self._servers: list[WebServer] = []

    @property
    def console_url(self) -> str:
        """Where a browser on this machine finds the console; "" when it is off."""
        return url_of("http" if self._config.insecure else "https", self._console)

    @property
    def ops_url(self) -> str:
        """Where probes find the ops port; "" when it is off."""
        return url_of("http", self._ops)

    def start(self, certificate: ServedCertificate | None) -> None:
        """Serve from now on; without a certificate in plaintext on loopback.

        Raises:
            TlsInvalid: the certificate can't be used.
        """
        if self._ops is not None:
            routes = [
                Route("/livez", _livez),
                Route("/readyz", self._readyz),
                Route("/metrics", _page_of(FollowerMetrics(standing_of(certificate)))),
            ]
            self._servers.append(WebServer(Starlette(routes=routes), self._ops))
        if self._console is not None:
            app = Starlette(routes=[Route("/{path:path}", self._send_on)])
            context = tls_context(certificate)
            self._servers.append(WebServer(app, self._console, context))
        for server in self._servers:
            server.start()

    async def stop(self) -> None:
        """End both servers. Idempotent."""
        await asyncio.gather(*(server.stop() for server in self._servers))
        for listener in (self._console, self._ops):
            if listener is not None:
                listener.close()

    async def _readyz(self, _: Request) -> Response:
        return PlainTextResponse(f"{self._explanation()}\n", status_code=503, headers=_NO_STORE)

    async def _send_on(self, request: Request) -> Response:
        leader = self._leader()
        if leader is not None and leader.console:
            return RedirectResponse(f"{leader.console}{request.url.path}", status_code=307, headers=_NO_STORE)
        return PlainTextResponse(f"licd: {self._explanation()}\n", status_code=503, headers=_NO_STORE)

    def _explanation(self) -> str:
        leader = self._leader()
        return f"this daemon follows; the one at {leader.address} leads" if leader else "no daemon leads at the moment"


async def _livez(_: Request) -> Response:
    return PlainTextResponse("ok\n", headers=_NO_STORE)


def _page_of(metrics: FollowerMetrics) -> Callable[[Request], Awaitable[Response]]:
    async def page(_: Request) -> Response:
        return Response(metrics.page(), headers={"content-type": CONTENT_TYPE})

    return page
