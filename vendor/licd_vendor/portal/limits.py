"""How often codes may be asked for, per address and per license, over all processes of the portal.

Rules:

- What is counted is a tap (POST) on a challenge that this portal can open. Anything else costs a tenth of a
  millisecond, touches no database and finds nothing out: a token has 172 characters.
- Counts are in the database, by the minute, so that another process or another machine knows them. A key that was
  seen over its limit is refused from memory until its minute has ended: a flood costs no further write.
- The limits are for people: a company behind one address may tap once a second.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection

from licd_vendor.store import limits

WINDOW_SECONDS = 60
_KEPT_WINDOWS = 2
Begin = Callable[[], AbstractContextManager[Connection]]


@dataclass(frozen=True, slots=True)
class Limits:
    """The most in a minute."""

    per_address: int = 60
    per_license: int = 30


class RateLimiter:
    """Counts, and says when it was too often."""

    def __init__(self) -> None:
        self._window = 0
        self._full: set[str] = set()

    def wait_for(self, begin: Begin, keys: Mapping[str, int], now: int) -> int:
        """Count one of each key, in a transaction of its own.

        Args:
            begin: Begins a transaction that writes.
            keys: The most that each key may have in a minute.
            now: Unix seconds.

        Returns:
            0, or the seconds to wait because a key has had too many.
        """
        if self.is_full(keys, now):
            return left_of_window(now)
        with begin() as connection:
            return self.count(connection, keys, now)

    def is_full(self, keys: Mapping[str, int], now: int) -> bool:
        """Say whether a key is known to have had too many in this minute, without asking the database."""
        return self._window == now // WINDOW_SECONDS and not self._full.isdisjoint(keys)

    def count(self, connection: Connection, keys: Mapping[str, int], now: int) -> int:
        """Count one of each key in a transaction that has begun; arguments and result as in `wait_for`."""
        window = now // WINDOW_SECONDS
        is_new = window != self._window
        if is_new:
            self._window, self._full = window, set()
        counts = limits.count(connection, list(keys), window)
        if is_new:
            limits.forget(connection, window - _KEPT_WINDOWS)
        full = {key for key, number in counts.items() if number > keys[key]}
        self._full |= full
        return left_of_window(now) if full else 0


def left_of_window(now: int) -> int:
    """Give the seconds until the minute has ended."""
    return WINDOW_SECONDS - now % WINDOW_SECONDS
