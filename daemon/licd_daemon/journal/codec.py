"""A state to and from the bytes of a snapshot.

Rules:

- Exact: `decode_state(encode_state(state)) == state`, and equal states give equal bytes.
- Strict: what this version would not have written byte for byte is refused. A snapshot of a version that knew other
  fields is never filled up with defaults; the journal's entries, which are kept, give that state by replay.
"""

from types import GenericAlias
from typing import Any, get_args, get_origin

import msgspec
from immutables import Map

from licd_daemon.core.model import Frozen, State
from licd_daemon.journal.port import UNREADABLE, JournalCorrupt

VERSION = 1
"""Raised when an old snapshot would be read, but wrongly."""


class _Versioned(Frozen, frozen=True):
    version: int


class _Document(Frozen, frozen=True):
    version: int
    state: State


def _plain(value: object) -> object:
    if isinstance(value, Map):
        return {str(key): item for key, item in value.items()}
    raise NotImplementedError


def _typed(type_: type, value: object) -> object:
    if get_origin(type_) is not Map:
        raise NotImplementedError
    plain: dict[Any, Any] = msgspec.convert(value, GenericAlias(dict, get_args(type_)), str_keys=True)
    return Map(plain)


# Sorted, because the order of a Map's items differs from process to process.
_encoder = msgspec.json.Encoder(enc_hook=_plain, order="sorted")
_decoder = msgspec.json.Decoder(_Document, dec_hook=_typed)
_version_decoder = msgspec.json.Decoder(_Versioned)


def encode_state(state: State) -> bytes:
    """The state as canonical JSON, with a version."""
    return _encoder.encode(_Document(VERSION, state))


def decode_state(content: bytes) -> State:
    """The state that `encode_state` made `content` of.

    Raises:
        JournalCorrupt: it is of another version, or no such content; load again with `replay`.
    """
    try:
        version = _version_decoder.decode(content).version
        if version != VERSION:
            raise JournalCorrupt(f"the snapshot is of version {version}, this licd reads version {VERSION}")
        document = _decoder.decode(content)
    except UNREADABLE as error:
        raise JournalCorrupt(f"the snapshot can't be read: {error}") from None
    if _encoder.encode(document) != content:
        raise JournalCorrupt("the snapshot holds other fields than this version of licd writes")
    return document.state
