"""The least HTTP/2 client that can load a gRPC server: the generator must cost less for each message than any server.

Rules:

- Request headers are encoded once, as HPACK literals without indexing (RFC 7541 section 6.2.2), and sent as bytes.
- Responses are read by their frame headers; header blocks are skipped. So a status is not seen: what a load achieved
  is asked of the server afterwards (`servers`), never believed from here.
- A stream that ends without a message, a reset, a GOAWAY or a broken connection is a failure, and is counted.
- The peer may send without bound: the windows are opened to their maximum at the start. What is sent stays within the
  connection's window by the loads' own limits (a closed loop); beyond it is an error, not a wait.
"""

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
READ = 1 << 18
GREATEST_WINDOW = (1 << 31) - 1
FRAME_HEADER = 9
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
_LINGER_NOT = struct.pack("ii", 1, 0)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame (RFC 9113 section 4.1)."""
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


_OPENING = (
    PREFACE
    + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, GREATEST_WINDOW))
    + frame(WINDOW_UPDATE, 0, 0, (GREATEST_WINDOW - 65535).to_bytes(4, "big"))
)


def message(stream: int, body: bytes, flags: int = 0) -> bytes:
    """A DATA frame with one gRPC message."""
    return frame(DATA, flags, stream, b"\0" + len(body).to_bytes(4, "big") + body)


def header_block(path: str, *, tls: bool, token: str = "") -> bytes:
    """The header block of a gRPC request to `path`."""
    block = b"\x83" + (b"\x87" if tls else b"\x86")
    block += b"\x04" + _text(path) + b"\x01" + _text("localhost")
    block += b"\x00" + _text("te") + _text("trailers") + b"\x0f\x10" + _text("application/grpc")
    return block + (b"\x0f\x08" + _text(f"Bearer {token}") if token else b"")


def _text(value: str) -> bytes:
    encoded = value.encode()
    length = len(encoded)
    return (bytes((length,)) if length < 127 else bytes((127, length - 127))) + encoded


class Loop:
    """Drives connections. `failures`: what went wrong, in words; a load with one counts for nothing."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self.failures: list[str] = []

    def watch(self, connection: "Connection", *, write: bool) -> None:
        """Follows a connection that is to read, and to write if `write`."""
        mask = select.EPOLLIN | (select.EPOLLOUT if write else 0)
        if connection.descriptor in self._connections:
            self._epoll.modify(connection.descriptor, mask)
        else:
            self._connections[connection.descriptor] = connection
            self._epoll.register(connection.descriptor, mask)

    def forget(self, connection: "Connection") -> None:
        """Follows a connection no more."""
        if self._connections.pop(connection.descriptor, None):
            self._epoll.unregister(connection.descriptor)

    def poll(self, timeout: float) -> None:
        """Serves what is ready, after at most `timeout` seconds."""
        connections = self._connections
        for descriptor, mask in self._epoll.poll(timeout, 1024):
            if (connection := connections.get(descriptor)) is not None:
                connection.ready(mask)

    def until(self, done: Callable[[], bool], seconds: float) -> None:
        """Runs until `done`.

        Raises:
            TimeoutError: it was not within `seconds`, or something failed.
        """
        deadline = time.monotonic() + seconds
        while not done():
            self.poll(0.1)
            if self.failures or time.monotonic() > deadline:
                raise TimeoutError(f"not done within {seconds} s; failures: {self.failures[:3]}")

    def close(self) -> None:
        """Closes every connection."""
        for connection in list(self._connections.values()):
            connection.close()
        self._epoll.close()


class Connection:
    """One connection; subclasses say what to do when it is `opened` and when a `received` message comes."""

    def __init__(self, loop: Loop, address: tuple[str, int], tls: ssl.SSLContext | None) -> None:
        self.loop = loop
        self._out = b""
        self._in = b""
        self._partial: dict[int, bytes] = {}
        self._answered: set[int] = set()
        self._window = 65535
        raw = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        raw.setblocking(False)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)  # thousands of them must not linger
        raw.connect_ex(address)
        self._socket: socket.socket | ssl.SSLSocket = raw
        self._tls = tls
        self._step: Callable[[int], None] = self._connect
        self.descriptor = raw.fileno()
        loop.watch(self, write=True)

    def opened(self) -> None:
        """Requests may be sent now."""

    def received(self, stream: int, body: bytes) -> None:
        """A message came."""

    def ended(self, stream: int) -> None:
        """The server ended a stream, after at least one message."""

    def lost(self, reason: str) -> None:
        """The connection, or a stream of it, failed."""
        self.loop.failures.append(reason)
        self.close()

    def close(self) -> None:
        """Closes at once."""
        self.loop.forget(self)
        self._socket.close()

    def ready(self, mask: int) -> None:
        """Called by the loop."""
        try:
            self._step(mask)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self.lost(f"connection: {error}")

    def _connect(self, mask: int) -> None:
        if error := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.lost(f"connection refused: {error}")
        elif self._tls is None:
            self._begin()
        else:
            self._socket = self._tls.wrap_socket(
                self._socket, do_handshake_on_connect=False, server_hostname="localhost"
            )
            self._step = self._handshake
            self._step(mask)

    def _handshake(self, mask: int) -> None:
        assert isinstance(self._socket, ssl.SSLSocket)
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self.loop.watch(self, write=False)
            return
        self._begin()

    def _begin(self) -> None:
        self._step = self._transfer
        self.loop.watch(self, write=False)
        self.send(_OPENING)
        self.opened()

    def send(self, data: bytes) -> None:
        """Sends frames now, or as soon as the socket takes them."""
        if self._out:
            self._out += data
            return
        self._flush(data)

    def send_message(self, data: bytes, headers: bytes = b"") -> None:
        """Sends one DATA frame, after the HEADERS frame that opens its stream; only what DATA holds takes window."""
        self._window -= len(data) - FRAME_HEADER
        if self._window < 0:
            self.lost("the load is beyond the server's window")
            return
        self.send(headers + data)

    def _flush(self, data: bytes) -> None:
        try:
            sent = self._socket.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        if waiting := bool(data[sent:]):
            self.loop.watch(self, write=True)
        elif self._out:
            self.loop.watch(self, write=False)
        self._out = data[sent:] if waiting else b""

    def _transfer(self, mask: int) -> None:
        if mask & select.EPOLLOUT and self._out:
            self._flush(self._out)
        if mask & ~select.EPOLLOUT:
            self._read()

    def _read(self) -> None:
        pending = 1
        while pending:
            data = self._socket.recv(READ)
            if not data:
                self.lost("the server closed the connection")
                return
            self._parse(self._in + data if self._in else data)
            pending = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def _parse(self, data: bytes) -> None:
        at, end = 0, len(data)
        while end - at >= 9:
            after = at + 9 + int.from_bytes(data[at : at + 3], "big")
            if after > end:
                break
            kind, flags = data[at + 3], data[at + 4]
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            if kind == DATA and after > at + 9:
                self._messages(stream, data[at + 9 : after])
            elif kind not in (DATA, HEADERS):
                self._control(kind, flags, stream, data[at + 9 : after])
            if kind in (DATA, HEADERS) and flags & END_STREAM:
                self._end(stream)
            at = after
        self._in = data[at:]

    def _messages(self, stream: int, data: bytes) -> None:
        if stream in self._partial:
            data = self._partial.pop(stream) + data
        at, end = 0, len(data)
        while end - at >= 5:
            after = at + 5 + int.from_bytes(data[at + 1 : at + 5], "big")
            if after > end:
                break
            self._answered.add(stream)
            self.received(stream, data[at + 5 : after])
            at = after
        if at < end:
            self._partial[stream] = data[at:]

    def _end(self, stream: int) -> None:
        if stream in self._answered:
            self._answered.discard(stream)
            self.ended(stream)
        else:
            self.lost("a call ended without an answer: refused")

    def _control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == WINDOW_UPDATE:
            if stream == 0:
                self._window += int.from_bytes(payload, "big")
        elif kind in (SETTINGS, PING):
            if not flags & ACK:
                self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind == RST_STREAM:
            self.lost(f"a stream was reset: {int.from_bytes(payload, 'big')}")
        elif kind == GOAWAY:
            self.lost(f"GOAWAY: {payload[8:100]!r}")
