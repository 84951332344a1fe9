"""Commands that wait for the writer, each with the future of its answer, and how long the writer waits for more.

Where several callers are about, the others' commands are close, and a short wait spares most commits. So the writer
waits until the batch window is full, which is as many as were about: those of the batch before, and those who came
while it was written. One caller alone never waits, and one who has gone is waited for once.

R36: nodes wait in a line of their own, which is bounded, and whatever else comes goes first: a flood of nodes keeps no
administrator waiting. A `Leave`, which frees a seat, still finds room where no other command of a node does.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from licd_daemon.core import commands as c
from licd_daemon.core.model import State
from licd_daemon.core.refusal import Reason, Refused
from licd_kit.clock import boottime_ms

Answer = asyncio.Future[State]
Waiting = tuple[c.Command, Answer]

MAX_BATCH = 256
MAX_NODES_WAITING = 16_384
MAX_OTHERS_WAITING = 1_024
RETRY_MS = 1_000
GAP_S = 0.01
GATHER_S = 0.03
"""Commands wait for others while another comes within the first, and at most the second."""


class WriteQueue:
    """See the module. `wake` is set while there may be something to do.

    `refused`: commands that found no room; `refused_at`: when one did last, in ms of boottime.
    """

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._nodes: deque[Waiting] = deque()
        self._others: deque[Waiting] = deque()
        self.refused = 0
        self.refused_at: int | None = None
        self._batch_window = 0
        self._assembled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._nodes) + len(self._others)

    def add(self, command: c.Command) -> Answer:
        """Let a command wait; give the future of its answer: the durable state after it, or `Refused`.

        Raises:
            Refused: RATE_LIMITED: there is no room; nothing was done.
        """
        most = _NODES.get(type(command))
        line = self._others if most is None else self._nodes
        if len(line) >= (most or MAX_OTHERS_WAITING):
            self.refused, self.refused_at = self.refused + 1, boottime_ms()
            raise _no_room()
        answer: Answer = asyncio.get_running_loop().create_future()
        line.append((command, answer))
        self.wake.set()
        if len(self) >= self._batch_window:
            self._assembled.set()
        return answer

    async def gather(self) -> None:
        """Wait until the batch window is full, or nobody comes any more."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GATHER_S
        here = 0
        while here < len(self) < self._batch_window and loop.time() < deadline:
            here = len(self)
            self._assembled.clear()
            waited = loop.call_later(GAP_S, self._assembled.set)
            await self._assembled.wait()
            waited.cancel()

    def take(self) -> Sequence[Waiting]:
        """The next batch, oldest first, nodes last."""
        return [(self._others or self._nodes).popleft() for _ in range(min(len(self), MAX_BATCH))]

    def written(self, batch: Sequence[Waiting]) -> None:
        """A batch is done with. One without commands says nothing of who is about."""
        if batch:
            self._batch_window = min(len(batch) + len(self), MAX_BATCH)

    def refuse(self, refusal: Refused) -> None:
        """Refuse all that wait."""
        for line in (self._others, self._nodes):
            refuse_all(line, refusal)
            line.clear()


_NODES: dict[type[c.Command], int] = {
    c.Join: MAX_NODES_WAITING,
    c.Resume: MAX_NODES_WAITING,
    c.Prove: MAX_NODES_WAITING,
    c.JudgeClock: MAX_NODES_WAITING,
    c.Enroll: MAX_NODES_WAITING,
    c.Leave: 2 * MAX_NODES_WAITING,
}
"""The commands of nodes, and how many may wait before one more of them is refused."""


def _no_room() -> Refused:
    return Refused(
        Reason.RATE_LIMITED,
        "Too many requests wait for the journal: nothing was done. Try again shortly.",
        metadata={"budget": "queue"},
        retry_after_ms=RETRY_MS,
    )


def refuse(answer: Answer, refusal: Refused) -> None:
    """Refuse one, unless its caller has given up."""
    if not answer.done():
        answer.set_exception(refusal)


def refuse_all(batch: Iterable[Waiting], refusal: Refused) -> None:
    """Refuse a batch."""
    for _, answer in batch:
        refuse(answer, refusal)
