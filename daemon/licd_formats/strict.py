"""Strict readers for what arrives from outside: one encoding for each value, and no surprises in JSON.

Rules:

- base64url is unpadded and canonical: what decodes must encode to the very same characters, or two files would be one.
- JSON is UTF-8, without byte order mark, duplicate keys, floats or NaN; an object has exactly the names asked for.
- An integer is an int, never a bool. A string is bounded, and free of characters that steer a terminal (controls,
  line separators, bidirectional overrides, lone surrogates).
- Every fault is a `Malformed` that names the field and never quotes its value.
"""

import base64
import binascii
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Malformed(ValueError):
    """A value that is not in its one right form; the text names the field only."""


def encode_base64url(raw: bytes) -> str:
    """Encode `raw` as unpadded base64url (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_base64url(text: str, field: str) -> bytes:
    """Decode canonical unpadded base64url.

    Raises:
        Malformed: For padding, foreign characters, or unused bits that are set.
    """
    if not _BASE64URL.fullmatch(text):
        raise Malformed(f"{field}: not base64url")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise Malformed(f"{field}: not base64url") from None
    if encode_base64url(raw) != text:
        raise Malformed(f"{field}: not canonical base64url")
    return raw


def read_json_object(raw: bytes, field: str) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        Malformed: For anything but UTF-8 JSON of one object without duplicate keys or floats.
    """
    try:
        value = json.loads(
            raw.decode("utf-8"), object_pairs_hook=_unique, parse_float=_refuse_number, parse_constant=_refuse_number
        )
    except Malformed as fault:
        raise Malformed(f"{field}: {fault}") from None
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise Malformed(f"{field}: not JSON") from None
    if not isinstance(value, dict):
        raise Malformed(f"{field}: not a JSON object")
    return value


def check_names(value: Mapping[str, object], field: str, required: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Check that an object has every required name and none that is unknown.

    Raises:
        Malformed: Naming what is missing; an unknown name is not quoted, since a stranger chose it.
    """
    missing = sorted(set(required) - value.keys())
    if missing:
        raise Malformed(f"{field}: missing {', '.join(missing)}")
    if value.keys() - set(required) - set(optional):
        raise Malformed(f"{field}: has an unknown member")


def as_object(value: object, field: str) -> dict[str, Any]:
    """Give `value` back if it is a JSON object; raise Malformed otherwise."""
    if not isinstance(value, dict):
        raise Malformed(f"{field}: not an object")
    return value


def as_int(value: object, field: str, low: int, high: int) -> int:
    """Give `value` back if it is an integer of `low` to `high`; raise Malformed otherwise."""
    if type(value) is not int:  # bool is a subclass of int
        raise Malformed(f"{field}: not an integer")
    if not low <= value <= high:
        raise Malformed(f"{field}: not within {low} to {high}")
    return value


def as_text(value: object, field: str, longest: int, shortest: int = 1) -> str:
    """Give `value` back if it is a string of that many characters, all safe to print; raise Malformed otherwise."""
    if not isinstance(value, str):
        raise Malformed(f"{field}: not a string")
    if not shortest <= len(value) <= longest:
        raise Malformed(f"{field}: not {shortest} to {longest} characters long")
    if any(c in _BIDI_CONTROLS or unicodedata.category(c) in _FORBIDDEN_CATEGORIES for c in value):
        raise Malformed(f"{field}: holds a control character")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Malformed("has a duplicate name")
    return value


def _refuse_number(_: str) -> NoReturn:
    raise Malformed("holds a number that is not an integer")
