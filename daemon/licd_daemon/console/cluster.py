"""The console's calls on nodes and events: the same journal and coordinator as `rpc/cluster.py`."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from licd_daemon.console.answers import answer, plain
from licd_daemon.console.guard import body
from licd_daemon.console.registration import MAX_JSON_BYTES, read_json
from licd_daemon.console.seats import SeatHistory
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.journal.port import Query, Record
from licd_daemon.operations import fields
from licd_daemon.operations.board import Board
from licd_daemon.operations.fields import invalid_field
from licd_daemon.operations.operations import Operations
from licd_daemon.rpc.caller import caller, may_scan
from licd_daemon.rpc.event_message import event_message

PAGE = 100
_COLUMNS = ("position", "at", "kind", "node_name", "session_id", "attributes", "digest", "actor")


class Evict(msgspec.Struct, forbid_unknown_fields=True):
    """What the page sends to end a node's session."""

    session_id: str


class ClusterCalls:
    """The calls; roles are the guard's matter."""

    def __init__(self, coordinator: Coordinator, operations: Operations) -> None:
        self._coordinator = coordinator
        self._nodes = operations.nodes
        self._audit = operations.events
        self._seats = SeatHistory(operations.events)
        self.board = Board(coordinator)

    async def nodes(self, _: Request) -> Response:
        """The connected nodes."""
        self._coordinator.standing()
        rows, total = await self.board.rows()
        return answer({"rows": list(rows.values()), "total": total, "now": self._coordinator.now().wall})

    async def seats(self, _: Request) -> Response:
        """Seats held over time."""
        points = await self._seats.points()
        state, now = self._coordinator.standing(), self._coordinator.now()
        maximum = state.license.max_nodes if state.license else 0
        return answer({"points": [*points, (now.wall, state.tally.held, maximum)]})

    async def evict(self, request: Request) -> Response:
        """End a node's session."""
        sent = read_json(await body(request, MAX_JSON_BYTES), Evict)
        await self._nodes.evict(sent.session_id, caller())
        return answer({})

    async def events(self, request: Request) -> Response:
        """A page of events, newest first; `before`: the position that the page before ended with."""
        query, position = _query(request.query_params, limit=PAGE, newest_first=True), self._coordinator.position
        records, more = await self._audit.page(query)
        return answer({"events": self.rendered(records), "more": more, "position": position})

    def rendered(self, records: Sequence[Record]) -> list[dict[str, object]]:
        """Events as licd.v1 has them."""
        state = self._coordinator.state
        return [plain(event_message(record, state, scan=may_scan())) for record in records]

    async def export(self, request: Request) -> Response:
        """Every event that the filter lets pass, oldest first, as JSON lines or CSV."""
        form = request.query_params.get("format", "jsonl")
        if form not in ("jsonl", "csv"):
            raise invalid_field("format", "is unknown", "Choose jsonl or csv.")
        query = _query(request.query_params, limit=PAGE, newest_first=False)
        self._coordinator.standing()
        lines = self._lines(query, _csv_row if form == "csv" else _json_line)
        head = _csv_line(_COLUMNS) if form == "csv" else b""
        return StreamingResponse(
            _prefixed(head, lines),
            media_type="text/csv; charset=utf-8" if form == "csv" else "application/jsonl",
            headers={"content-disposition": f'attachment; filename="licd-events.{form}"'},
        )

    async def _lines(self, query: Query, line: Callable[[dict[str, object]], bytes]) -> AsyncIterator[bytes]:
        while records := await self._audit.read(query):
            yield b"".join(line(event) for event in self.rendered(records))
            query = _after(query, records[-1].position)
            await asyncio.sleep(0)


def _after(query: Query, position: int) -> Query:
    return Query(kinds=query.kinds, after=position, since=query.since, until=query.until, limit=query.limit)


async def _prefixed(head: bytes, lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for line in lines:
        yield line


def _json_line(event: dict[str, object]) -> bytes:
    return msgspec.json.encode(event) + b"\n"


def _csv_row(event: dict[str, object]) -> bytes:
    in_json = {name: msgspec.json.encode(event.get(name, {})).decode() for name in ("attributes", "actor")}
    cells = {**event, **in_json}
    return _csv_line([_harmless(str(cells[column])) for column in _COLUMNS])


def _harmless(cell: str) -> str:
    """A node's name must be no formula in a spreadsheet."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _csv_line(cells: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue().encode()


def _query(params: QueryParams, *, limit: int, newest_first: bool) -> Query:
    before = fields.page_token(params.get("before", ""))
    return Query(
        kinds=kinds_of(params),
        before=before or None,
        since=_instant(params, "since"),
        until=_instant(params, "until"),
        newest_first=newest_first,
        limit=limit,
    )


def kinds_of(params: QueryParams) -> tuple[str, ...]:
    """The kinds that a request asks for; empty: all.

    Raises:
        Refused: INVALID_FIELD.
    """
    return fields.kinds("kind", params.getlist("kind"))


def _instant(params: QueryParams, name: str) -> int | None:
    """A wall time in ms."""
    value = params.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 15 and int(value) < fields.LATEST_MS):
        raise invalid_field(name, "is no time", "Give milliseconds since 1970, up to the year 9999.")
    return int(value)
