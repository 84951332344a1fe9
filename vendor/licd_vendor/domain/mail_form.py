"""The form of an application mail, found in its text (R29): what each of its fields says.

Rules:

- The names of the fields in English or Chinese, simplified or traditional, in any case, in any order; before them a
  bullet or not, behind them a note in brackets or not.
- The value is behind a colon, `=`, a dash, a tab, a pipe or two spaces; or in the next cell, or on the next line; or
  all names are in one row of a table, and the values in the next. Several fields on one line each have a colon.
- A full name comes before a short one (`Company: ...`), which may be of a signature.
- What the sender has written comes first: what is quoted (`>`) or is below the head of an earlier mail is read only if
  there is no field above. So a reply's own numbers count, and a form that is forwarded is read.
- A field that is there twice must say the same.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from licd_vendor.domain.names import folded, narrow
from licd_vendor.errors import RefusedError

COMPANY, PROJECT, DATE = "company name", "project name", "contract signing date"
WAY, MAXIMUM = "way to register", "maximum number"
REQUIRED = (COMPANY, PROJECT, DATE, WAY)

_NODES = r"(?:(?:the )?(?:cluster |report )*(?:project )?(?:nodes?|registrations?|authori[sz]ations?|seats?|servers?))"
_COUNTED = r"(?:registrable|registerable|registration|authori[sz]ation|authori[sz]ed|cluster|node|nodes)"
_NAMES = {
    COMPANY: r"company(?:'s)? name|name of (?:the |your |our )?company"
    r"|公司(?:全称|名称|名)|(?:企业|单位|客户)(?:全称|名称)",
    PROJECT: r"(?:company(?:'s)? )?project name|name of (?:the )?(?:company )?project"
    r"|(?:公司)?(?:项目|专案|工程)(?:名称|名)",
    DATE: r"contract (?:sign(?:ing|ature|ed)? )?(?:date|day|time)|contract signed on"
    r"|(?:date|day|time) of (?:the )?(?:contract )?sign(?:ing|ature)(?: of| the| contract)*|date of (?:the )?contract"
    r"|sign(?:ing|ature) date(?: of| the| contract)*"
    r"|(?:合同|合约)?(?:签署|签订|签定|签约|签字)(?:日期|时间|日)|(?:合同|合约)日期",
    WAY: r"way (?:to register|of (?:registration|registering))|method of (?:registration|authentication)"
    r"|(?:registration|register|registering|authentication) (?:way|method|mode|type)"
    r"|(?:注册|认证|授权)(?:方式|方法)",
    MAXIMUM: rf"max(?:imum|\.)? (?:number|amount|quantity)(?: of {_NODES})?"
    rf"|max(?:imum|\.)? {_COUNTED} (?:number|amount|quantity)|max(?:imum|\.)? {_NODES}"
    r"|(?:最大)?可?(?:注册|授权|集群|工程|节点|服务器)+(?:数量|个数|总数|数|量)|最大(?:数量|数)",
}
_SHORT_NAMES = {
    COMPANY: "company|公司|企业",
    PROJECT: "project|项目",
    MAXIMUM: f"max(?:imum)?|number of {_NODES}|nodes",
}
_SIMPLIFIED = str.maketrans(
    "稱專項約簽訂註冊數權認證點單戶個時間總務業開", "称专项约签订注册数权认证点单户个时间总务业开"
)
_BULLET = r"(?:[-*•·●○■□▪◆‣–—+#]+ ?|\(?[0-9]{1,2}[.)、:] ?|[①-⑳] ?|\(?[一二三四五六七八九十]{1,2}[、.)] ?)?"
_BEHIND = r"(?: ?/ ?(?:{names})| (?:{names})| ?\([^()]{{0,120}}\))?"
_DIVIDER = r" {0,2}[:∶=|] ?| [-–—] |  "
_MOST_LINES_OF_HEAD = 3
_MAX_CELL = 512
_RULE_LINE = re.compile(r"[\s|:+=–—\u2500-\u257f-]*")
_PIPES = str.maketrans("│┃║", "|||")
_MARKS = ("*", "_", "`")
_MARK_UP = " *_`"
_BOLD = re.compile(r"([*_`]{1,3})[^*_`]+\1")
_EARLIER_MAIL = re.compile(
    r"[-_=—]{2,} ?[^-]*(?:original|forwarded|转发|轉發|原始|原)[^-]*(?:message|mail|邮件|郵件)[^-]*[-_=—]{2,}"
    r"|begin forwarded message:",
    re.IGNORECASE,
)
_HEAD_FROM = re.compile(r"[*_]*(?:from|发件人|寄件者|發件人)[*_]* ?:", re.IGNORECASE)
_HEAD_NEXT = re.compile(
    r"[*_]*(?:sent|date|to|subject|发送时间|日期|收件人|主题|寄件日期|收件者|主旨)[*_]* ?:", re.IGNORECASE
)


class _Name(NamedTuple):
    """What names a field."""

    field: str
    is_short: bool = False


def _pattern(names: str, *, alone: bool) -> re.Pattern[str]:
    """What begins with one of the names; `alone`: it may be all that is there."""
    value = rf"(?:{_DIVIDER})(?P<value>.*)"
    behind = _BEHIND.format(names=names)
    return re.compile(
        rf" ?{_BULLET}[{_MARK_UP}]*(?:{names}){behind}[*_`]*(?:{value}){'?' if alone else ''}", re.IGNORECASE
    )


_ALL_NAMES = "|".join(_NAMES.values())
_NAMED = re.compile(rf"(?:^|(?<=[\s;,、。]))(?:{_ALL_NAMES}){_BEHIND.format(names=_ALL_NAMES)} ?:", re.IGNORECASE)
_PATTERNS = {_Name(field): _pattern(names, alone=True) for field, names in _NAMES.items()}
_PATTERNS |= {_Name(field, is_short=True): _pattern(names, alone=False) for field, names in _SHORT_NAMES.items()}


def fields(text: str) -> dict[str, str]:
    """Give what the form says, by field; a field that is left empty is not in it.

    Raises:
        RefusedError: When a field is there twice and does not say the same.
    """
    parts = [_read(lines) for lines in _divide(text)]
    full, short = next((part for part in parts if part[0]), parts[0])
    return short | full


def _divide(text: str) -> tuple[list[str], list[str]]:
    """Give the sender's own lines, and those of earlier mails."""
    lines = [line for whole in text.splitlines() for line in _fields_apart(_clean(whole))]
    own: list[str] = []
    earlier: list[str] = []
    for at, line in enumerate(lines):
        if line.startswith(">"):
            earlier.append(line.lstrip("> "))
        elif _begins_earlier_mail(lines[at : at + 1 + _MOST_LINES_OF_HEAD]):
            return own, earlier + [line.lstrip("> ") for line in lines[at:]]
        else:
            own.append(line)
    return own, earlier


def _clean(line: str) -> str:
    """Narrow, with tabs as they are and at most two spaces in a row."""
    cells = narrow(line).translate(_PIPES).split("\t")
    return "\t".join(re.sub(r"\s{2,}", "  ", re.sub(r"\s", " ", cell)) for cell in cells).strip(" ")


def _fields_apart(line: str) -> list[str]:
    """Give a line for each of several fields on one."""
    starts = [found.start() for found in _NAMED.finditer(line.translate(_SIMPLIFIED))]
    if len(starts) < 2 or line.startswith("|"):
        return [line]
    is_prose_before = re.fullmatch(f" ?{_BULLET}", line[: starts[0]]) is None
    return [line[start:end].strip() for start, end in pairwise([0, *starts[not is_prose_before :], len(line)])]


def _begins_earlier_mail(lines: Sequence[str]) -> bool:
    if len(lines[0]) <= _MAX_CELL and _EARLIER_MAIL.fullmatch(lines[0]):
        return True
    return _HEAD_FROM.match(lines[0]) is not None and any(_HEAD_NEXT.match(line) for line in lines[1:])


def _read(lines: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Give what is written under full names, and under short ones."""
    rows = [_cells(line) for line in lines if not _RULE_LINE.fullmatch(line)]
    full: dict[str, str] = {}
    short: dict[str, str] = {}
    for at, row in enumerate(rows):
        below = rows[at + 1] if at + 1 < len(rows) else []
        for name, value in _of_table(row, below) or _of_row(row, below):
            _keep(short if name.is_short else full, name.field, value)
    return full, short


def _cells(line: str) -> list[str]:
    divider = "|" if line.startswith("|") else "\t"
    cells = [cell.strip() for cell in line.strip(f"{divider} ").split(divider)]
    return [cell for cell in cells if cell != ":"]


def _of_table(row: Sequence[str], below: Sequence[str]) -> list[tuple[_Name, str]]:
    """A row of names above a row of values."""
    names = [_named(f"{cell}:")[0] for cell in row]
    if len(row) < 2 or len(below) != len(row) or not all(names):
        return []
    return [(name, _plain(value)) for name, value in zip(names, below, strict=True) if name]


def _of_row(row: Sequence[str], below: Sequence[str]) -> list[tuple[_Name, str]]:
    """Names with their values behind them, in the next cell or on the next line."""
    found = []
    for at, cell in enumerate(row):
        is_last = at + 1 == len(row)
        name, value = _named(cell if is_last or ":" in cell else f"{cell}:")
        if name and not value:
            value = _plain(row[at + 1]) if not is_last else _next_line(name, below)
        if name:
            found.append((name, value))
    return found


def _next_line(name: _Name, below: Sequence[str]) -> str:
    if len(below) != 1 or _named(below[0])[0] is not None:
        return ""
    value = _plain(below[0])
    return value if name.field != MAXIMUM or value[:1].isdigit() else ""


def _named(cell: str) -> tuple[_Name | None, str]:
    """Give the name that a cell begins with, and the value behind it."""
    if len(cell) > _MAX_CELL:  # prose; and what is longer could take the patterns long
        return None, ""
    plain = cell.translate(_SIMPLIFIED)
    for name, pattern in _PATTERNS.items():
        if match := pattern.fullmatch(plain):
            start = match.start("value")
            return name, "" if start < 0 else _plain(cell[start:], is_marked=cell.startswith(_MARKS))
    return None, ""


def _plain(value: str, *, is_marked: bool = False) -> str:
    """Give a value without what ends an item of a list, and without marks of bold text around it or its whole line."""
    plain = value.strip(" ,;、").rstrip("。")
    return plain.strip(_MARK_UP) if is_marked or _BOLD.fullmatch(plain) else plain


def _keep(found: dict[str, str], field: str, value: str) -> None:
    if value and folded(found.setdefault(field, value)) != folded(value):
        raise RefusedError(f"R29: {field} must be in the mail only once; it says {found[field]!r} and {value!r}")
