"""Text that others wrote, where people read it: nothing in it moves a cursor, turns the writing or can't be seen.

- Names are refused with such characters where they come in; older ones, and what libraries report, are shown escaped.
- Two characters without width are part of how Persian, Indian scripts and emoji are written, and are allowed in names.
"""

import re
import unicodedata

_JOINERS = "\u200c\u200d"
# Controls, format characters (bidirectional ones among them), lone surrogates, line and paragraph separators.
_STEERING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_FORMATS = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0001\U000e0020-\U000e007f]"
)


def steers(text: str) -> bool:
    """Whether a name has a character that steers the text around it instead of being read."""
    if text.isprintable():
        return False
    return any(each not in _JOINERS and unicodedata.category(each) in _STEERING for each in text)


def escaped(text: str, kept: str = "") -> str:
    """`text` with everything that a terminal would not print written as an escape, but for the characters `kept`."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in kept else each.encode("unicode_escape").decode() for each in text
    )


def escaped_json(document: bytes) -> bytes:
    """A JSON document for a web page, with the format characters in its strings written as escapes that are seen.

    JSON has escaped controls already, which a page does not obey.
    """
    if document.isascii():
        return document
    return _FORMATS.sub(lambda found: f"\\\\u{ord(found[0]):04x}", document.decode()).encode()
