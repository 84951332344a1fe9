"""R36 at the door: connections that dawdle are closed, those that are at work are not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from licd_daemon.console import listener
from licd_kit.addresses import Address
from licd_kit.web.server import bind

QUICK_S = 0.3
REQUEST = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"
LARGE = "x" * 30_000_000


@asynccontextmanager
async def served(release: asyncio.Event) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server whose answers wait for `release`."""

    async def slow(_: Request) -> Response:
        await release.wait()
        return PlainTextResponse("done")

    async def large(_: Request) -> Response:
        return PlainTextResponse(LARGE)

    bound = bind(Address("127.0.0.1", 0))
    server = listener.WebServer(Starlette(routes=[Route("/", slow), Route("/large", large)]), bound)
    port = bound.getsockname()[1]
    server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        release.set()
        await server.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits 10 s here."""
    monkeypatch.setattr(listener, "HEAD_WITHIN_S", QUICK_S)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nhost: x\r\n"])
async def test_a_head_that_does_not_come_whole_ends_the_connection(sent: bytes) -> None:
    async with served(asyncio.Event()) as (reader, writer):
        writer.write(sent)
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_drops_of_a_head_do_not_keep_it_open() -> None:
    async with served(asyncio.Event()) as (reader, writer):
        closed = asyncio.create_task(reader.read())
        while not closed.done():
            writer.write(b"x")
            await asyncio.sleep(QUICK_S / 10)
        with contextlib.suppress(ConnectionResetError):  # closed while a drop was on its way
            assert b"200" not in await closed


async def test_an_answer_may_take_longer() -> None:
    release = asyncio.Event()
    async with served(release) as (reader, writer):
        writer.write(REQUEST)
        asyncio.get_running_loop().call_later(QUICK_S * 3, release.set)
        assert b"200 OK" in await asyncio.wait_for(reader.readline(), 5)


async def test_a_second_request_has_no_more_time_than_the_first() -> None:
    release = asyncio.Event()
    release.set()
    async with served(release) as (reader, writer):
        writer.write(REQUEST)
        await asyncio.wait_for(reader.readuntil(b"done"), 5)
        writer.write(b"GET / HT")
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_head_too_large_is_refused() -> None:
    async with served(asyncio.Event()) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nx: " + b"y" * 40_000)
        assert b"400" in await asyncio.wait_for(reader.readline(), 5)


@pytest.mark.parametrize("more", [b"", b"connection: close\r\n"])
async def test_R36_a_client_that_does_not_read_its_answer_is_let_go(more: bytes) -> None:
    async with served(asyncio.Event()) as (reader, writer):
        writer.write(b"GET /large HTTP/1.1\r\nhost: x\r\n%b\r\n" % more)
        await asyncio.wait_for(reader.readline(), 5)
        await asyncio.sleep(QUICK_S * 4)  # the length of the silence is what is tested
        read = 0
        with contextlib.suppress(ConnectionResetError):
            while chunk := await asyncio.wait_for(reader.read(1 << 20), 5):
                read += len(chunk)
        assert read < len(LARGE)
