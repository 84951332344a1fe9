"""licd-node: holds one seat for a program that does not link node_client, or for one of many processes.

licd-node run [options] -- CMD...   joins, starts CMD once licensed, leaves when CMD ends
licd-node check                     for a container's probe: exit 0 CMD may run, 1 not, 2 it is not known

Each option of `run` is also an environment variable, LICD_ and its name. A token is never on the command line,
where every user of the machine could read it.
"""

import argparse
import logging
import os
import pathlib
import shutil
import sys
from collections.abc import Sequence

from node_client import local, seat_socket
from node_client.client import SOCKET_VARIABLE, connect
from node_client.node import Node
from node_client.supervisor import OnLoss, Supervisor, describe
from node_client.values import Application

_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_FIELDS = ("name", "version", "build_date", "content")


class UsageError(ValueError):
    """What was asked cannot be done as written."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run licd-node.

    Returns:
        CMD's exit code (128 + signal), 75 when the license was lost, 2 for wrong usage; `check`: 0, 1 or 2.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="licd-node: %(message)s")
    arguments = list(sys.argv[1:] if argv is None else argv)
    divide = arguments.index("--") if "--" in arguments else len(arguments)
    parser = _parser()
    options = parser.parse_args(arguments[:divide])
    try:
        return _check() if options.action == "check" else _run(options, arguments[divide + 1 :])
    except ValueError as error:
        parser.exit(2, f"licd-node: {error}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="licd-node", description="Holds one licd seat for a program.", allow_abbrev=False
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="run | check")
    actions.add_parser(
        "check",
        help="exit 0 if the licd-node that runs here is licensed, or in the grace of an absent daemon; 1 if not",
        allow_abbrev=False,
    )
    run = actions.add_parser(
        "run",
        help="run CMD while a seat is held",
        usage="licd-node run --application name=NAME,version=VERSION,build_date=YYYY-MM-DD [options] -- CMD...",
        epilog="Each option is also an environment variable: LICD_ADDRESS, LICD_TOKEN_FILE, LICD_ON_LOSS, ...",
        allow_abbrev=False,
    )
    option = run.add_argument
    option("--application", metavar="FIELDS", help="what CMD is; content= comes last and may hold commas")
    option("--address", metavar="HOST:PORT,...", help="the daemons (127.0.0.1:7443)")
    option("--ca", metavar="FILE", help="CA certificates that the daemon's certificate is checked with (the system's)")
    option("--token-file", metavar="FILE", help="file with the node token")
    option("--insecure", action="store_const", const="true", help="plaintext, loopback addresses only")
    option("--node-name", metavar="NAME", help="a display name (the host's)")
    option(
        "--on-loss",
        metavar="hold|stop|warn",
        help="when the license is lost: stop CMD and start it again once licensed, stop CMD and end, or only warn "
        "(hold)",
    )
    option(
        "--loss-grace",
        metavar="SECONDS",
        help="how long CMD may go on after a definite loss; while the daemon is away, the license says how long (30)",
    )
    return parser


def _run(options: argparse.Namespace, command: list[str]) -> int:
    if sys.platform != "linux":
        message = "licd-node runs on Linux only; link node_client instead"
        raise UsageError(message)
    if not command:
        message = "no command; write it after --, as in: licd-node run --application ... -- CMD"
        raise UsageError(message)
    application = _application(_value(options, "application", ""))
    insecure = _insecure(_value(options, "insecure", ""))
    on_loss, loss_grace = _on_loss(_value(options, "on_loss", "hold")), _seconds(_value(options, "loss_grace", "30"))
    token = _token(_value(options, "token_file", ""))
    if shutil.which(command[0]) is None:
        sys.stderr.write(f"licd-node: cannot run {command[0]}: no such program\n")
        return 127
    supervisor = Supervisor(command, on_loss, loss_grace)
    node = connect(
        _value(options, "address", "127.0.0.1:7443"),
        application=application,
        node_name=_value(options, "node_name", "") or None,
        token=token,
        ca=_value(options, "ca", "") or None,
        on_change=supervisor.changed,
        insecure=insecure,
    )
    with node, _socket(node) as socket:
        code = supervisor.run(node, {**os.environ, SOCKET_VARIABLE: str(socket.path)})
        # Left before the socket goes, so that what CMD left behind reads "not licensed" rather than nothing.
        node.close()
        return code


def _socket(node: Node) -> seat_socket.SeatSocket:
    try:
        return seat_socket.SeatSocket(node)
    except OSError as error:
        message = f"no socket in the directory for temporary files: {error}; name a short, writable one in TMPDIR"
        raise UsageError(message) from error


def _value(options: argparse.Namespace, name: str, default: str) -> str:
    given: str | None = getattr(options, name)
    return given if given is not None else os.environ.get(f"LICD_{name.upper()}", default)


def _application(text: str) -> Application:
    """Read `name=...,version=...,build_date=...[,content=...]`; content takes all the rest, commas included."""
    head, has_content, content = f",{text}".partition(",content=")
    pairs = [part.partition("=") for part in head.split(",") if part]
    fields = {key.strip(): value for key, _, value in pairs}
    if has_content:
        fields["content"] = content
    missing = [field for field in _FIELDS[:3] if field not in fields]
    unknown = [field for field in fields if field not in _FIELDS]
    if missing or unknown or len(fields) != len(pairs) + bool(has_content):
        message = "application: write it as name=NAME,version=VERSION,build_date=YYYY-MM-DD[,content=TEXT]"
        raise UsageError(message)
    return Application(**fields)


def _insecure(text: str) -> bool:
    if text.lower() not in _YES | _NO:
        message = f"insecure: {text!r} is neither true nor false"
        raise UsageError(message)
    return text.lower() in _YES


def _on_loss(text: str) -> OnLoss:
    if text not in tuple(OnLoss):
        message = f"on-loss: {text!r} is none of hold, stop and warn"
        raise UsageError(message)
    return OnLoss(text)


def _seconds(text: str) -> float:
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        message = f"loss-grace: {text!r} is not a number of seconds"
        raise UsageError(message)
    return float(text)


def _token(path: str) -> str | None:
    if not path:
        return None
    try:
        return pathlib.Path(path).read_text(encoding="ascii").strip()
    except OSError as error:
        message = f"token-file: cannot read {path}: {error.strerror}"
        raise UsageError(message) from error
    except UnicodeDecodeError:
        message = f"token-file: {path} holds no token"
        raise UsageError(message) from None


def _check() -> int:
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


if __name__ == "__main__":
    sys.exit(main())
