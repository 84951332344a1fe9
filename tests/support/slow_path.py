"""A slow way to a daemon: a TCP proxy on loopback that keeps bytes back, each direction for a time of its own."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Way:
    """One direction: between `least` and `least + jitter` seconds, drawn anew for each piece; bytes stay in order."""

    def __init__(self, least: float, jitter: float = 0.0) -> None:
        self.least = least
        self.jitter = jitter

    def draw(self) -> float:
        """How long one piece is under way, in seconds."""
        return self.least + self.jitter * random.random()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def deliver() -> None:
        while (piece := await pieces.get())[1]:
            await asyncio.sleep(piece[0] - loop.time())
            writer.write(piece[1])
            await writer.drain()
        writer.close()

    delivering = asyncio.create_task(deliver())
    try:
        while data := await reader.read(65_536):
            pieces.put_nowait((loop.time() + way.draw(), data))
        pieces.put_nowait((0.0, b""))
        await delivering
    except ConnectionError:
        writer.close()
    finally:
        delivering.cancel()


@contextmanager
def slow_path(address: str, there: Way, back: Way) -> Iterator[str]:
    """Proxies to `address` and gives the address to connect to."""
    host, port = address.rsplit(":", 1)
    loop = asyncio.new_event_loop()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        their_reader, their_writer = await asyncio.open_connection(host, int(port))
        try:
            await asyncio.gather(_carry(reader, their_writer, there), _carry(their_reader, writer, back))
        except asyncio.CancelledError:
            pass  # at the end, when this path is taken down
        finally:
            for each in (writer, their_writer):
                each.close()
                with suppress(ConnectionError):
                    await each.wait_closed()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def stop() -> None:
        server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
