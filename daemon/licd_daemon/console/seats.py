"""Seats held over time, against the maximum: folded from the journal's events on seats, once all of them, then on.

Mass events (`registered`, `registration_reset`, ...) have no seat events of their own; they are folded as
docs/events.md lists them.
"""

import asyncio
from collections import deque

from licd_daemon.core import events as e
from licd_daemon.journal import chain
from licd_daemon.journal.port import Query, Record
from licd_daemon.operations.event_log import EventLog

MAX_POINTS = 2000
IN_ONE_TURN = 200
_ENDS = (e.RegistrationReset, e.LicenseExpired, e.LicenseReleased)
_LOSSES = (e.SeatWithdrawn, e.SessionLost, e.SessionEnded)
KINDS = tuple(e.snake(kind.__name__) for kind in (e.SeatGranted, e.Registered, e.LicenseInstalled, *_ENDS, *_LOSSES))

Point = tuple[int, int, int]
"""A wall time in ms, the seats held from then on, and the maximum."""


class SeatHistory:
    """The last 2,000 changes."""

    def __init__(self, audit: EventLog) -> None:
        self._audit = audit
        self._one_at_a_time = asyncio.Lock()
        self._position = 0
        self._holders: set[str] = set()
        self._maximum = 0
        self._points: deque[Point] = deque(maxlen=MAX_POINTS)

    async def points(self) -> list[Point]:
        """The changes up to now, oldest first.

        Raises:
            Refused: NOT_LEADER, JOURNAL_UNAVAILABLE.
        """
        async with self._one_at_a_time:
            while records := await self._audit.read(Query(kinds=KINDS, after=self._position, limit=IN_ONE_TURN)):
                for record in records:
                    self._fold(record)
                self._position = records[-1].position
            return list(self._points)

    def _fold(self, record: Record) -> None:
        event = chain.decode(record).event
        if isinstance(event, e.SeatGranted):
            self._holders.add(event.session_id)
        elif isinstance(event, e.Registered):
            self._holders = set(event.seated)
        elif isinstance(event, e.LicenseInstalled):
            self._maximum = event.license.max_nodes
            if not event.kept:
                self._holders.clear()
        elif isinstance(event, _ENDS):
            self._holders.clear()
        elif isinstance(event, _LOSSES):
            self._holders.discard(event.session_id)
        self._add((record.at, len(self._holders), self._maximum))

    def _add(self, point: Point) -> None:
        """Changes of one instant are one point; what changes nothing is none."""
        if self._points and self._points[-1][0] == point[0]:
            self._points.pop()
        if not self._points or self._points[-1][1:] != point[1:]:
            self._points.append(point)
