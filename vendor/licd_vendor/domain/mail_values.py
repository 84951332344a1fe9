"""The values of an application mail as people write them (R29): a day, a way to register, a number of nodes.

Rules:

- A date may be written in every way that can be read in one way only. 03/01/2024 can be read in two, and is refused.
- The way to register is local container authentication, in English or Chinese; other ways are refused.
- The maximum is one whole number in ASCII digits, perhaps with its unit; nothing is guessed, since it costs money.
"""

import re
from datetime import date

from licd_formats import claims, strict
from licd_vendor.domain.names import folded
from licd_vendor.errors import RefusedError

WAY_WRITTEN = "Local container authentication"
_YEAR_FIRST = (
    re.compile(r"(?P<y>[0-9]{4}) ?(?P<sep>[-/.]) ?(?P<m>[0-9]{1,2}) ?(?P=sep) ?(?P<d>[0-9]{1,2})"),
    re.compile(r"(?P<y>[0-9]{4}) ?年 ?(?P<m>[0-9]{1,2}) ?月 ?(?P<d>[0-9]{1,2}) ?[日号號]?"),
    re.compile(r"(?P<y>[0-9]{4}) ?years?,? ?(?P<m>[0-9]{1,2}) ?months?,? ?(?P<d>[0-9]{1,2}) ?(?:days?|date)"),
    re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})"),
)
_MONTH_NAMED = (
    re.compile(r"(?:the )?(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?(?: of)?[ -](?P<m>[a-z]{3,9})\.?,?[ -](?P<y>[0-9]{4})"),
    re.compile(r"(?P<m>[a-z]{3,9})\.? (?:the )?(?P<d>[0-9]{1,2})(?:st|nd|rd|th)?,? (?P<y>[0-9]{4})"),
    re.compile(r"(?P<y>[0-9]{4})[ -](?P<m>[a-z]{3,9})\.?[ -](?P<d>[0-9]{1,2})"),
)
_YEAR_LAST = re.compile(r"(?P<one>[0-9]{1,2}) ?[-/.] ?(?P<two>[0-9]{1,2}) ?[-/.] ?(?P<y>[0-9]{4})")
_MIDNIGHT = re.compile(r"[ t]0?0:00(?::00)?$")
_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july"),
    *("august", "september", "october", "november", "december"),
)
_CHINESE_DATE = re.compile(
    r"(?P<y>[〇○零一二三四五六七八九]{4})年(?P<m>[十一二三四五六七八九]{1,2})月(?P<d>[十一二三四五六七八九]{1,3})[日号號]"
)
_CHINESE_DIGITS = str.maketrans("〇○零一二三四五六七八九", "000123456789")
_WAY = re.compile(
    r"(?:auth method )?local container(?: (?:auth|authentication|authorization|certification|registration))?"
    r"|本[地机機]容器(?:[认認][证證]|注册|註冊|授[权權])?(?:方式)?"
)
_MAXIMUM = re.compile(
    r"(?P<number>[0-9]{1,7}) ?(?:(?:cluster )?nodes?|node\(s\)|servers?|registrations?|seats?"
    r"|[个個台套]?(?:集群)?(?:节点|節點|服务器)?)[.。]?"
)


def signed_on(text: str, field: str) -> str:
    """Give a day as `YYYY-MM-DD`.

    Raises:
        RefusedError: When it is no day, or can be read as two; with the way to write it.
    """
    written = _MIDNIGHT.sub("", folded(text).strip(" .,;"))
    days = set(_readings(written))
    if len(days) == 1:
        return days.pop().isoformat()
    what = "can be read as two days" if days else "not a date"
    raise RefusedError(f"R29: {field}: {what}; write it YYYY-MM-DD, such as 2024-03-01")


def is_way(text: str) -> bool:
    """Say whether a way to register, as people write it, is local container authentication and nothing else."""
    pieces = [re.sub(r"[\s_\-]+", " ", piece).strip(" .。\"'") for piece in re.split(r"[()/,;、]", folded(text))]
    named = [piece for piece in pieces if piece]
    return bool(named) and all(_WAY.fullmatch(piece) for piece in named)


def maximum(text: str, field: str) -> int:
    """Give the maximum of nodes; raise RefusedError when it is no whole number, Malformed when it is out of bounds."""
    found = _MAXIMUM.fullmatch(folded(text))
    if found is None:
        raise RefusedError(f"R29: {field} must be a whole number, such as 3; leave the line out for 1")
    return strict.as_int(int(found["number"]), field, 1, claims.MAX_NODES)


def _readings(written: str) -> list[date]:
    """Give every day that it can be read as."""
    for pattern in _YEAR_FIRST:
        if found := pattern.fullmatch(written):
            return _days((found["y"], found["m"], found["d"]))
    for pattern in _MONTH_NAMED:
        if found := pattern.fullmatch(written):
            return _days((found["y"], _month(found["m"]), found["d"]))
    if found := _YEAR_LAST.fullmatch(written):
        return _days((found["y"], found["one"], found["two"]), (found["y"], found["two"], found["one"]))
    if found := _CHINESE_DATE.fullmatch(written):
        return _days((found["y"].translate(_CHINESE_DIGITS), _chinese(found["m"]), _chinese(found["d"])))
    return []


def _days(*readings: tuple[str | int, str | int, str | int]) -> list[date]:
    days = []
    for year, month, day in readings:
        try:
            days.append(date(int(year), int(month), int(day)))
        except ValueError:
            continue
    return days


def _month(text: str) -> int:
    """Give the month of its English name, whole or shortened; 0: there is none."""
    return next((at for at, name in enumerate(_MONTHS, 1) if name.startswith(text)), 0)


def _chinese(number: str) -> int:
    """Read a number below 100 in Chinese: 三, 十, 十一, 二十, 三十一."""
    tens, ten, units = number.rpartition("十")
    digits = [int(part.translate(_CHINESE_DIGITS) or default) for part, default in ((tens, "1"), (units, "0"))]
    return digits[0] * 10 + digits[1] if ten else digits[1]
