"""What the commands print, for people and for programs.

- What comes from the network is printed without its control characters: a node's name must not move the cursor.
- Colours are for terminals, and `NO_COLOR` turns them off.
- JSON is proto3 JSON with snake_case names and defaults included (DESIGN section 5).
"""

import os
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import click
from google.protobuf.duration_pb2 import Duration
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1.failure_pb2 import Failure
from licd.v1.registration_service_pb2 import LicensedApplication
from licd_kit.printable import escaped

_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799  # the years 1 to 9999, as Timestamp has them
_ZONE = r"[A-Za-z0-9+-]{1,16}"
_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"))


def say(text: str, *, err: bool = False) -> None:
    """Print a line; styles survive on a terminal only."""
    click.echo(text, err=err, color=False if os.environ.get("NO_COLOR") else None)


def say_json(message: Message, *, one_line: bool = False) -> None:
    """Print a message as proto3 JSON."""
    click.echo(
        MessageToJson(
            message,
            preserving_proto_field_name=True,
            always_print_fields_with_no_presence=True,
            indent=None if one_line else 2,
        )
    )


def clean(text: str) -> str:
    """`text` with everything that a terminal would not print written as an escape."""
    return escaped(text)


def short(enum: EnumTypeWrapper, value: int, prefix: str) -> str:
    """An enum value's bare name, or its number when a newer daemon sent one that is unknown here."""
    names: dict[int, str] = {number: name for name, number in enum.items()}
    return names.get(value, str(value)).removeprefix(prefix)


def wall_time() -> datetime:
    """The present time by this machine's clock. No other command module reads it."""
    return datetime.now(UTC)


def local(moment: Timestamp) -> datetime:
    """A wall time in this machine's time zone; in UTC where the zone is none, or its calendar ends before."""
    seconds = min(max(moment.seconds, _FIRST_S), _LAST_S)
    universal = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds, microseconds=moment.nanos // 1000)
    try:
        return universal.astimezone()
    except (OverflowError, ValueError):
        return universal


def when(moment: Timestamp) -> str:
    """A wall time for people."""
    shown = local(moment)
    return f"{shown:%Y-%m-%d %H:%M:%S} {_zone(shown)}"


def _zone(moment: datetime) -> str:
    """The zone's name, or its offset where TZ is nothing that people would know."""
    name = moment.tzname() or ""
    return name if re.fullmatch(_ZONE, name) else f"{moment:%z}"


def milliseconds(span: Duration) -> str:
    """A signed span, such as `+12.3 ms`."""
    return f"{span.seconds * 1000 + span.nanos / 1_000_000:+.1f} ms"


def length(span: Duration) -> str:
    """How long a span is, to the second: `15 min`, `1 day 12 h`; `none` for 0."""
    seconds, parts = span.seconds, []
    for size, unit in (*_UNITS, (1, "s")):
        count, seconds = divmod(seconds, size)
        parts += [f"{count} {unit}{'s' if unit == 'day' and count != 1 else ''}"] if count else []
    return " ".join(parts) or "none"


def left(moment: Timestamp, now: datetime) -> str:
    """How far off a wall time is, roughly: `in 12 days`, `in 4 min`, `3 days ago`."""
    span = local(moment) - now
    seconds = abs(span) // timedelta(seconds=1)
    size, unit = next((pair for pair in _UNITS if seconds >= pair[0]), (1, "s"))
    count = seconds // size
    amount = f"{count} days" if unit == "day" and count != 1 else f"{count} {unit}"
    return f"{amount} ago" if span < timedelta() else f"in {amount}"


def certified(application: LicensedApplication) -> str:
    """The application that a license is for, with its versions."""
    lowest = f" (at least {application.min_version})" if application.min_version else ""
    return clean(f"{application.name} {application.version}{lowest}")


def failure_lines(failures: Iterable[Failure]) -> list[str]:
    """Every reason with its node, its detail and its remedy."""
    lines = []
    for failure in failures:
        of_node = f" (node {clean(failure.node_name)})" if failure.node_name else ""
        detail = f": {clean(failure.detail)}" if failure.detail else ""
        lines.append(click.style(f"- {clean(failure.title)}{of_node}", bold=True) + detail)
        if failure.remedy:
            lines.append(f"  {clean(failure.remedy)}")
    return lines
