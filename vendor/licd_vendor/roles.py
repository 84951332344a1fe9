"""The portal as processes: workers that share one listening socket, and one more for operations."""

import contextlib
import socket
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from starlette.types import ASGIApp

from licd_kit.addresses import Address
from licd_kit.standard_files import OutputLost
from licd_vendor.errors import RefusedError
from licd_vendor.portal import ops, server
from licd_vendor.portal.app import create_app
from licd_vendor.portal.proxies import Proxies
from licd_vendor.portal.workers import Supervisor, Work
from licd_vendor.staff.app import create_staff_app
from licd_vendor.store.database import Database, open_database

Create = Callable[[Database], ASGIApp]


def read_proxies(texts: tuple[str, ...]) -> Proxies:
    """Read `--trusted-proxy`; raise RefusedError when one is neither address nor network."""
    try:
        return Proxies.of(texts)
    except ValueError:
        raise RefusedError("--trusted-proxy: not an address or a network, such as 10.0.0.7 or 10.0.0.0/8") from None


def serve(
    database_url: str,
    portal_key: X25519PrivateKey,
    proxies: Proxies,
    address: Address,
    ops_address: Address | None,
    workers: int,
) -> None:
    """Serve until a signal comes.

    Args:
        database_url: The vendor's records, migrated.
        portal_key: Opens the challenges.
        proxies: Whose X-Forwarded-For is believed.
        address: Where phones, or the proxy before them, connect to.
        ops_address: Where operations connects to; None: nowhere.
        workers: How many processes answer phones.

    Raises:
        RefusedError: When an address can't be listened on, or the workers don't stay up.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(server.listen(address))
        works: list[Work] = [
            lambda: _work(database_url, listener, lambda database: create_app(database, portal_key, proxies=proxies))
        ] * workers
        announcements = [f"portal listens on {server.url_of(listener)}"]
        if ops_address is not None:
            ops_listener = stack.enter_context(server.listen(ops_address, "--ops-listen"))
            works.append(lambda: _work(database_url, ops_listener, ops.create_ops))
            announcements.append(f"operations listen on {server.url_of(ops_listener)}")
        _announce(*announcements)
        Supervisor(works).run()


def serve_staff(database_url: str, proxies: Proxies, address: Address) -> None:
    """Serve the staff's page until a signal comes; arguments and faults as in `serve`."""
    with server.listen(address) as listener:
        _announce(f"staff page listens on {server.url_of(listener)}")
        Supervisor(
            [lambda: _work(database_url, listener, lambda database: create_staff_app(database, proxies=proxies))]
        ).run()


def _announce(*lines: str) -> None:
    with contextlib.suppress(OutputLost):  # it serves all the same
        print("\n".join(lines), flush=True)


def _work(database_url: str, listener: socket.socket, create: Create) -> None:
    database = open_database(database_url, migrate=False)
    try:
        server.make(create(database)).run(sockets=[listener])
    finally:
        database.close()
