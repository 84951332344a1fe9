"""What the reader of a mail sees of it (R29): its title and text, whatever charset and form a mail program sent.

Rules:

- The plain text comes first; then the HTML as text: a row a line, its cells divided by tabs, what is quoted behind `>`.
- A charset is read as its largest relative, since mail programs write GBK and GB 18030 under the name of GB 2312. One
  that is missing or wrong: UTF-8, then GB 18030.
- What HTML hides is not read: the customer has not seen it.
"""

import re
from collections.abc import Iterator
from email.header import decode_header
from email.message import EmailMessage, MIMEPart
from html.parser import HTMLParser

from licd_vendor.errors import RefusedError

_LARGEST = {"gb2312": "gb18030", "gb_2312-80": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "x-gbk": "gb18030"}
_LARGEST |= {"big5": "big5hkscs", "x-big5": "big5hkscs"}
_MAX_HEADER = 8192
_FALLBACKS = ("utf-8", "gb18030")
_FLOWED = re.compile(r"(?m)(?<!^--)(?P<space> )\r?\n(?!>)")
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_UNSEEN = frozenset({"head", "script", "style", "template", "title"})
_EMPTY = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_BLOCKS = (
    *("address", "article", "body", "br", "dd", "div", "dl", "dt", "footer", "h1", "h2", "h3", "h4", "h5", "h6"),
    *("header", "hr", "html", "li", "main", "ol", "p", "pre", "section", "ul"),
)
_ROW, _CELL, _QUOTE, _UNQUOTE = "\v", "\t", "\x0e", "\x0f"
_END_MARKS = dict.fromkeys(_BLOCKS, "\n") | {"table": _ROW, "tr": _ROW, "blockquote": f"{_UNQUOTE}\n"}
_MARKS = _END_MARKS | {"td": _CELL, "th": _CELL, "blockquote": f"\n{_QUOTE}"}


def title(message: EmailMessage) -> str:
    """Give the title in one line; empty when there is none, or more than one."""
    values = [str(value) for name, value in message.raw_items() if name.lower() == "subject"]
    if len(values) != 1 or len(values[0]) > _MAX_HEADER:
        return ""
    parts = [
        decode(part if isinstance(part, bytes) else part.encode("ascii", "surrogateescape"), charset)
        for part, charset in decode_header(values[0])
    ]
    return " ".join("".join(parts).split())


def texts(message: EmailMessage) -> Iterator[str]:
    """Give the mail's text, then the same text as the HTML has it: each only if it is there."""
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    if plain is not None:
        text = _decoded(plain)
        yield _FLOWED.sub(_joint(plain), text) if plain.get_param("format") == "flowed" else text
    if html is not None:
        yield html_as_text(_decoded(html))


def decode(raw: bytes, charset: str | None) -> str:
    """Decode bytes of a mail; raise RefusedError when no charset fits."""
    named = (charset or "ascii").lower()
    for name in (_LARGEST.get(named, named), *_FALLBACKS):
        try:
            return raw.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    raise RefusedError("R29: the mail's charset can't be read; send the mail in UTF-8")


def html_as_text(html: str) -> str:
    """Give what a browser shows of HTML, in lines and tabs."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = re.sub(r"[ \n]{2,}", lambda run: "\n" if "\n" in run[0] else " ", "".join(reader.seen))
    text = re.sub(r"[ \n]?\v[ \n\t\v]*", _ROW, text)
    text = re.sub(r"[ \n]?\t[ \n]?", _CELL, text).replace(_ROW, "\n")
    lines, depth = [], 0
    for line in text.split("\n"):
        depth += line.count(_QUOTE)
        lines.append(("> " if depth else "") + line.replace(_QUOTE, "").replace(_UNQUOTE, ""))
        depth -= line.count(_UNQUOTE)
    return "\n".join(lines)


def _decoded(part: MIMEPart) -> str:
    raw = part.get_payload(decode=True)
    return decode(raw if isinstance(raw, bytes) else b"", part.get_content_charset())


def _joint(part: MIMEPart) -> str:
    return "" if part.get_param("delsp") == "yes" else r"\g<space>"


class _Reader(HTMLParser):
    """Collects the text that is seen, with a mark at each row, cell, line and quotation."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._hidden: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        hides = tag in _UNSEEN or "hidden" in given or _HIDDEN.search(given.get("style") or "") is not None
        if tag == "body":
            self._hidden.clear()  # an open <head> ends here
        if tag not in _EMPTY and (hides or tag in self._hidden):
            self._hidden.append(tag)
        self.seen.append(_MARKS.get(tag, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:
            del self._hidden[len(self._hidden) - 1 - self._hidden[::-1].index(tag) :]
        self.seen.append(_END_MARKS.get(tag, ""))

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.seen.append(re.sub(rf"[\s{_QUOTE}{_UNQUOTE}]+", " ", data))
