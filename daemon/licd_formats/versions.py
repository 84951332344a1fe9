"""R5: how the version of an application compares with those of a license."""

import re
from itertools import zip_longest

_PART = re.compile("([0-9]*)(.*)", re.DOTALL)


def version_matches(certified: str, local: str) -> bool:
    """R5: the certified version's parts are a prefix of the local one's."""
    parts = certified.split(".")
    return local.split(".")[: len(parts)] == parts


def version_reaches(lowest: str, local: str) -> bool:
    """R5: the local version is not below the lowest one.

    Dot-separated parts are compared in order, a missing one as 0. A part counts by the number that it begins with; at
    the same number one that goes on with text (`5-rc1`) is below the bare number, and two texts compare by their
    characters. A part that begins with no digit is below every number.
    """
    pairs = zip_longest(lowest.split("."), local.split("."), fillvalue="0")
    return next((_rank(mine) > _rank(least) for least, mine in pairs if _rank(mine) != _rank(least)), True)


def _rank(part: str) -> tuple[int, bool, str]:
    digits, text = _PART.fullmatch(part).groups()  # type: ignore[union-attr]  # matches everything
    return (int(digits) if digits else -1, not text, text)
