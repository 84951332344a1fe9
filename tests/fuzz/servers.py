"""Bytes to the port of a running daemon; its answer, its log or its end shows a fault."""

import asyncio
import random
import re
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from fuzz.door import Faults
from support.admin import Admin
from support.daemon import Daemon, running
from support.raw_node import RawNode
from support.vendor import TestVendor

from licd_kit.addresses import Address

AT_ONCE = 64
ANSWER_S = 15
PATIENCE_S = 0.3
LARGEST = 4096
"""Bytes of an answer that are read."""
_FAULT = re.compile("_failed$|Traceback|Error|Exception")

Enter = Callable[[bytes], Awaitable[str]]


def with_cluster(stack: ExitStack) -> Daemon:
    """A daemon that listens without TLS, with a registered cluster of one node."""
    folder, vendor = Path(stack.enter_context(tempfile.TemporaryDirectory())), TestVendor()
    daemon = Daemon(folder / "data", vendor.write_keys(folder / "keys.json"), "--insecure")
    stack.enter_context(running(daemon))
    admin = Admin(daemon.stubs("admin"), vendor)
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    admin.register()
    return daemon


def entering(stack: ExitStack, enter_one: Enter, trouble: Callable[[], str]) -> Callable[[Sequence[bytes]], Faults]:
    """Puts a batch in, some at once, and looks afterwards at what no answer shows.

    Args:
        stack: Ends the event loop.
        enter_one: Gives what is wrong with the answer to one, or "".
        trouble: Gives what is wrong with the server, or "".
    """
    loop = stack.enter_context(asyncio.Runner())

    def enter(inputs: Sequence[bytes]) -> Faults:
        faults = loop.run(_all(enter_one, inputs))
        seen = trouble()
        return faults or [(content, f"one of these: {seen}") for content in inputs if seen]

    return enter


def trouble_of(daemon: Daemon) -> str:
    """Whether a daemon has ended or logged a fault of its own."""
    assert daemon.process is not None
    if daemon.process.poll() is not None:
        return f"the daemon ended: {daemon.log[-3:]}"
    return next((str(entry) for entry in daemon.log if _FAULT.search(str(entry.get("event", "")))), "")


async def _all(enter_one: Enter, inputs: Sequence[bytes]) -> Faults:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(content: bytes) -> tuple[bytes, str]:
        async with turn:
            return content, await enter_one(content)

    return [(content, found) for content, found in await asyncio.gather(*map(one, inputs)) if found]


async def exchanged(address: Address, content: bytes) -> bytes:
    """What is answered to bytes on a connection of their own, from one of many addresses of this machine.

    The answer's beginning is enough. Where none comes for `PATIENCE_S`, the end of what is sent may bring it.
    """
    source = f"127.{random.randint(1, 250)}.{random.randint(0, 250)}.1"
    try:
        reader, writer = await asyncio.open_connection(*address, local_addr=(source, 0))
    except ConnectionError:
        return b""
    try:
        writer.write(content)
        return await _read(reader, PATIENCE_S) or await _read_to_the_end(reader, writer)
    except ConnectionError:
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def _read_to_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write_eof()
    return await _read(reader, ANSWER_S)


async def _read(reader: asyncio.StreamReader, seconds: float) -> bytes:
    try:
        async with asyncio.timeout(seconds):
            return await reader.read(LARGEST)
    except TimeoutError:
        return b""
