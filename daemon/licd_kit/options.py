"""Options as a command line, the environment or a file gives them: what can't be used, and spans of time."""

import re
from decimal import Decimal

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, None: 1_000}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?(ms|s|m|h)?")


class ConfigInvalid(ValueError):
    """An option that can't be used. `option`: its name, such as `--lease-ttl`; the text says what to do."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"{option}: {problem}")
        self.option = option


def parse_duration(text: str) -> int:
    """Milliseconds from `15s`, `500ms`, `5m`, `1h`, or bare seconds.

    Raises:
        ValueError: it is none of these, or a fraction of a millisecond.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a valid duration: write 15s, 500ms, 5m, 1h, or a number of seconds")
    span = Decimal(match[1]) * _UNITS_MS[match[2]]
    if span != int(span):
        raise ValueError(f"{text!r} is finer than a millisecond: write whole milliseconds, such as 500ms")
    return int(span)


def duration_text(span_ms: int) -> str:
    """`span_ms` in the largest unit that holds it whole, as `parse_duration` reads it."""
    for unit in ("h", "m", "s"):
        if span_ms and span_ms % _UNITS_MS[unit] == 0:
            return f"{span_ms // _UNITS_MS[unit]}{unit}"
    return f"{span_ms}ms"
