"""Watches nodes and daemons all the time, and says what must never be (`world.py`)."""

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

import node_client
from licd.v1 import cluster_service_pb2, cluster_service_pb2_grpc
from node_client import clock

CLOCKS_READ_S = 0.002


@dataclass
class Checker:
    """See the module. `seats`: how many nodes may believe; `violations`: in words."""

    seats: int
    violations: list[str] = field(default_factory=list)
    nodes: list[node_client.Node] = field(default_factory=list)
    history: list[str] = field(default_factory=list)
    acks: list[tuple[int, float, str]] = field(default_factory=list)
    answers: list[tuple[int, float, float, str]] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="checker", daemon=True)
        self._thread.start()

    def note(self, text: str) -> None:
        """Into the history, with the time since the beginning."""
        self.history.append(f"{time.monotonic() - self.began:8.3f} {text}")

    def listen(self, name: str, node: Any) -> None:
        """Hears every acknowledgement that the node hears."""
        heard = node._driver._acknowledged

        def acknowledged(link: Any, event: Any, ack: Any) -> None:
            self.acks.append((ack.epoch, ack.sent_at.ToNanoseconds() / 1e9, name))
            heard(link, event, ack)

        node._driver._acknowledged = acknowledged

    def ask(self, address: str, token: str) -> None:
        """Asks a daemon all the time whether it leads, past every proxy."""
        threading.Thread(target=self._ask, args=(address, token), name=f"asks {address}", daemon=True).start()

    def _ask(self, address: str, token: str) -> None:
        with grpc.insecure_channel(address, options=[("grpc.max_reconnect_backoff_ms", 200)]) as channel:
            stub: Any = cluster_service_pb2_grpc.ClusterServiceStub(channel)
            metadata = (("authorization", f"Bearer {token}"),)
            while not self._stop.wait(0.03):
                asked = time.time()
                with contextlib.suppress(grpc.RpcError):
                    answer = stub.GetLeader(cluster_service_pb2.GetLeaderRequest(), timeout=20, metadata=metadata)
                    self.answers.append((answer.leader.epoch, asked, time.time(), address))

    def _watch(self) -> None:
        before = 0
        while not self._stop.wait(0.003):
            nodes = list(self.nodes)
            now = clock.boottime()
            count = sum(node._belief.status_at(now).licensed for node in nodes)  # type: ignore[attr-defined]
            if count > self.seats:
                self.violations.append(f"R13: {count} nodes believe, {self.seats} may")
            if count != before:
                self.note(f"{count} nodes believe")
            before = count

    def judge_epochs(self) -> None:
        """Once an epoch was acknowledged or answered in, nothing is in an older one."""
        acks, self.acks = self.acks, []
        answers, self.answers = self.answers, []
        first: dict[int, float] = {}
        for epoch, at in [*((ack[0], ack[1]) for ack in acks), *((answer[0], answer[2]) for answer in answers)]:
            first[epoch] = min(at, first.get(epoch, at))
        said = [(epoch, sent, f"a heartbeat of {name} was acknowledged") for epoch, sent, name in acks]
        said += [(epoch, asked, f"{address} said that it leads") for epoch, asked, _, address in answers]
        for epoch, at, what in said:
            late = max((at - began for each, began in first.items() if each > epoch), default=0.0)
            if late > CLOCKS_READ_S:
                self.violations.append(f"R32: {what} in epoch {epoch}, {late:.3f} s after a newer one began")

    def end(self) -> None:
        """Watches no more."""
        self._stop.set()
        self._thread.join()
