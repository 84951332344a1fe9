"""licd-node check: what a container's probe asks of the licd-node that runs here."""

import os
import sys

from node_client import local, socket_place
from node_client.client import SOCKET_VARIABLE
from node_client.loss import describe
from node_client.options import UsageError
from node_client.values import NodeState


def check(path: str | None, *, ready: bool) -> int:
    """Ask the licd-node at `path`, the one that LICD_NODE_SOCKET names, or the only one of this user.

    `ready`: a node that waits for a seat counts as well. Else a rolling update with every seat taken never went on: the
    next old node is asked to leave only when the new one, which waits for its seat, is ready.

    Returns:
        0 if its program may run (R41), else 1.

    Raises:
        UsageError: several run here, and none is named.
    """
    path = path or os.environ.get(SOCKET_VARIABLE)
    paths = [path] if path else socket_place.running()
    if len(paths) > 1:
        message = f"several licd-nodes run here; name one's socket by --socket or {SOCKET_VARIABLE}: {', '.join(paths)}"
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
    return 0 if status.may_run or (ready and status.state is NodeState.WAITING) else 1
