"""R36: what may come in from outside, through whichever door: lengths and forms, each refused by name."""

import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache

from licd_daemon.core.model import Application
from licd_daemon.core.refusal import Reason, Refused
from licd_kit.printable import steers

SECRET_BYTES = 32
MAX_KINDS = 64
_CODE = re.compile(r"[0-9]{6}", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
LAST_POSITION = 2**63 - 1  # what SQLite and etcd count to
LATEST_MS = 253_402_300_800_000  # the year 10000, where Timestamp ends


def invalid_field(field: str, problem: str, remedy: str) -> Refused:
    """INVALID_FIELD that names the field and the remedy; the value itself is not repeated."""
    return Refused(Reason.INVALID_FIELD, f"{field}: {problem}. {remedy}", metadata={"field": field, "remedy": remedy})


def text(field: str, value: str, most: int, least: int = 1) -> str:
    """A string of `least` to `most` characters, each of which is read as it is: no control or format characters.

    Raises:
        Refused: INVALID_FIELD.
    """
    if not least <= len(value) <= most:
        raise invalid_field(field, f"has {len(value)} characters", f"Give {least} to {most}.")
    if steers(value):
        raise invalid_field(field, "has control or format characters, which are not seen", "Leave them out.")
    return value


def position(field: str, value: int) -> int:
    """A position in the journal, which may lie ahead of its end.

    Raises:
        Refused: INVALID_FIELD.
    """
    if value > LAST_POSITION:
        raise invalid_field(field, "is beyond every journal", "Give the position of an event.")
    return value


def secret(field: str, value: bytes) -> bytes:
    """A resume secret; never repeated in an error.

    Raises:
        Refused: INVALID_FIELD.
    """
    if len(value) != SECRET_BYTES:
        raise invalid_field(field, f"has {len(value)} bytes", f"Give {SECRET_BYTES} random bytes.")
    return value


def code(value: str) -> str:
    """The six digits; anything else is not counted as an attempt.

    Raises:
        Refused: INVALID_FIELD.
    """
    if not _CODE.fullmatch(value):
        raise invalid_field("code", "is not six digits", "Type the six digits that the phone shows.")
    return value


@lru_cache(maxsize=256)
def application(name: str, version: str, build_date: str, content: str) -> Application:
    """What a report server says that it is: one value for all that run the same, checked and kept once.

    Raises:
        Refused: INVALID_FIELD.
    """
    return Application(
        name=text("application.name", name, 128),
        version=text("application.version", version, 64),
        build_date=_build_date(build_date),
        content=text("application.content", content, 1024, least=0),
    )


def _build_date(value: str) -> str:
    try:
        if _DATE.fullmatch(value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise invalid_field("application.build_date", "is not a valid date", "Give the build's date as YYYY-MM-DD.")


def page_size(value: int) -> int:
    """The size of a page: 100 when left out, at most 1000.

    Raises:
        Refused: INVALID_FIELD.
    """
    if value < 0:
        raise invalid_field("page_size", "is negative", "Give 1 to 1000, or leave it out for 100.")
    return min(value or 100, 1000)


def page_token(value: str) -> int:
    """Where a page begins; 0: at the start.

    Raises:
        Refused: INVALID_FIELD.
    """
    if not value:
        return 0
    if not re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
        raise invalid_field("page_token", "was not given by this call", "Give next_page_token as it came.")
    return int(value)


def kinds(field: str, values: Sequence[str]) -> tuple[str, ...]:
    """The kinds of events asked for, the first 64; empty: all.

    Raises:
        Refused: INVALID_FIELD.
    """
    return tuple(text(field, kind, 64) for kind in values[:MAX_KINDS])


def instant(field: str, ms: int) -> int:
    """A wall time in ms.

    Raises:
        Refused: INVALID_FIELD.
    """
    if not 0 <= ms < LATEST_MS:
        raise invalid_field(field, "is out of range", "Give a time from 1970 to 9999.")
    return ms
