"""Counts of what came in a window of time, shared by every process of the portal through the database."""

from collections.abc import Sequence
from functools import cache

from sqlalchemy import Connection, TextClause, delete, text

from licd_vendor.store.schema import rate_windows


def count(connection: Connection, keys: Sequence[str], window: int) -> dict[str, int]:
    """Count one more for each key in this window, and give the counts with it.

    Args:
        connection: A transaction that writes.
        keys: What is counted, each once; at most 128 characters.
        window: The window's number: Unix seconds over its length.
    """
    # in one order everywhere, so that two transactions never wait for each other
    names = {f"key{at}": key for at, key in enumerate(sorted(keys))}
    return {key: number for key, number in connection.execute(_more(len(keys)), {**names, "window": window})}  # noqa: C416


def forget(connection: Connection, before: int) -> None:
    """Forget every window before this one."""
    connection.execute(delete(rate_windows).where(rate_windows.c.window < before))


@cache
def _more(keys: int) -> TextClause:
    """The statement for so many keys, in words that both databases know; SQLAlchemy's own is compiled at each use."""
    rows = ", ".join(f"(:key{at}, :window, 1)" for at in range(keys))
    return text(
        f'INSERT INTO rate_windows ("key", "window", "count") VALUES {rows} '  # noqa: S608 (names of this function)
        'ON CONFLICT ("key", "window") DO UPDATE SET "count" = rate_windows."count" + 1 RETURNING "key", "count"'
    )
