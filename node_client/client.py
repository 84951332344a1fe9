"""connect(): the one call that a report server needs."""

import os
import pathlib
from collections.abc import Sequence

from node_client import settings
from node_client.callbacks import OnChange
from node_client.local import LocalNode
from node_client.node import Node
from node_client.remote import RemoteNode
from node_client.values import Application

SOCKET_VARIABLE = "LICD_NODE_SOCKET"


def connect(
    addresses: str | Sequence[str],
    *,
    application: Application,
    node_name: str | None = None,
    token: str | None = None,
    ca: str | pathlib.Path | None = None,
    on_change: OnChange | None = None,
    insecure: bool = False,
    token_file: str | pathlib.Path | None = None,
    cert: str | pathlib.Path | None = None,
    key: str | pathlib.Path | None = None,
    credential_file: str | pathlib.Path | None = None,
    vendor_keys: str | bytes | pathlib.Path | None = None,
    wants_license: bool = False,
) -> Node:
    """Join this process to the cluster; return at once, also while no daemon answers.

    Under `licd-node run` (LICD_NODE_SOCKET is set) it joins nothing and asks licd-node instead: the process tree has
    one seat. The arguments are checked all the same.

    Files are read again for each connection, and another token in its file makes one: nothing needs a restart (R34).

    A process that forks workers calls it in each worker, after the fork, or runs under licd-node: a child holds nothing
    of its parent's (R15), and gRPC does not tolerate use on both sides of a fork.

    Args:
        addresses: of the daemons, host:port: a list, or one text with commas.
        application: what this program is; the license must be for it (R12).
        node_name: a display name, need not be unique; default: the host's name.
        token: the node token itself; rather give its file, which may be replaced while the program runs.
        ca: file of the CA certificates that the daemon's certificate is checked with; default: the system's.
        on_change: called with the node after each change of its state or failures, in a thread of the client's; what
            it raises is logged.
        insecure: plaintext instead of TLS; loopback addresses only (R34).
        token_file: file with the node token, or with a join token: then the node makes a token of its own (R35).
        credential_file: where to keep that one over restarts (0600); default: in memory only.
        cert: file of a client certificate (PEM, with its chain), for the daemon's port that demands one (R34).
        key: file of its key (PEM, without a passphrase).
        vendor_keys: the vendor's public keys, a JWK Set or the path of its file: the node is licensed only if its
            license is signed by one of them, is of this application, and has not ended (R37). Ship them inside the
            program. Needs the extra `licd[verify]`.
        wants_license: keep the license for Node.license() without verifying it; licd-node hands it on.

    Returns:
        The node: ask may_run() before licensed work (R41), close() it at the end.

    Raises:
        ValueError: an argument is bad; the message names it.
    """
    checked = settings.check(
        addresses,
        application=application,
        node_name=node_name,
        token=token,
        ca=ca,
        insecure=insecure,
        token_file=token_file,
        cert=cert,
        key=key,
        credential_file=credential_file,
        vendor_keys=vendor_keys,
        wants_license=wants_license,
    )
    path = os.environ.get(SOCKET_VARIABLE)
    return LocalNode(path, on_change, checked.verifier) if path else RemoteNode(checked, on_change)
