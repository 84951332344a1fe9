"""The journal as people read it: pages of records, and records as they become durable."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.news import NEWS_PAUSE_S
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.journal.port import Journal, JournalUnavailable, Query, Record

PAGE = 100
"""Records that a follower holds at once, however slowly it reads."""


class EventLog:
    """Reads the journal for those whom the leader may answer (R31)."""

    def __init__(self, coordinator: Coordinator, journal: Journal) -> None:
        self._coordinator = coordinator
        self._journal = journal

    async def read(self, query: Query) -> Sequence[Record]:
        """The records that `query` asks for.

        Raises:
            Refused: NOT_LEADER, JOURNAL_UNAVAILABLE.
        """
        self._coordinator.standing()
        try:
            return await self._journal.read(query)
        except JournalUnavailable:
            raise Refused(Reason.JOURNAL_UNAVAILABLE, "The journal can't be read now: try again.") from None

    async def page(self, query: Query) -> tuple[Sequence[Record], bool]:
        """At most as many records as the query's limit, and whether there are more.

        Raises:
            Refused: as `read`.
        """
        records = await self.read(replace(query, limit=query.limit + 1))
        return records[: query.limit], len(records) > query.limit

    async def follow(self, kinds: tuple[str, ...], after: int | None) -> AsyncIterator[Sequence[Record]]:
        """Records as they become durable, read from the journal, so that a slow reader misses none.

        Args:
            kinds: Only these; empty: all.
            after: First those after this position; None: only new ones.

        Raises:
            Refused: as `read`.
        """
        position = self._coordinator.position if after is None else after
        while True:
            changed = self._coordinator.news.next_change()
            while records := await self.read(Query(kinds=kinds, after=position, limit=PAGE)):
                yield records
                position = records[-1].position
            await changed.wait()
            await asyncio.sleep(NEWS_PAUSE_S)
