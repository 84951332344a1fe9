"""TCP proxies that can be told to be a bad network: each direction can be cut and slowed, connections held or reset.

What is held back arrives late, not never, and in its order.
"""

import asyncio
import contextlib
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CHUNK = 65_536
UNDER_WAY = 100
"""So many pieces are under way in a direction at the most: who sends more has to wait."""


@dataclass(frozen=True)
class Delay:
    """Between `least` and `least + jitter` seconds, drawn for each piece."""

    least: float
    jitter: float = 0.0

    def draw(self) -> float:
        """How long one piece is under way, in seconds."""
        return self.least + self.jitter * random.random()


NO_DELAY = Delay(0.0)
Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(eq=False)
class Direction:
    """One direction of a proxy: whether it is cut, how late it is, and the connections that go through it."""

    delay: Delay = NO_DELAY
    cut: bool = False
    pumps: "set[Pump]" = field(default_factory=set)

    def set_cut(self, cut: bool) -> None:
        """For all connections, of now and later."""
        self.cut = cut
        for pump in self.pumps:
            pump.decide()

    def set_held(self, held: bool) -> None:
        """For the connections of now."""
        for pump in self.pumps:
            pump.held = held
            pump.decide()


class Pump:
    """Carries one connection's bytes in one direction."""

    def __init__(self, direction: Direction) -> None:
        self.held = False
        self.open = asyncio.Event()
        self._direction = direction
        direction.pumps.add(self)
        self.decide()

    def decide(self) -> None:
        """Whether bytes pass."""
        passes = not self.held and not self._direction.cut
        (self.open.set if passes else self.open.clear)()

    def end(self) -> None:
        """The connection is over."""
        self._direction.pumps.discard(self)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Returns when the last byte has arrived, or none can."""
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(UNDER_WAY)
        reading = asyncio.create_task(self._read(reader, pieces))
        try:
            with contextlib.suppress(OSError):
                await self._deliver(pieces, writer)
        finally:
            reading.cancel()

    async def _read(self, reader: asyncio.StreamReader, pieces: "asyncio.Queue[tuple[float, bytes]]") -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                await pieces.put((loop.time() + self._direction.delay.draw(), data))
        await pieces.put((0.0, b""))

    async def _deliver(self, pieces: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while (piece := await pieces.get())[1]:
            if (left := piece[0] - loop.time()) > 0:
                await asyncio.sleep(left)
            await self.open.wait()
            writer.write(piece[1])
            await writer.drain()


class Network:
    """The event loop that proxies run in, on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._proxies: list[Proxy] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxies", daemon=True)
        self._thread.start()

    def proxy(self, target: str) -> "Proxy":
        """A proxy to `host:port`, listening."""
        proxy = Proxy(self, target)
        asyncio.run_coroutine_threadsafe(proxy.listen(), self._loop).result(10)
        self._proxies.append(proxy)
        return proxy

    def do(self, act: Callable[[], None]) -> None:
        """Acts in the loop, and returns when it is done."""

        async def done() -> None:
            act()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(10)

    def close(self) -> None:
        """Ends all connections and the thread."""

        async def end() -> None:
            for proxy in self._proxies:
                proxy.server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class Proxy:
    """See the module. `up`: towards the target; `address`: where it listens."""

    def __init__(self, network: Network, target: str) -> None:
        self._network = network
        self._target = target
        self._up, self._down = Direction(), Direction()
        self._ends: set[asyncio.StreamWriter] = set()
        # The loop holds none of its tasks, and nothing else may hold one that waits for what is held back.
        self._connections: set[asyncio.Task[None] | None] = set()

    async def listen(self) -> None:
        """In the network's loop."""
        self.server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        host, port = self.server.sockets[0].getsockname()
        self.address = f"{host}:{port}"

    def aim(self, target: str) -> None:
        """New connections go to `target` from now on, as to a daemon that was restarted elsewhere."""
        self._target = target

    def cut(self, *, up: bool = True, down: bool = True) -> None:
        """Lets nothing through any more, in these directions."""
        self._each(lambda direction: direction.set_cut(True), up, down)

    def restore(self, *, up: bool = True, down: bool = True) -> None:
        """These directions are cut no more."""
        self._each(lambda direction: direction.set_cut(False), up, down)

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        """The connections of now have to wait, new ones go on: as by a firewall that has lost its table."""
        self._each(lambda direction: direction.set_held(True), up, down)

    def free(self) -> None:
        """No connection is held any more."""
        self._each(lambda direction: direction.set_held(False), True, True)

    def _each(self, act: Callable[[Direction], None], up: bool, down: bool) -> None:
        def acts() -> None:
            for direction, chosen in ((self._up, up), (self._down, down)):
                if chosen:
                    act(direction)

        self._network.do(acts)

    def slow(self, up: Delay, down: Delay) -> None:
        """So long is each piece under way that is sent from now on."""

        def act() -> None:
            self._up.delay, self._down.delay = up, down

        self._network.do(act)

    def reset(self) -> None:
        """Breaks the connections of now."""

        def act() -> None:
            for end in self._ends:
                end.transport.abort()

        self._network.do(act)

    def heal(self) -> None:
        """As if nothing had been."""
        self.slow(NO_DELAY, NO_DELAY)
        self.restore()
        self.free()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        up, down = Pump(self._up), Pump(self._down)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._connect((reader, writer), up, down)
        finally:
            for pump in (up, down):
                pump.end()
            self._connections.discard(task)

    async def _connect(self, near: Pipe, up: Pump, down: Pump) -> None:
        try:
            await up.open.wait()
            host, _, port = self._target.rpartition(":")
            far = await asyncio.open_connection(host, int(port))
        except OSError:
            near[1].transport.abort()
            return
        ends = {near[1], far[1]}
        self._ends |= ends
        carrying = [asyncio.create_task(up.carry(near[0], far[1])), asyncio.create_task(down.carry(far[0], near[1]))]
        try:
            await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)
            self._ends -= ends
            for end in ends:
                end.close()


@contextmanager
def slow_path(address: str, there: Delay, back: Delay) -> Iterator[str]:
    """A slow way to `address`; gives the address to connect to."""
    network = Network()
    try:
        proxy = network.proxy(address)
        proxy.slow(there, back)
        yield proxy.address
    finally:
        network.close()
