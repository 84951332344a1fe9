"""licd-node check: what a container's probe asks of the licd-node that runs here."""

import os
import sys

from node_client import local, seat_socket
from node_client.client import SOCKET_VARIABLE
from node_client.loss import describe
from node_client.options import UsageError


def check() -> int:
    """Ask the licd-node of this user, or the one that LICD_NODE_SOCKET names.

    Returns:
        0 if its program may run (R41), else 1.

    Raises:
        UsageError: several run here, and none is named.
    """
    path = os.environ.get(SOCKET_VARIABLE)
    paths = [path] if path else seat_socket.running()
    if len(paths) > 1:
        message = f"several licd-nodes run here; name one's socket in {SOCKET_VARIABLE}: {', '.join(paths)}"
        raise UsageError(message)
    if not paths:
        sys.stdout.write("no licd-node runs here\n")
        return 1
    try:
        status = local.ask(paths[0])
    except (OSError, ValueError) as error:
        sys.stdout.write(f"licd-node does not answer: {error}\n")
        return 1
    sys.stdout.write(describe(status) + "\n")
    return 0 if status.may_run else 1
