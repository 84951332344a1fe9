"""Options that commands share, and where their values come from (option, then environment, then file, then default).

- `licd --address X status` and `licd status --address X` are the same: a group hands what it was given on to its
  command, which then judges it as its own, and refuses what it does not know.
- `--config` is read before the other options, and becomes their defaults.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from licd_daemon.cli.config_file import read_file
from licd_daemon.cli.serve.config import default_data_dir
from licd_kit.command_line import CommandLine
from licd_kit.options import ConfigInvalid, parse_duration

_DAY_MS = 86_400_000
_MOST_DAYS = 36_500  # what the daemon takes, and every reader of a Duration
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
FILE = click.Path(path_type=Path)


def duration(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Callback: the option's milliseconds; None where it is not given and has no default."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


def days_or_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Callback: as `duration`, and whole days too, such as `90d`."""
    days = re.fullmatch(r" *([0-9]{1,6}) ?d *", value or "", re.ASCII)
    span_ms = int(days[1]) * _DAY_MS if days else duration(ctx, param, value)
    if span_ms is not None and span_ms > _MOST_DAYS * _DAY_MS:
        raise click.BadParameter(f"{value!r} is too long: give at most {_MOST_DAYS}d", ctx, param)
    return span_ms


def end_of_date(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """Callback: the instant that a date's day ends at, or that a date with a time names; local time unless it says."""
    if value is None:
        return None
    try:
        given = datetime.fromisoformat(value.strip())
        day = timedelta(days=1 if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", value.strip()) else 0)
        return (given + day).astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        if isinstance(error, OverflowError) and given.year == _LAST.year:
            return _LAST
        raise click.BadParameter(
            f"{value!r} is not a usable date: write 2027-01-31, or 2027-01-31T18:00:00Z", ctx, param
        ) from None


def split_one(_: click.Context, __: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Callback: the elements of one comma-separated value."""
    return tuple(part.strip() for part in (value or "").split(",") if part.strip())


def split(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> tuple[str, ...]:
    """Callback: the elements of an option that may be repeated, or given as one comma-separated value."""
    return tuple(part for value in values for part in split_one(ctx, param, value))


def option(name: str, help_text: str, *, to: str | None = None, **settings: Any) -> Decorator:
    """An option that is an environment variable too: `LICD_` and its name; `to`: the argument, if not of that name."""
    envvar = "LICD_" + name.removeprefix("--").replace("-", "_").upper()
    return click.option(name, *([to] if to else []), help=help_text, envvar=envvar, show_envvar=True, **settings)


def _read_config(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    if path is not None and not ctx.resilient_parsing:
        try:
            ctx.default_map = read_file(path)
        except ConfigInvalid as error:
            raise click.UsageError(str(error), ctx) from None
    return path


def _or_default(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path:
    try:
        return default_data_dir() if path is None else path
    except RuntimeError:
        raise click.UsageError("--data-dir: this user has no home directory: name a directory", ctx) from None


config_option = option(
    "--config", "A TOML file of these settings.", type=FILE, is_eager=True, expose_value=False, callback=_read_config
)
data_dir_option = option(
    "--data-dir",
    "Journal, certificates and tokens.  [default: /var/lib/licd as root, else $XDG_STATE_HOME/licd]",
    type=FILE,
    callback=_or_default,
)
insecure_option = option("--insecure", "Speak without TLS; on loopback only.", is_flag=True)
output_option = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people or for programs.",
)
_CLIENT_OPTIONS = (
    option(
        "--address",
        "The daemon's addresses, tried in order.  [default: the local daemon's, 127.0.0.1:7443; with --cert "
        "127.0.0.1:7444]",
        metavar="HOST:PORT[,...]",
        callback=split_one,
    ),
    option("--ca", "The authority of its certificate (PEM).  [default: the local daemon's]", type=FILE),
    option("--token-file", "The bearer token.  [default: the local daemon's admin token]", type=FILE),
    option("--cert", "A client certificate (PEM), for a port that demands one (--mtls-listen).", type=FILE),
    option("--key", "The certificate's key (PEM).", type=FILE),
    insecure_option,
    data_dir_option,
    config_option,
)
yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


class Group(CommandLine):
    """A group that takes the clients' options for its commands."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.params += [
            click.Option(["--address"], metavar="HOST:PORT[,...]", help="The daemon's addresses, tried in order."),
            click.Option(["--ca"], metavar="FILE", help="The certificate authority of the daemon."),
            click.Option(["--token-file"], metavar="FILE", help="The file with the bearer token."),
            click.Option(["--cert"], metavar="FILE", help="A client certificate, for a port that demands one."),
            click.Option(["--key"], metavar="FILE", help="The certificate's key."),
            click.Option(["--insecure"], is_flag=True, help="Speak without TLS; on loopback only."),
            click.Option(["--data-dir"], metavar="DIRECTORY", help="Where a local daemon keeps address, CA and token."),
            click.Option(["--config"], metavar="FILE", help="A TOML file of these settings."),
        ]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command and its arguments, the group's own options put before them."""
        name, command, rest = super().resolve_command(ctx, args)
        given = [
            part
            for param in self.params
            if param.name in ctx.params and ctx.get_parameter_source(param.name) is ParameterSource.COMMANDLINE
            for part in ([param.opts[0]] if param.name == "insecure" else [param.opts[0], ctx.params[param.name]])
        ]
        return name, command, [*given, *rest]


class LazyGroup(Group):
    """A group whose commands are imported when they run, so that none waits for another's libraries.

    Args:
        lazy: for each command's name, `module:attribute`, in the order of the help.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, in the table's order."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported."""
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is no command")
        return command


def client_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the clients' options, and its function a `Client` made of them as the first argument."""

    @wraps(function)
    def run(
        address: tuple[str, ...],
        ca: Path | None,
        token_file: Path | None,
        cert: Path | None,
        key: Path | None,
        insecure: bool,
        data_dir: Path,
        **values: Any,
    ) -> None:
        # Only here: grpc takes as long to load as everything else together, and --help does not need it.
        from licd_daemon.cli.client import Client
        from licd_daemon.cli.target import Target

        with Client(Target(address, ca, token_file, cert, key, insecure, data_dir)) as client:
            function(client, **values)

    command: Callable[..., None] = run
    for decorate in reversed(_CLIENT_OPTIONS):
        command = decorate(command)
    return command
