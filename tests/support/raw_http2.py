"""A client of raw HTTP/2 frames, for what no library does: half a message, no window, more streams than are allowed."""

import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS = 1, 1, 4
INITIAL_WINDOW = 4
DEFAULT_WINDOW = 65_535
FRAME_HEADER = 9
MOST_AT_ONCE = 16_000


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def message(body: bytes, length: int | None = None) -> bytes:
    """A gRPC message that says that it has `length` bytes: as many as it has, if None."""
    return b"\0" + (len(body) if length is None else length).to_bytes(4, "big") + body


def _text(value: str) -> bytes:
    """An HPACK string without Huffman coding (RFC 7541 section 5.2); a lone surrogate stands for a byte of no text."""
    encoded = value.encode("utf-8", "surrogateescape")
    rest = len(encoded) - 127
    if rest < 0:
        return bytes((len(encoded),)) + encoded
    prefix = bytearray((127,))
    while rest >= 128:
        prefix.append(rest % 128 + 128)
        rest //= 128
    return bytes((*prefix, rest)) + encoded


def header_block(path: str, token: str = "", more: Mapping[str, str] | None = None) -> bytes:
    """What opens a call."""
    pairs = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost", "te": "trailers"}
    pairs["content-type"] = "application/grpc"
    if token:
        pairs["authorization"] = f"Bearer {token}"
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in {**pairs, **(more or {})}.items())


class RawHttp2:
    """One connection.

    Args:
        address: `host:port`.
        tls: A context; None: plaintext.
        window: What each stream may send to this client before it is asked for more, in bytes.
    """

    def __init__(self, address: str, *, tls: ssl.SSLContext | None = None, window: int = DEFAULT_WINDOW) -> None:
        host, _, port = address.rpartition(":")
        raw = socket.create_connection((host, int(port)), timeout=20)
        self._socket = raw if tls is None else tls.wrap_socket(raw, server_hostname=host)
        self._changed = threading.Condition()
        self._next = 1
        self._credit = {0: DEFAULT_WINDOW}
        self._window: int | None = None
        self.ended: dict[int, int] = {}
        """How each stream that is over ended: 0 by trailers, else by the code of a reset."""
        self.received: dict[int, bytes] = {}
        """The data of each stream."""
        self.headers: dict[int, bytes] = {}
        """The header blocks of each stream, one after the other."""
        self.closed = False
        settings = struct.pack(">HI", INITIAL_WINDOW, window)
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0, settings))
        threading.Thread(target=self._read, daemon=True).start()

    def open(self, path: str, token: str = "", **headers: str) -> int:
        """Send the headers of a call; gives its stream."""
        with self._changed:
            self._changed.wait_for(lambda: self._window is not None or self.closed, 20)
            stream, self._next = self._next, self._next + 2
            self._credit[stream] = self._window or 0
        self._send(frame(HEADERS, END_HEADERS, stream, header_block(path, token, headers)))
        return stream

    def send(
        self, stream: int, content: bytes, patience_s: float = 0.2, *, within_s: float = 20, end: bool = False
    ) -> int:
        """Send as much as the server lets, for `within_s`.

        Returns:
            How many bytes it took before it let none for `patience_s`.
        """
        sent, until = 0, time.monotonic() + within_s
        while sent < len(content) and time.monotonic() < until:
            allowed = self._allowance(stream, min(len(content) - sent, MOST_AT_ONCE), patience_s)
            if not allowed:
                return sent
            sent += allowed
            last = end and sent == len(content)
            self._send(frame(DATA, END_STREAM if last else 0, stream, content[sent - allowed : sent]))
        return sent

    def call(self, path: str, body: bytes, token: str = "") -> int:
        """Open a unary call and send its whole message; gives its stream."""
        stream = self.open(path, token)
        self.send(stream, message(body), end=True)
        return stream

    def wait(self, stream: int, seconds: float = 20) -> int | None:
        """How a stream ended; None: it has not within `seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: stream in self.ended or self.closed, seconds)
        return self.ended.get(stream)

    def close(self) -> None:
        """Close at once."""
        self._socket.close()

    def _allowance(self, stream: int, wanted: int, patience_s: float) -> int:
        with self._changed:
            self._changed.wait_for(lambda: stream in self.ended or self.closed or self._allowed(stream) > 0, patience_s)
            taken = 0 if stream in self.ended or self.closed else min(wanted, max(0, self._allowed(stream)))
            self._credit[0] -= taken
            self._credit[stream] -= taken
            return taken

    def _allowed(self, stream: int) -> int:
        return min(self._credit[0], self._credit[stream])

    def _send(self, raw: bytes) -> None:
        with suppress(OSError):
            self._socket.sendall(raw)

    def _read(self) -> None:
        with suppress(OSError):
            for kind, flags, stream, payload in self._frames():
                if kind in (SETTINGS, PING) and not flags & ACK:
                    self._send(frame(kind, ACK, 0, payload if kind == PING else b""))
                with self._changed:
                    self._take(kind, flags, stream, payload)
                    self._changed.notify_all()
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            self._credit[stream] = self._credit.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind == SETTINGS and not flags & ACK:
            settings = dict(struct.iter_unpack(">HI", payload))
            self._window = settings.get(INITIAL_WINDOW, DEFAULT_WINDOW)
        elif kind == DATA:
            self.received[stream] = self.received.get(stream, b"") + payload
        elif kind == HEADERS:
            self.headers[stream] = self.headers.get(stream, b"") + payload
        if kind == RST_STREAM:
            self.ended.setdefault(stream, int.from_bytes(payload, "big"))
        elif kind in (DATA, HEADERS) and flags & END_STREAM:
            self.ended.setdefault(stream, 0)

    def _frames(self) -> Iterator[tuple[int, int, int, bytes]]:
        buffered = b""
        while received := self._socket.recv(65_536):
            buffered += received
            while len(buffered) >= FRAME_HEADER:
                end = FRAME_HEADER + int.from_bytes(buffered[:3], "big")
                if len(buffered) < end:
                    break
                stream = int.from_bytes(buffered[5:9], "big") & 0x7FFF_FFFF
                yield buffered[3], buffered[4], stream, buffered[FRAME_HEADER:end]
                buffered = buffered[end:]
