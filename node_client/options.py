"""The options of licd-node: what may be given on the command line or as LICD_ and its name in the environment.

Each reader takes a text and gives its value, or raises a UsageError that names the option and what to write.
"""

import argparse
import grp
import os

from node_client.loss import OnLoss
from node_client.values import Application

_YES, _NO = {"1", "true", "yes", "on"}, {"", "0", "false", "no", "off"}
_ALL = 0o777
_FIELDS = ("name", "version", "build_date", "content")


class UsageError(ValueError):
    """What was asked cannot be done as written."""


def parser() -> argparse.ArgumentParser:
    """The commands of licd-node and their options."""
    parser = argparse.ArgumentParser(
        prog="licd-node", description="Holds one licd seat for a program.", allow_abbrev=False
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="agent | run | check")
    usage = "licd-node {} --application name=NAME,version=VERSION,build_date=YYYY-MM-DD [options]"
    epilog = "Each option is also an environment variable: LICD_ADDRESS, LICD_TOKEN_FILE, LICD_ON_LOSS, ..."
    run = actions.add_parser(
        "run",
        help="run CMD while a seat is held",
        usage=usage.format("run") + " -- CMD...",
        epilog=epilog,
        allow_abbrev=False,
    )
    _add_node_options(run)
    _add_loss_options(run)
    _add_socket_options(run, "a new one in the runtime directory")
    agent = actions.add_parser(
        "agent",
        help="hold a seat for programs that ask at the socket: of other containers, or of a service",
        usage=usage.format("agent"),
        epilog=epilog,
        allow_abbrev=False,
    )
    _add_node_options(agent)
    _add_socket_options(agent, "licd-node/node.sock in the runtime directory")
    check = actions.add_parser(
        "check",
        help="exit 0 if the licd-node that runs here is licensed, or in the grace of an absent daemon; 1 if not",
        allow_abbrev=False,
    )
    check.add_argument(
        "--ready", action="store_true", help="also exit 0 while it waits for a seat that another node has"
    )
    check.add_argument("--socket", metavar="PATH", help="the licd-node's socket (LICD_NODE_SOCKET, or the only one)")
    return parser


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
    option("--application", metavar="FIELDS", help="what the program is; content= comes last and may hold commas")
    option("--address", metavar="HOST:PORT,...", help="the daemons (127.0.0.1:7443)")
    option("--ca", metavar="FILE", help="CA certificates that the daemon's certificate is checked with (the system's)")
    option("--token-file", metavar="FILE", help="file with the node token")
    option("--credential-file", metavar="FILE", help="where the token of its own is kept that a join token gives it")
    option("--cert", metavar="FILE", help="client certificate, for a daemon's port that demands one")
    option("--key", metavar="FILE", help="the certificate's key")
    option("--vendor-keys", metavar="FILE", help="the vendor's public keys: verify the license with them (off)")
    option("--insecure", action="store_const", const="true", help="plaintext, loopback addresses only")
    option("--node-name", metavar="NAME", help="a display name (the host's)")


def _add_loss_options(parser: argparse.ArgumentParser) -> None:
    option = parser.add_argument
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


def _add_socket_options(parser: argparse.ArgumentParser, default: str) -> None:
    option = parser.add_argument
    option("--socket", metavar="PATH", help=f"where programs ask for the seat ({default})")
    option("--socket-mode", metavar="MODE", help="who may ask, in octal (600; 660 with a group)")
    option("--socket-group", metavar="GROUP", help="group of the socket (the process's)")


def value(options: argparse.Namespace, name: str, default: str) -> str:
    """What was given as an option, else in the environment, else the default."""
    given: str | None = getattr(options, name)
    return given if given is not None else os.environ.get(f"LICD_{name.upper()}", default)


def application(text: str) -> Application:
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


def insecure(text: str) -> bool:
    """Whether plaintext was asked for."""
    if text.lower() not in _YES | _NO:
        message = f"insecure: {text!r} is neither true nor false"
        raise UsageError(message)
    return text.lower() in _YES


def on_loss(text: str) -> OnLoss:
    """What becomes of CMD when the license is lost (R41)."""
    if text not in tuple(OnLoss):
        message = f"on-loss: {text!r} is none of hold, stop and warn"
        raise UsageError(message)
    return OnLoss(text)


def seconds(text: str) -> float:
    """The seconds of `--loss-grace`."""
    if not text.isascii() or not text.replace(".", "", 1).isdigit():
        message = f"loss-grace: {text!r} is not a number of seconds"
        raise UsageError(message)
    return float(text)


def mode(text: str, *, default: int) -> int:
    """The permission bits of `--socket-mode`."""
    if not text:
        return default
    if len(text) not in (3, 4) or not set(text) <= set("01234567") or int(text, 8) > _ALL:
        message = f"socket-mode: {text!r} is not a valid mode; write it as 660"
        raise UsageError(message)
    return int(text, 8)


def group(text: str) -> int:
    """The number of `--socket-group`; -1 if none is named."""
    if not text:
        return -1
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return grp.getgrnam(text).gr_gid
    except KeyError:
        message = f"socket-group: there is no group {text!r} here; write its number, or make it"
        raise UsageError(message) from None
