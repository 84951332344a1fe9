"""Frames of HTTP/2 (RFC 9113), to send what no gRPC client would."""

import socket
from collections.abc import Mapping
from contextlib import suppress

from licd_kit.addresses import Address

BEGINNING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """One frame (section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def call(path: bytes, more: Mapping[bytes, bytes] | None = None) -> bytes:
    """A call's header block: each field a literal of at most 126 bytes (RFC 7541, section 6.2)."""
    fields = {
        b":method": b"POST",
        b":scheme": b"http",
        b":path": path,
        b":authority": b"127.0.0.1",
        b"content-type": b"application/grpc",
        b"te": b"trailers",
        **(more or {}),
    }
    return b"".join(b"\0" + _counted(name) + _counted(value) for name, value in fields.items())


def message(content: bytes) -> bytes:
    """A message as gRPC carries it in DATA."""
    return b"\0" + len(content).to_bytes(4, "big") + content


def begun() -> bytes:
    """What a client says first."""
    return BEGINNING + frame(SETTINGS, 0, 0)


def sent(address: str, content: bytes) -> bytes:
    """Sends bytes on a connection of their own; gives what comes back until it is closed or rests."""
    with socket.create_connection(Address.parse(address), timeout=10) as connection:
        connection.sendall(content)
        connection.settimeout(0.5)
        received = b""
        with suppress(TimeoutError, ConnectionError):
            while piece := connection.recv(4096):
                received += piece
        return received


def calling(block: bytes, calls: int = 1) -> bytes:
    """A connection's beginning and calls with an empty message."""
    each = ((HEADERS, END_HEADERS, block), (DATA, END_STREAM, message(b"")))
    return begun() + b"".join(
        frame(kind, flags, 2 * call + 1, payload) for call in range(calls) for kind, flags, payload in each
    )


def _counted(text: bytes) -> bytes:
    return bytes([len(text)]) + text
