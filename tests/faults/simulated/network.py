"""The network between nodes and daemon: ordered within a connection, late, cut in either direction, or gone.

A cut direction holds what is sent, as TCP does: it arrives when the cut has healed, however late that is. So does a
stuck connection, while others between the same two go on: of several ways through a network one is bad.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from faults.simulated.timeline import Act, Timeline


@dataclass
class Wire:
    """One direction of one node's network. `lag`: seconds that every message takes at least."""

    cut: bool = False
    lag: float = 0.0
    pipes: "list[Pipe]" = field(default_factory=list)

    def heal(self) -> None:
        """What was held goes on."""
        self.cut = False
        for pipe in self.pipes:
            pipe.resume()

    def stick(self) -> "list[Pipe]":
        """The connections that there are hold what is sent; new ones do not. Gives them, to be freed."""
        for pipe in self.pipes:
            pipe.stuck = True
        return list(self.pipes)


class Pipe:
    """One direction of one connection: messages arrive in order, or never after `close`."""

    def __init__(self, timeline: Timeline, wire: Wire, chance: random.Random, arrives: Callable[[Act], object]) -> None:
        self._timeline = timeline
        self._wire = wire
        self._chance = chance
        self._arrives = arrives
        self._held: deque[Act] = deque()
        self._last = 0.0
        self.closed = self.stuck = False
        wire.pipes.append(self)

    def send(self, act: Act) -> None:
        """`act` is what the other end does when the message is there."""
        if self.closed:
            return
        if self._wire.cut or self.stuck or self._held:
            self._held.append(act)
            return
        late = 0.0005 + self._chance.random() * 0.004 + self._wire.lag * self._chance.random()
        self._last = max(self._last, self._timeline.now + late)
        self._timeline.at(self._last, lambda: self._arrive(act))

    def _arrive(self, act: Act) -> None:
        if self.closed:
            return
        if self._wire.cut or self.stuck:
            self._held.append(act)
        else:
            self._arrives(act)

    def free(self) -> None:
        """It is stuck no more."""
        self.stuck = False
        self.resume()

    def resume(self) -> None:
        """The cut has healed."""
        held, self._held = self._held, deque()
        for act in held:
            self.send(act)

    def close(self) -> None:
        """The connection is no more; what is under way is lost."""
        self.closed = True
        self._held.clear()
        if self in self._wire.pipes:
            self._wire.pipes.remove(self)
