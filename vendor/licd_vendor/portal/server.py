"""Runs the portal: one process, one line on standard output once it listens, and a graceful end on SIGTERM or SIGINT.

It binds the socket itself, so that `--listen 127.0.0.1:0` can say which port it got.
"""

import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from licd_vendor.errors import RefusedError

_GRACE_SECONDS = 5
_MAX_CONNECTIONS = 512


class _Server(uvicorn.Server):
    """Announces itself, and ends with 0 on a signal instead of raising it again."""

    def __init__(self, config: uvicorn.Config, announcement: str) -> None:
        super().__init__(config)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self._announcement, flush=True)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        previous = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def serve(app: ASGIApp, host: str, port: int) -> None:
    """Serve until a signal comes.

    Args:
        app: The portal.
        host: Where to listen; an IPv6 address without brackets.
        port: 0 takes a free one.

    Raises:
        RefusedError: When the address can't be listened on.
    """
    with listen(host, port) as listener:
        shown_host = f"[{host}]" if ":" in host else host
        address = f"http://{shown_host}:{listener.getsockname()[1]}"
        _Server(configure(app), f"portal listens on {address}").run(sockets=[listener])


def configure(app: ASGIApp) -> uvicorn.Config:
    """Set up the web server: no log of paths (R25), no word about itself, bounded connections."""
    return uvicorn.Config(
        app,
        access_log=False,
        log_config=None,
        lifespan="off",
        limit_concurrency=_MAX_CONNECTIONS,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


def listen(host: str, port: int) -> socket.socket:
    """Listen on an address; raise RefusedError when that can't be done."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_MAX_CONNECTIONS)
    except OSError as fault:
        listener.close()
        raise RefusedError(f"listen {host}:{port}: {fault.strerror}; choose another with --listen") from None
    return listener
