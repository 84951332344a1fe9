"""Live changes for a page (EventSource): one task for each, changes that come together sent once.

- Topics: `registration`; `nodes` (rows that changed, rows that are gone); `events` (of the kinds asked for).
- The first message has the whole state; after that only changes are sent, at most four times a second.
- At most 64 pages at a time, and 8 of one session. A stream ends with its session (a revoked token), with the daemon,
  and when this daemon can't prove that it leads; the page comes back automatically.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from licd_daemon.console.answers import encoded
from licd_daemon.console.cluster import ClusterCalls, kinds_of
from licd_daemon.console.guard import ConsoleGuard
from licd_daemon.console.login import Login, Logins
from licd_daemon.console.registration import RegistrationCalls
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.journal.port import Query
from licd_daemon.operations import fields
from licd_daemon.operations.event_log import EventLog

MAX_STREAMS = 64
MAX_OF_ONE = 8
PAUSE_S = 0.25
LOOK_S = 2.0
MAX_EVENTS = 200
TOPICS = frozenset({"registration", "nodes", "events"})


class Live:
    """Serves the streams. `close` ends them all."""

    def __init__(
        self,
        coordinator: Coordinator,
        audit: EventLog,
        logins: Logins,
        guard: ConsoleGuard,
        registration: RegistrationCalls,
        cluster: ClusterCalls,
    ) -> None:
        self._coordinator = coordinator
        self._audit = audit
        self._logins = logins
        self._guard = guard
        self._registration = registration
        self._cluster = cluster
        self._open: Counter[str] = Counter()
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End every stream, and open no other."""
        self._closing.set()
        self._coordinator.news.notify()

    async def stream(self, request: Request) -> Response:
        """The changes of the topics asked for."""
        topics = TOPICS & set(request.query_params.getlist("topic"))
        kinds, after = kinds_of(request.query_params), fields.page_token(request.query_params.get("after", ""))
        login = self._guard.login(request)
        assert login is not None
        if self._open.total() >= MAX_STREAMS or self._open[login.key] >= MAX_OF_ONE:
            raise Refused(Reason.RATE_LIMITED, "Too many pages are open: close some.", retry_after_ms=5000)
        self._coordinator.standing()
        page = _Page(self._coordinator, self._audit, self._registration, self._cluster, topics, kinds, after)
        return StreamingResponse(self._news(login, page), media_type="text/event-stream")

    async def _news(self, login: Login, page: "_Page") -> AsyncIterator[bytes]:
        self._open[login.key] += 1
        try:
            yield b"retry: 1000\n\n"
            while self._logins.token(login) is not None and not self._closing.is_set():
                changed = self._coordinator.news.next_change()
                async for topic, news in page.news():
                    yield b"event: %s\ndata: %s\n\n" % (topic.encode(), encoded(news))
                yield b":\n\n"  # finds out that the browser has gone
                await asyncio.sleep(PAUSE_S)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), LOOK_S - PAUSE_S)
        except Refused as refusal:
            yield b"event: away\ndata: %s\n\n" % msgspec.json.encode(str(refusal.reason))
        finally:
            self._open[login.key] -= 1
            if not self._open[login.key]:
                del self._open[login.key]


class _Page:
    """What one page was sent, and what has changed since."""

    def __init__(
        self,
        coordinator: Coordinator,
        audit: EventLog,
        registration: RegistrationCalls,
        cluster: ClusterCalls,
        topics: frozenset[str],
        kinds: tuple[str, ...],
        after: int,
    ) -> None:
        self._coordinator = coordinator
        self._audit = audit
        self._registration = registration
        self._cluster = cluster
        self._topics = topics
        self._kinds = kinds
        self._after = after or coordinator.position
        self._sent: dict[str, Any] | None = None
        self._rows: dict[str, dict[str, Any]] = {}
        self._first = True

    async def news(self) -> AsyncIterator[tuple[str, object]]:
        """Topic and content of all that has changed."""
        self._coordinator.standing()
        if "registration" in self._topics:
            news = self._registration.current()
            if news["registration"] != self._sent:
                self._sent = news["registration"]
                yield "registration", news
        if "nodes" in self._topics and (nodes := await self._nodes()):
            yield "nodes", nodes
        if "events" in self._topics:
            query = Query(kinds=self._kinds, after=self._after, limit=MAX_EVENTS)
            if records := await self._audit.read(query):
                self._after = records[-1].position
                yield "events", {"events": self._cluster.rendered(records)}

    async def _nodes(self) -> dict[str, object] | None:
        rows, total = await self._cluster.board.rows()
        changed = [row for key, row in rows.items() if self._rows.get(key) != row]
        gone = [key for key in self._rows if key not in rows]
        if not (changed or gone or self._first):
            return None
        self._rows, self._first = rows, False
        return {"rows": changed, "gone": gone, "total": total, "now": self._coordinator.now().wall}
