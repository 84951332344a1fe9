"""What operations asks, on an address of its own that phones don't reach: /livez, /readyz, /metrics.

`/readyz` is 200 while the database answers. `/metrics` sums the workers' counts and adds what the database knows:
licenses by state, and open alerts.
"""

from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from licd_vendor import clock
from licd_vendor.store import alerts, records
from licd_vendor.store.database import Database


def create_ops(database: Database, now: Callable[[], int] = clock.now) -> Starlette:
    """Make the operations server.

    Args:
        database: The vendor's records.
        now: The wall clock, Unix seconds.
    """
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    registry.register(_Records(database, now))

    def readyz(_: Request) -> Response:
        try:
            with database.reading() as connection:
                connection.execute(select(1))
        except SQLAlchemyError:
            return PlainTextResponse("the database does not answer\n", 503)
        return PlainTextResponse("ok\n")

    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(
        routes=[
            Route("/livez", _livez),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ]
    )


async def _livez(_: Request) -> Response:
    # Not in a thread: those may all wait for a database that does not answer.
    return PlainTextResponse("ok\n")


class _Records(Collector):
    """What the database knows, read at each scrape."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database = database
        self._now = now

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name the metrics without asking the database."""
        yield GaugeMetricFamily("licd_vendor_licenses", "Licenses by state", labels=["state"])
        yield GaugeMetricFamily("licd_vendor_open_alerts", "Alerts that nobody has settled")

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Read them; nothing when the database does not answer."""
        try:
            with self._database.reading() as connection:
                states = records.count_licenses(connection, self._now())
                open_alerts = alerts.count_open(connection)
        except SQLAlchemyError:
            return
        licenses, waiting = self.describe()
        for state in ("bound", "free", "expired", "revoked"):
            licenses.add_metric([state], states.get(state, 0))
        waiting.add_metric([], open_alerts)
        yield licenses
        yield waiting
