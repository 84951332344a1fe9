"""A TCP proxy between nodes and daemon that can be told to be a bad network: cut either direction, delay, reset.

One thread with an event loop serves all links; each node has a link, and so a port, of its own.
"""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field

CHUNK = 65_536


@dataclass
class Link:
    """One node's network. `up`, `down`: whether bytes pass that way; `lag`: seconds that they are late."""

    port: int = 0
    up: bool = True
    down: bool = True
    lag: float = 0.0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def passes(self, way: str) -> bool:
        """Whether bytes pass now."""
        return self.up if way == "up" else self.down


class Proxy:
    """`link()` makes a way to `target`; the target may move, as a restarted daemon does."""

    def __init__(self) -> None:
        self.target: tuple[str, int] = ("127.0.0.1", 0)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []

    def aim(self, address: str) -> None:
        """Connections go to `address` from now on."""
        host, _, port = address.rpartition(":")
        self.target = host, int(port)

    def link(self) -> Link:
        """A new way, on a port of its own."""
        return asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    async def _listen(self) -> Link:
        link = Link()

        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # What ends with the proxy ends quietly.
            with contextlib.suppress(asyncio.CancelledError):
                await self._serve(link, reader, writer)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        link.port = server.sockets[0].getsockname()[1]
        self._servers.append(server)
        return link

    async def _serve(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        link.writers += [writer, far_writer]
        try:
            await asyncio.gather(
                self._carry(link, "up", reader, far_writer), self._carry(link, "down", far_reader, writer)
            )
        finally:
            for each in (writer, far_writer):
                link.writers.remove(each)
                each.close()

    async def _carry(self, link: Link, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(CHUNK):
                if link.lag:
                    await asyncio.sleep(link.lag)
                while not link.passes(way):
                    await asyncio.sleep(0.005)
                writer.write(data)
                await writer.drain()
        writer.close()

    def reset(self, link: Link) -> None:
        """Breaks the link's connections."""

        def breaking() -> None:
            for writer in link.writers:
                writer.transport.abort()

        self._loop.call_soon_threadsafe(breaking)

    def close(self) -> None:
        """Ends the thread and every connection."""

        async def ending() -> None:
            for server in self._servers:
                server.close()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(ending(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
