"""licd-node: holds one seat for a program that does not link node_client, or for one of many processes.

licd-node run [options] -- CMD...   joins, starts CMD once licensed, leaves when CMD has ended
licd-node agent [options]           joins, and holds the seat for programs that ask at its socket
licd-node check                     for a container's probe: exit 0 CMD may run, 1 not, 2 it is not known

Each option of `run` and `agent` is also an environment variable, LICD_ and its name. A token is never on the command
line, where every user of the machine could read it.
"""

import argparse
import contextlib
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence

from node_client import log, options, probe, signals, socket_place, standard_files
from node_client.agent import Agent
from node_client.callbacks import OnChange
from node_client.client import SOCKET_VARIABLE, connect
from node_client.node import Node
from node_client.options import UsageError
from node_client.process_tree import ProcessTree
from node_client.seat_socket import SeatSocket
from node_client.socket_place import Place
from node_client.supervisor import Supervisor

_FILES = ("token_file", "credential_file", "ca", "cert", "key", "vendor_keys")


def main(argv: Sequence[str] | None = None) -> int:
    """Run licd-node.

    Returns:
        CMD's exit code (128 + signal), 75 when the license was lost, 2 for wrong usage; `check`: 0, 1 or 2.
    """
    standard_files.open_standard_files()
    log.start()
    arguments = list(sys.argv[1:] if argv is None else argv)
    divide = arguments.index("--") if "--" in arguments else len(arguments)
    parser = options.parser()
    given = parser.parse_args(arguments[:divide])
    try:
        if given.action == "check":
            return probe.check(given.socket, ready=given.ready)
        _refuse_other_systems()
        if given.action == "agent":
            return _agent(given)
        return _run(given, arguments[divide + 1 :])
    except ValueError as error:
        parser.exit(2, f"licd-node: {_as_option(str(error))}\n")


def _as_option(problem: str) -> str:
    """A problem of an argument of connect(), by the name of its option."""
    name, colon, rest = problem.partition(":")
    return f"{name.replace('_', '-') if name in _FILES else name}{colon}{rest}"


def _refuse_other_systems() -> None:
    if sys.platform != "linux":
        message = "licd-node runs on Linux only; link node_client instead"
        raise UsageError(message)


def _agent(given: argparse.Namespace) -> int:
    joining, place = _joining(given), _place(given, os.environ.pop(SOCKET_VARIABLE, "") or socket_place.well_known())
    signals.restore()
    agent = Agent()
    log.write_aside()
    with joining(agent.changed) as node, _serving(node, place):
        return agent.run(node)


def _run(given: argparse.Namespace, command: list[str]) -> int:
    if not command:
        message = "no command; write it after --, as in: licd-node run --application ... -- CMD"
        raise UsageError(message)
    joining, place = _joining(given), _place(given, _unserved())
    on_loss = options.on_loss(options.value(given, "on_loss", "hold"))
    loss_grace = options.seconds(options.value(given, "loss_grace", "30"))
    if shutil.which(command[0]) is None:
        sys.stderr.write(f"licd-node: cannot run {command[0]}: no such program\n")
        return 127
    signals.restore()
    with ProcessTree(command) as tree:
        supervisor = Supervisor(tree, command[0], on_loss, loss_grace)
        log.write_aside()
        with joining(supervisor.changed) as node, _serving(node, place):
            return supervisor.run(node, {SOCKET_VARIABLE: str(place.path)})


def _unserved() -> str:
    """The socket that the environment names and nobody serves; under another licd-node, that one's seat is shared."""
    named = os.environ.get(SOCKET_VARIABLE, "")
    if named and not socket_place.is_served(pathlib.Path(named)):
        del os.environ[SOCKET_VARIABLE]
        return named
    return ""


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
            wants_license=True,
            **{name: options.value(given, name, "") or None for name in _FILES},
        )

    return join


def _place(given: argparse.Namespace, default: str | pathlib.Path) -> Place:
    """Where the socket is to be; without a path, in a new directory of its own."""
    group = options.group(options.value(given, "socket_group", ""))
    mode = options.mode(options.value(given, "socket_mode", ""), default=0o600 if group < 0 else 0o660)
    path = options.value(given, "socket", "") or default
    if not path:
        return socket_place.own(mode, group)
    place = Place(pathlib.Path(path).absolute(), mode, group)
    place.refuse_impossible()
    return place


@contextlib.contextmanager
def _serving(node: Node, place: Place) -> Iterator[None]:
    try:
        socket = SeatSocket(node, place)
    except OSError as error:
        message = f"socket: {place.path} cannot be made: {error.strerror}; name a writable path, or another group"
        raise UsageError(message) from error
    # The node leaves before its socket goes, so that programs read "not licensed" rather than nothing.
    with socket, contextlib.closing(node):
        yield


if __name__ == "__main__":
    sys.exit(main())
