"""licd-node: holds one seat for a program that does not link node_client, or for one of many processes.

licd-node run [options] -- CMD...   joins, starts CMD once licensed, leaves when CMD ends
licd-node check                     for a container's probe: exit 0 CMD may run, 1 not, 2 it is not known

Each option of `run` is also an environment variable, LICD_ and its name. A token is never on the command line,
where every user of the machine could read it.
"""

import argparse
import logging
import shutil
import sys
from collections.abc import Callable, Sequence

from node_client import options, probe, seat_socket, signals, standard_files
from node_client.callbacks import OnChange
from node_client.client import SOCKET_VARIABLE, connect
from node_client.node import Node
from node_client.options import UsageError
from node_client.process_tree import ProcessTree
from node_client.supervisor import Supervisor


def main(argv: Sequence[str] | None = None) -> int:
    """Run licd-node.

    Returns:
        CMD's exit code (128 + signal), 75 when the license was lost, 2 for wrong usage; `check`: 0, 1 or 2.
    """
    standard_files.open_standard_files()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="licd-node: %(message)s")
    arguments = list(sys.argv[1:] if argv is None else argv)
    divide = arguments.index("--") if "--" in arguments else len(arguments)
    parser = options.parser()
    given = parser.parse_args(arguments[:divide])
    try:
        return probe.check() if given.action == "check" else _run(given, arguments[divide + 1 :])
    except ValueError as error:
        parser.exit(2, f"licd-node: {str(error).replace('token_file:', 'token-file:', 1)}\n")


def _run(given: argparse.Namespace, command: list[str]) -> int:
    if sys.platform != "linux":
        message = "licd-node runs on Linux only; link node_client instead"
        raise UsageError(message)
    if not command:
        message = "no command; write it after --, as in: licd-node run --application ... -- CMD"
        raise UsageError(message)
    joining = _joining(given)
    on_loss = options.on_loss(options.value(given, "on_loss", "hold"))
    loss_grace = options.seconds(options.value(given, "loss_grace", "30"))
    if shutil.which(command[0]) is None:
        sys.stderr.write(f"licd-node: cannot run {command[0]}: no such program\n")
        return 127
    signals.restore()
    with ProcessTree(command) as tree:
        supervisor = Supervisor(tree, command[0], on_loss, loss_grace)
        with joining(supervisor.changed) as node, _socket(node) as socket:
            return supervisor.run(node, {SOCKET_VARIABLE: str(socket.path)})


def _joining(given: argparse.Namespace) -> Callable[[OnChange], Node]:
    """Read what it takes to join now, so that a mistake is reported before anything starts."""
    application = options.application(options.value(given, "application", ""))
    insecure = options.insecure(options.value(given, "insecure", ""))

    def join(on_change: OnChange) -> Node:
        return connect(
            options.value(given, "address", "127.0.0.1:7443"),
            application=application,
            node_name=options.value(given, "node_name", "") or None,
            on_change=on_change,
            insecure=insecure,
            **{name: options.value(given, name, "") or None for name in ("token_file", "ca", "cert", "key")},
        )

    return join


def _socket(node: Node) -> seat_socket.SeatSocket:
    try:
        return seat_socket.SeatSocket(node)
    except OSError as error:
        message = f"no socket in the directory for temporary files: {error}; name a short, writable one in TMPDIR"
        raise UsageError(message) from error


if __name__ == "__main__":
    sys.exit(main())
