"""The doors of HTTP: console, probes and metrics, the vendor's portal and the page of its staff."""

import logging
import re
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fuzz.door import Door
from fuzz.readers import sealed
from fuzz.servers import Enter, entering, exchanged, trouble_of, with_cluster
from starlette.types import ASGIApp
from support.console import Console
from vendor.deployment import Phone

from licd_kit.addresses import Address
from licd_vendor.portal import server
from licd_vendor.portal.app import create_app
from licd_vendor.staff.app import create_staff_app
from licd_vendor.staff.passwords import hash_password
from licd_vendor.store.database import Database, default_url, open_database
from licd_vendor.store.staff import put

_SERVER_FAULT = re.compile(rb"HTTP/1\.[01] 5")
PASSWORD = "right-horse-battery"
WORDS = (
    b"\r\ntransfer-encoding: chunked\r\n",
    b"\r\ncontent-length: 5\r\n",
    b"\r\ncookie: licd_console=x\r\n",
    b"%00",
    b"%ff",
    b"\r\naccept-language: zh;q=1e9\r\n",
    b"\r\norigin: http://[\r\n",
    b"\r\nupgrade: websocket\r\n",
    b"?page_token=-1&kinds=x",
    b"\r\nrange: bytes=0-\r\n",
    b"\r\nx-forwarded-for: x\r\n",
    b"/../",
    b"\r\nexpect: 100-continue\r\n",
    b"\r\nlast-event-id: x\r\n",
)


def _request(line: str, body: bytes = b"", **headers: str) -> bytes:
    named = {"host": "127.0.0.1", "x-licd": "1", "content-length": str(len(body)), **headers}
    return (
        "\r\n".join([f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items()), "", ""]).encode()
        + body
    )


def _http(address: Address) -> Enter:
    async def enter_one(content: bytes) -> str:
        answer = await exchanged(address, content)
        return answer[:200].decode("latin-1") if _SERVER_FAULT.match(answer) else ""

    return enter_one


def _at(url: str) -> Address:
    return Address.parse(urlsplit(url).netloc)


def console(stack: ExitStack) -> Door:
    """The console, also behind its login."""
    daemon = with_cluster(stack)
    page = Console(daemon.console)
    page.log_in(daemon.token("admin"))
    pages = ("/", "/login", "/nodes", "/static/console.js")
    calls = ("session", "registration", "nodes", "seats", "events?kinds=registered&page_token=1", "live?page=nodes")
    reads = (*pages, *(f"/api/{call}" for call in (*calls, "events/export?format=csv")))
    changes = {
        "/api/login": b'{"token":"x"}',
        "/api/code": b'{"challenge_id":"x","code":"123456"}',
        "/api/evict": b'{"session_id":"x"}',
        "/api/license?replace=1": b"eyJ.x.y",
        "/api/challenge": b"{}",
    }
    seeds = [_request(f"GET {path}", cookie=cookie) for path in reads for cookie in ("", page.cookie)]
    seeds += [_request(f"POST {path}", body, cookie=page.cookie) for path, body in changes.items()]
    return Door(seeds, WORDS, entering(stack, _http(_at(daemon.console)), partial(trouble_of, daemon)))


def ops(stack: ExitStack) -> Door:
    """Probes and metrics."""
    daemon = with_cluster(stack)
    seeds = [_request(f"GET {path}") for path in ("/livez", "/readyz", "/metrics")]
    return Door(seeds, WORDS, entering(stack, _http(_at(daemon.ops)), partial(trouble_of, daemon)))


def portal(stack: ExitStack) -> Door:
    """What the phone reaches."""
    key = X25519PrivateKey.generate()
    address = stack.enter_context(_served(create_app(_database(stack), key)))
    token = sealed(key)
    seeds = [_request(f"{method} /{way}/{token}") for method in ("GET", "POST") for way in "QR"]
    words = (*WORDS, token.encode())
    return Door((*seeds, _request("GET /healthz")), words, entering(stack, _http(address), _logged_faults(stack)))


def staff(stack: ExitStack) -> Door:
    """The page of the vendor's staff, also behind its login."""
    database = _database(stack)
    with database.writing() as connection:
        put(connection, "ann", hash_password(PASSWORD), 0)
    address = stack.enter_context(_served(create_staff_app(database)))
    typed = {"content-type": "application/x-www-form-urlencoded"}
    enter = _request("POST /login", b"name=ann&password=" + PASSWORD.encode(), **typed)
    login = Phone(*address).ask("POST", "/login", b"name=ann&password=" + PASSWORD.encode(), typed)
    cookie = login.headers["set-cookie"].partition(";")[0]
    reads = ("/", "/login", "/licenses/1", "/alerts", "/audit", "/healthz")
    changes = ("/logout", "/licenses/1/unbind", "/licenses/1/revoke", "/alerts/1/settle")
    seeds = [_request(f"GET {path}", cookie=cookie) for path in reads]
    seeds += [_request(f"POST {path}", b"csrf=x&sure=yes&side=a", cookie=cookie, **typed) for path in changes]
    return Door((*seeds, enter), WORDS, entering(stack, _http(address), _logged_faults(stack)))


def _logged_faults(stack: ExitStack) -> Callable[[], str]:
    """What the servers of this process log as errors, such as an exception that nobody caught."""
    found: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: found.append(f"{record.getMessage()}: {record.exc_info}")  # type: ignore[method-assign]
    logging.getLogger().addHandler(handler)
    stack.callback(logging.getLogger().removeHandler, handler)
    return lambda: "".join(found[:1])


def _database(stack: ExitStack) -> Database:
    database = open_database(default_url(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
    stack.callback(database.close)
    return database


@contextmanager
def _served(app: ASGIApp) -> Iterator[Address]:
    running, listening = server.make(app), server.listen(Address("127.0.0.1", 0))
    thread = threading.Thread(target=running.run, args=([listening],))
    thread.start()
    try:
        yield Address(*listening.getsockname())
    finally:
        running.should_exit = True
        thread.join()
        listening.close()
