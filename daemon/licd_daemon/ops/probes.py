"""The ops port: read-only, without credentials, without secrets.

- /livez is 200 while the process is well: its loop turns and its coordinator works. Else a supervisor should start it
  again.
- /readyz is 200 while it leads, its journal can be written, and it is not about to stop; whatever the registration, or
  no node could join to register. Else it is 503 and says which of them does not hold.
- /metrics is always there; collecting it takes a fifth of the time at most, and few wait for it: 429 to the others.
"""

import asyncio

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.ops.metrics import CONTENT_TYPE, Metrics

MAX_SCRAPES = 4
REST = 4
"""How long collecting rests, in times of what it took: it visits every node, and everybody waits meanwhile (R36)."""


class Ops:
    """The ops port's application. `draining`: the daemon is about to stop."""

    def __init__(self, coordinator: Coordinator, metrics: Metrics) -> None:
        self._coordinator = coordinator
        self._metrics = metrics
        self._scrape = asyncio.Lock()
        self._scrapes = 0
        self._rests_until = 0.0
        self.draining = False
        self.app = Starlette(
            routes=[
                Route("/livez", self._livez),
                Route("/readyz", self._readyz),
                Route("/metrics", self._metrics_page),
            ]
        )

    async def _livez(self, _: Request) -> Response:
        failed = self._coordinator.failed is not None and not self.draining
        return _verdict(["the coordinator has failed: the log says why"] if failed else [])

    async def _readyz(self, _: Request) -> Response:
        coordinator = self._coordinator
        return _verdict(
            [
                problem
                for problem, holds in (
                    ("stopping", self.draining),
                    ("leadership is not proven", not coordinator.leads()),
                    ("the journal can't be written", not coordinator.writable),
                )
                if holds
            ]
        )

    async def _metrics_page(self, _: Request) -> Response:
        if self._scrapes >= MAX_SCRAPES:
            return PlainTextResponse("too many scrapes at once\n", 429, headers={"retry-after": "1"})
        self._scrapes += 1
        try:
            async with self._scrape:
                page = await self._collected()
        finally:
            self._scrapes -= 1
        return Response(page, headers={"content-type": CONTENT_TYPE})

    async def _collected(self) -> bytes:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._rests_until - loop.time())
        began = loop.time()
        page = await self._metrics.page()
        self._rests_until = loop.time() + REST * (loop.time() - began)
        return page


def _verdict(problems: list[str]) -> Response:
    return PlainTextResponse(
        "; ".join(problems or ["ok"]) + "\n",
        status_code=503 if problems else 200,
        headers={"cache-control": "no-store"},
    )
