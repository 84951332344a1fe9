"""Spans of time as people read and write them, to the second."""

import re

DAY, HOUR, MINUTE = 86_400, 3_600, 60
ENGLISH = ("d", "h", "min", "s")
CHINESE = ("天", "小时", "分钟", "秒")
_SPAN = re.compile(r"(?P<count>[0-9]{1,7}) ?(?P<unit>s|m|min|h|d|)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": MINUTE, "min": MINUTE, "h": HOUR, "d": DAY}


def span(seconds: int, units: tuple[str, str, str, str] = ENGLISH) -> str:
    """Write a span in the units that it has, such as `1 d 12 h`; `0 s` for none."""
    counts = (seconds // DAY, seconds // HOUR % 24, seconds // MINUTE % 60, seconds % 60)
    parts = [f"{count} {unit}" for count, unit in zip(counts, units, strict=True) if count]
    return " ".join(parts) or f"0 {units[-1]}"


def parse_span(text: str) -> int:
    """Give the seconds of `15m`, `15 min`, `24h`, `7d`, `90s`, or bare seconds.

    Raises:
        ValueError: It is none of these.
    """
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a duration: write 90s, 15m, 24h, 7d, or a number of seconds")
    return int(found["count"]) * _SECONDS[found["unit"].lower()]
