"""How names and addresses that people type are compared (R29).

Rules:

- Full-width letters, digits and punctuation are the ASCII ones, as Chinese input methods write either; nothing else
  is folded: a raised digit is no digit.
- Characters without width, which web pages and word processors leave behind, are dropped.
- A mail address is compared strictly: only the case of ASCII letters does not matter, or two domains would be one.
"""

import string

_WITHOUT_WIDTH = "\u00ad\u200b\u2060\ufeff"
_NARROW = str.maketrans(
    "".join(map(chr, range(0xFF01, 0xFF5F))) + "\u3000", "".join(map(chr, range(0x21, 0x7F))) + " ", _WITHOUT_WIDTH
)
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def narrow(text: str) -> str:
    """Give the text with ASCII for its full-width forms, and without characters that have no width."""
    return text.translate(_NARROW)


def folded(text: str) -> str:
    """Give what two names are compared by: case, width and runs of spaces do not matter."""
    return " ".join(narrow(text).split()).casefold()


def is_same_address(one: str, other: str) -> bool:
    """Say whether two mail addresses are the same."""
    return one.strip().translate(_LOWER) == other.strip().translate(_LOWER)
