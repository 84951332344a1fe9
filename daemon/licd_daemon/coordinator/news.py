"""Wakes those who watch when something has become durable; counts events, and logs the end of a registration."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import structlog

from licd_daemon.core.events import AnyEvent
from licd_daemon.core.model import EndedRegistration

log = structlog.get_logger(__name__)

NEWS_PAUSE_S = 0.05
"""How long those who look wait after a change before they look again: a storm of joins is few changes to them."""


class News:
    """Wakes those who wait for a change; several changes in one turn of the loop wake them once.

    `counts`: the events of this run, by class.
    """

    def __init__(self) -> None:
        self.counts: Counter[type] = Counter()
        self._changed = asyncio.Event()

    def notify(self) -> None:
        """Something has changed."""
        self._changed.set()
        self._changed = asyncio.Event()

    def next_change(self) -> asyncio.Event:
        """What is set at the next change. Ask for it before you look at the state, or a change slips through."""
        return self._changed

    def durable(self, events: Sequence[AnyEvent], ended: EndedRegistration | None) -> None:
        """`events` are durable and published; with them a registration has `ended`, or none."""
        self.counts.update(map(type, events))
        if ended is not None:
            _log_end(ended)
        self.notify()


def _log_end(ended: EndedRegistration) -> None:
    """R17: a registration that ended says so in the log as well."""
    log.warning(
        "registration_ended",
        cause=str(ended.cause),
        registered_at=_iso(ended.registered_at),
        ended_at=_iso(ended.ended_at),
        nodes=list(ended.nodes),
        remedy="register again: licd qr",
    )


def _iso(wall_ms: int) -> str:
    return datetime.fromtimestamp(wall_ms / 1000, UTC).isoformat(timespec="seconds")
