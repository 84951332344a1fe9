"""Inputs that are nearly right: sound ones, changed. The same seed gives the same inputs."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

LONGEST = 70_000
"""Bytes; a little more than the largest input that any door takes."""
WORDS = (
    b"",
    b"\0",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\n\n",
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"=",
    b".",
    b"-1",
    b"0",
    b"00",
    b"1e999",
    b"NaN",
    b"Infinity",
    b"null",
    b"true",
    b"2147483648",
    b"9223372036854775808",
    b"18446744073709551616",
    b"9" * 400,
    b"%s%n",
    b"../../",
    b"\xe2\x80\xae",
    b"\x1b[2J",
    "公司".encode(),
    b"A" * 5000,
)
_EXTREMES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31,
    2**53 + 1,
    2**63,
    2**64,
    -(2**63),
    10**400,
    0.5,
    "",
    "x",
    "\0",
    "\u202e",
    "\ud800",
    "9" * 5000,
    "9999-12-31",
    "0000-00-00",
    [],
    {},
    [[]] * 3,
    {"": 0},
)


class Mutator:
    """Makes inputs of `seeds`, with `words` that mean something to whom they are for."""

    def __init__(self, seeds: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> None:
        self._seeds = seeds
        self._words = (*WORDS, *words)
        self._chance = chance
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._flipped,
            self._with_a_word,
            self._without_a_span,
            self._with_a_span_again,
            self._cut,
            self._joined,
            self._json,
            self._noise,
        )

    def __iter__(self) -> Iterator[bytes]:
        """Inputs without end, each changed once to four times."""
        while True:
            content = self._chance.choice(self._seeds)
            for _ in range(self._chance.randint(1, 4)):
                content = self._chance.choice(self._ways)(content)
            yield content[:LONGEST]

    def _place(self, content: bytes) -> int:
        return self._chance.randint(0, len(content))

    def _flipped(self, content: bytes) -> bytes:
        changed = bytearray(content)
        for _ in range(self._chance.randint(1, 4) if changed else 0):
            changed[self._chance.randrange(len(changed))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)

    def _with_a_word(self, content: bytes) -> bytes:
        at = self._place(content)
        skipped = self._chance.choice((0, 1, 2, 8))
        return content[:at] + self._chance.choice(self._words) + content[at + skipped :]

    def _without_a_span(self, content: bytes) -> bytes:
        at = self._place(content)
        return content[:at] + content[at + self._chance.randint(1, 32) :]

    def _with_a_span_again(self, content: bytes) -> bytes:
        at, length = self._place(content), self._chance.randint(1, 64)
        return content[:at] + content[at : at + length] * self._chance.choice((2, 3, 50)) + content[at + length :]

    def _cut(self, content: bytes) -> bytes:
        return content[: self._place(content)]

    def _joined(self, content: bytes) -> bytes:
        other = self._chance.choice(self._seeds)
        return content[: self._place(content)] + other[self._place(other) :]

    def _noise(self, _: bytes) -> bytes:
        return self._chance.randbytes(self._chance.randint(0, 200))

    def _json(self, content: bytes) -> bytes:
        """One value of a JSON document is another; what is no document stays as it is."""
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            return content
        return json.dumps(self._changed(document)).encode("utf-8", "surrogatepass")

    def _changed(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self._chance.random() < 0.9:
            key = self._chance.choice(list(value))
            return {**value, key: self._changed(value[key])}
        if isinstance(value, list) and value and self._chance.random() < 0.8:
            at = self._chance.randrange(len(value))
            return [*value[:at], self._changed(value[at]), *value[at + 1 :]]
        return self._chance.choice(_EXTREMES)
