"""What the console and ops ports of a daemon serve that does not lead (R32).

- /livez is 200, the process is well; /readyz is 503; /metrics says that it does not lead.
- The console sends a browser on to the leader's, if that can be reached from elsewhere; else it says where the leader
  is.
"""

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from licd_daemon.cli.serve.config import ServeConfig
from licd_daemon.cli.serve.served_certificate import ServedCertificate, standing_of
from licd_daemon.cli.serve.web import WebPorts, tls_context
from licd_daemon.leadership.etcd import Leader
from licd_daemon.ops.metrics import CONTENT_TYPE, FollowerMetrics

_NO_STORE = {"cache-control": "no-store"}


class FollowerWeb(WebPorts):
    """Console and ops of a follower. `leader`: who leads, as far as is known."""

    def __init__(self, config: ServeConfig, connections: int, leader: Callable[[], Leader | None]) -> None:
        super().__init__(config, connections)
        self._leader = leader

    def start(self, certificate: ServedCertificate | None) -> None:
        """Serve from now on; without a certificate in plaintext on loopback.

        Raises:
            TlsInvalid: the certificate can't be used.
        """
        if self._ops_socket is not None:
            routes = [
                Route("/livez", _livez),
                Route("/readyz", self._readyz),
                Route("/metrics", _page_of(FollowerMetrics(standing_of(certificate)))),
            ]
            self._serve(Starlette(routes=routes), self._ops_socket)
        if self._console_socket is not None:
            app = Starlette(routes=[Route("/{path:path}", self._send_on)])
            self._serve(app, self._console_socket, tls_context(certificate))

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
