"""Many nodes, each with a connection and an open stream of its own, which go where they are told, or try on.

They are `bench`'s: a thousand clients of gRPC in one process would be slower than the daemons that they are to load.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from support.several import Several

from bench.http2 import Loop
from bench.members import STREAM, Member, Node
from bench.servers import Server
from licd.v1 import node_service_pb2 as pb

AT_ONCE = 100
TRY_AGAIN_S = 0.05


class Place(Server):
    """A daemon of others' making."""

    kind = "licd"

    def __init__(self, address: str, token: str) -> None:
        super().__init__(Path(), tls=False, ttl_s=0)
        self.port, self.token = int(address.rpartition(":")[2]), token


class Roaming(Node):
    """A node that notes the epoch of its acknowledgements, and where it is told to go."""

    epoch = 0
    told = ""
    gone = False

    def received(self, stream: int, body: bytes) -> None:
        """See `bench.members.Node`, which knows no `reconnect`: there it is a stream that ends."""
        if stream == STREAM:
            answer = pb.KeepAliveResponse.FromString(body)
            self.epoch = answer.heartbeat_ack.epoch or self.epoch
            self.told = answer.reconnect.address
        super().received(stream, body)

    def lost(self, reason: str) -> None:
        """Once: what comes after it is of no account. A GOAWAY announces the end, which a `reconnect` precedes."""
        if not self.gone and not reason.startswith("GOAWAY"):
            self.gone = True
            super().lost(reason)


class Crowd:
    """See the module. `acknowledged`: by node, when it had its first heartbeat acknowledged; `told`: the addresses."""

    def __init__(self, several: Several, number: int) -> None:
        token = (several.daemons[0].data_dir / "tokens" / "node.token").read_text().strip()
        self._places = {address: Place(address, token) for address in several.addresses}
        self._loop = Loop()
        self._waiting: list[tuple[float, str, Roaming | None]] = []
        self.nodes: set[Roaming] = set()
        self._number = 0
        self.acknowledged: list[float] = []
        self.told: list[str] = []
        leader = several.leader().address
        for start in range(0, number, AT_ONCE):
            self._number = min(number, start + AT_ONCE)
            self._waiting += [(0.0, leader, None)] * (self._number - start)
            self.until(self._all_in)

    def _all_in(self) -> bool:
        return len(self.acknowledged) == self._number

    def until(self, done: Callable[[], bool], seconds: float = 60) -> None:
        """Serves the nodes until `done`.

        Raises:
            TimeoutError: it was not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not done():
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"{len(self.acknowledged)} of {self._number} nodes were acknowledged")
            due = [each for each in self._waiting if each[0] <= now]
            self._waiting = [each for each in self._waiting if each[0] > now]
            for _, address, before in due:
                self._enter(address, before)
            self._loop.poll(0.01)

    def _enter(self, address: str, before: Roaming | None) -> None:
        node = Roaming(self._loop, self._places[address], self, before)
        self.nodes.add(node)

    def moved(self, act: Callable[[], object]) -> tuple[float, float]:
        """Begins a handover, and gives the seconds until the first and the last node is acknowledged after it."""
        self.acknowledged, self.told = [], []
        began = time.monotonic()
        call = act()  # a call of gRPC ends when nobody holds it
        self.until(self._all_in)
        del call
        return self.acknowledged[0] - began, self.acknowledged[-1] - began

    def seats(self) -> Sequence[bool]:
        """Whether each node was told that it is licensed."""
        return [node.licensed for node in self.nodes]

    def is_ready(self, member: Member) -> None:
        """See `bench.members.Crowd`: its first heartbeat."""
        member.beat()

    def is_acknowledged(self, member: Member) -> None:
        """See `bench.members.Crowd`."""
        self.acknowledged.append(time.monotonic())

    def is_forgiven(self, member: Member) -> bool:
        """See `bench.members.Crowd`: it goes where it was told, or tries the next daemon."""
        assert isinstance(member, Roaming)
        self.nodes.discard(member)
        here = next(address for address, place in self._places.items() if place is member._server)
        addresses = list(self._places)
        following = addresses[(addresses.index(here) + 1) % len(addresses)]
        if member.told:
            self.told.append(member.told)
        at = time.monotonic() + (0 if member.told else TRY_AGAIN_S)
        self._waiting.append((at, member.told or following, member))
        return True

    def close(self) -> None:
        """Ends the connections."""
        self._loop.close()
