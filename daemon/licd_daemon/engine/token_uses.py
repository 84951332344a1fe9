"""R35: when each token was used last. Kept in memory; the journal has it to the day.

- A call, a login and an open stream are uses. A heartbeat is none of its own: its stream is open.
- A use is journaled with the minute's mark when the one in the journal is a day old, so no use costs an entry, and a
  year of heartbeats adds nothing.
"""

from collections import Counter
from collections.abc import Iterable

from licd_daemon.core.model import DAY_MS, Token


class TokenUses:
    """Instants are effective wall times in ms."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._open: Counter[str] = Counter()
        self._due: dict[str, int] = {}

    def used(self, token: Token, wall: int) -> None:
        """The token was shown and taken."""
        self._last[token.token_id] = wall
        if token.used_at is None or wall - token.used_at >= DAY_MS:
            self._due.setdefault(token.token_id, wall)

    def opened(self, token_id: str) -> None:
        """A stream was opened with it, to be `closed`."""
        self._open[token_id] += 1

    def closed(self, token_id: str, wall: int) -> None:
        """That stream has ended."""
        self._open[token_id] -= 1
        self._last[token_id] = wall
        if not self._open[token_id]:
            del self._open[token_id]

    def last(self, token: Token, wall: int) -> int | None:
        """When it was used last; None: never, as far as is known. Up to a day early after a start of the daemon."""
        return wall if token.token_id in self._open else self._last.get(token.token_id, token.used_at)

    def due(self) -> tuple[tuple[str, int], ...]:
        """The uses to be journaled with the next mark: ids and instants."""
        return tuple(self._due.items())

    def recorded(self, used: Iterable[tuple[str, int]]) -> None:
        """A mark that has these is durable."""
        for token_id, at in used:
            if self._due.get(token_id) == at:
                del self._due[token_id]
