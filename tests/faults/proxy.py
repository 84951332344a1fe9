"""A TCP proxy between nodes and daemon that can be told to be a bad network: cut either direction, delay, reset, or
hold back what the present connections carry while new ones go on.

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
    connections: "list[Connection]" = field(default_factory=list)

    def stick(self) -> None:
        """What comes from the node on the present connections has to wait; new ones go on."""
        for connection in self.connections:
            connection.stuck = True

    def free(self) -> None:
        """Nothing is stuck any more."""
        for connection in self.connections:
            connection.stuck = False

    def heal(self) -> None:
        """The network is a good one."""
        self.up, self.down, self.lag = True, True, 0.0
        self.free()


@dataclass
class Connection:
    """One connection through a link; see `Link.stick`."""

    link: Link
    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    stuck: bool = False

    def passes(self, way: str) -> bool:
        """Whether bytes pass now."""
        return self.link.down if way == "down" else self.link.up and not self.stuck


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
        connection = Connection(link, writer, far_writer)
        link.connections.append(connection)
        try:
            await asyncio.gather(
                self._carry(connection, "up", reader, far_writer), self._carry(connection, "down", far_reader, writer)
            )
        finally:
            link.connections.remove(connection)
            writer.close()
            far_writer.close()

    async def _carry(
        self, connection: Connection, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(CHUNK):
                if connection.link.lag:
                    await asyncio.sleep(connection.link.lag)
                while not connection.passes(way):
                    await asyncio.sleep(0.005)
                writer.write(data)
                await writer.drain()
        writer.close()

    def reset(self, link: Link) -> None:
        """Breaks the link's connections."""

        def breaking() -> None:
            for connection in link.connections:
                connection.near.transport.abort()
                connection.far.transport.abort()

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
