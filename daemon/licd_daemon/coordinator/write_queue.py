"""Commands that wait for the writer, each with the future of its answer, and how long the writer waits for more.

Where several callers are about, the others' commands are close, and a short wait spares most commits. So the writer
waits until the batch window is full, which is as many as were about: those of the batch before, and those who came
while it was written. One caller alone never waits, and one who has gone is waited for once.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence

from licd_daemon.core import commands as c
from licd_daemon.core.model import State
from licd_daemon.core.refusal import Refused

Answer = asyncio.Future[State]
Waiting = tuple[c.Command, Answer]

MAX_BATCH = 256
GAP_S = 0.01
GATHER_S = 0.03
"""Commands wait for others while another comes within the first, and at most the second."""


class WriteQueue:
    """See the module. `wake` is set while there may be something to do."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self._queue: deque[Waiting] = deque()
        self._batch_window = 0
        self._assembled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, command: c.Command) -> Answer:
        """Let a command wait; give the future of its answer: the durable state after it, or `Refused`."""
        answer: Answer = asyncio.get_running_loop().create_future()
        self._queue.append((command, answer))
        self.wake.set()
        if len(self._queue) >= self._batch_window:
            self._assembled.set()
        return answer

    async def gather(self) -> None:
        """Wait until the batch window is full, or nobody comes any more."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GATHER_S
        here = 0
        while here < len(self._queue) < self._batch_window and loop.time() < deadline:
            here = len(self._queue)
            self._assembled.clear()
            waited = loop.call_later(GAP_S, self._assembled.set)
            await self._assembled.wait()
            waited.cancel()

    def take(self) -> Sequence[Waiting]:
        """The next batch, oldest first."""
        return [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]

    def written(self, batch: Sequence[Waiting]) -> None:
        """A batch is done with. One without commands says nothing of who is about."""
        if batch:
            self._batch_window = min(len(batch) + len(self._queue), MAX_BATCH)

    def refuse(self, refusal: Refused) -> None:
        """Refuse all that wait."""
        refuse_all(self._queue, refusal)
        self._queue.clear()


def refuse(answer: Answer, refusal: Refused) -> None:
    """Refuse one, unless its caller has given up."""
    if not answer.done():
        answer.set_exception(refusal)


def refuse_all(batch: Iterable[Waiting], refusal: Refused) -> None:
    """Refuse a batch."""
    for _, answer in batch:
        refuse(answer, refusal)
