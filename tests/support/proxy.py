"""A TCP proxy that can be cut, in either direction, and slowed: what it holds back arrives late, not never."""

import asyncio
import contextlib
import threading
from collections.abc import Callable

from support.etcd import free_port

CHUNK = 65_536


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
    """See the module. `up`: towards the target."""

    def __init__(self, network: Network, target: str) -> None:
        self._network = network
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self.address = f"127.0.0.1:{free_port()}"
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._lag = 0.0
        # The loop holds none of its tasks, and nothing else may hold one that waits for what is forgotten.
        self._connections: set[asyncio.Task[None] | None] = set()

    async def listen(self) -> None:
        """In the network's loop."""
        self._up.set()
        self._down.set()
        self.server = await asyncio.start_server(self._connected, *self.address.split(":"))

    def cut(self, *, up: bool = True, down: bool = True) -> None:
        """Lets nothing through any more, in these directions."""

        def act() -> None:
            for event, is_cut in ((self._up, up), (self._down, down)):
                if is_cut:
                    event.clear()

        self._network.do(act)

    def slow(self, seconds: float) -> None:
        """Every piece takes so long, in each direction."""
        self._network.do(lambda: setattr(self, "_lag", seconds))

    def forget(self) -> None:
        """As a firewall that has lost its table: nothing passes on the connections of now, new ones are well."""

        def act() -> None:
            self._up, self._down = asyncio.Event(), asyncio.Event()
            self._up.set()
            self._down.set()

        self.cut()
        self._network.do(act)

    def heal(self) -> None:
        """As if nothing had been."""

        def act() -> None:
            self._lag = 0.0
            self._up.set()
            self._down.set()

        self._network.do(act)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.current_task())
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await self._carry(reader, writer)
        finally:
            self._connections.discard(asyncio.current_task())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._up.wait()
            to_reader, to_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        pumps = [
            asyncio.create_task(self._pump(reader, to_writer, self._up)),
            asyncio.create_task(self._pump(to_reader, writer, self._down)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, to_writer):
                end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if self._lag:
                    await asyncio.sleep(self._lag)
                await way.wait()
                writer.write(chunk)
                await writer.drain()
