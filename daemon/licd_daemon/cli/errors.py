"""The two ways in which a call ends that is not answered: refused (exit code 1) and unreachable (exit code 3).

A refusal carries its reasons in the trailer `grpc-status-details-bin` (protos/licd/v1/failure.proto). It is printed
with every reason's title, detail and remedy. An unreachable daemon is reported with address, cause and what to try.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import click
import grpc
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1.failure_pb2 import ErrorReason, ErrorTrailer, Failure
from licd_daemon.cli.text import clean, failure_lines, say, when

_TRAILER = "grpc-status-details-bin"
_LEADER = "licd-leader"
# The daemon's sentences name the remedy; these add the command for it.
_REMEDIES = {
    "NO_CREDENTIALS": "Give a token that is in force with --token-file FILE (or LICD_TOKEN_FILE).",
    "WRONG_ROLE": "Give another token with --token-file FILE; admins may do everything here.",
    "NO_LICENSE": "Upload one: licd upload Container.lic",
    "NO_SUCH_CHALLENGE": "Create a new QR: licd qr",
    "CHALLENGE_EXPIRED": "Create a new QR: licd qr",
    "WOULD_END_REGISTRATION": "On the command line: licd upload --replace FILE; --dry-run shows what it would change.",
    "NO_FOLLOWER": "See which daemons run: each needs the same --journal.",
    "LAST_ADMIN_TOKEN": "Make another admin token: licd token create admin",
}
_PASSED_ON = frozenset({"NOT_LEADER", "STOPPING"})

_CAUSES = (
    (
        "certificate has expired",
        "its certificate has expired by this machine's clock. Replace it (--tls-cert), or set this clock right.",
    ),
    (
        "certificate is not yet valid",
        "its certificate is not valid yet by this machine's clock. Set that right, or replace it (--tls-cert).",
    ),
    ("unsupported certificate purpose", "its certificate is not for servers. Replace it (--tls-cert)."),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "its certificate is not of a known authority. Give its authority with --ca FILE ({ca}).",
    ),
    (
        "Hostname Verification",
        "its certificate is not for this name. Use a name that it holds, or serve with --tls-san or --tls-cert.",
    ),
    ("security handshaker", "the authority is no PEM certificate. Correct --ca FILE ({ca})."),
    ("WRONG_VERSION_NUMBER", "it speaks no TLS. If it was started with --insecure, give --insecure here too."),
    ("Tls handshake failed", "no secure connection came about. Check --ca FILE ({ca}) and the address."),
    ("Socket closed", "it hung up. {hint}"),
    ("Connection reset", "it hung up. {hint}"),
    ("Connection refused", "nobody listens there. Is the daemon running (licd serve)? Or name it with --address."),
    ("resolving", "the name is not known here. Correct --address."),
    ("", "no connection. Is the daemon running, and is this its --address?"),
)
_CONNECT_LATE = "no answer in time. Is it running, and is this its --address?"


class CallRefused(click.ClickException):
    """The daemon has answered with a refusal."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        failures: Sequence[Failure] = (),
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.metadata = dict(metadata or {})
        self.failures = failures

    def lines(self) -> list[str]:
        """What there is to say: the refusal, every reason, and what to do."""
        reason = f" [{clean(self.reason)}]" if self.reason else ""
        lines = [f"{click.style('Refused:', fg='red', bold=True)} {clean(self.message)}{reason}"]
        lines += failure_lines(self.failures)
        lines += [f"{words}: {value}" for words, value in self._facts() if value not in self.message]
        remedy = clean(self.metadata.get("remedy") or _REMEDIES.get(self.reason, ""))
        return [*lines, remedy] if remedy and remedy not in self.message else lines

    def _facts(self) -> Iterator[tuple[str, str]]:
        """What the daemon may say in the reason's metadata only."""
        if "field" in self.metadata:
            yield "Field", clean(self.metadata["field"])
        if "attempts_left" in self.metadata:
            yield "Attempts left", clean(self.metadata["attempts_left"])
        locked_until = self.metadata.get("locked_until", "")
        if re.fullmatch(r"[0-9]{1,12}", locked_until):
            yield "Locked until", when(Timestamp(seconds=int(locked_until)))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on stderr."""
        say("\n".join(self.lines()), err=True)


class Unreachable(click.ClickException):
    """Nobody has answered. `problems`: a line for each address that was tried, with what to do."""

    exit_code = 3

    def __init__(self, problems: Iterable[str]) -> None:
        super().__init__("\n".join(problems))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it on stderr."""
        say(f"{click.style('Unreachable:', fg='red', bold=True)} {self.message}", err=True)


class PassedOn(Exception):
    """The daemon there does not lead: another has to be asked. `leader`: its address, or empty."""

    def __init__(self, problem: str, leader: str) -> None:
        super().__init__(problem)
        self.leader = leader


def call_of(error: grpc.RpcError) -> grpc.Call:
    """The call that has failed: grpc's synchronous API raises it as the error, but does not say so in its types."""
    assert isinstance(error, grpc.Call)
    return error


def problem_of(error: grpc.RpcError, authority: str, hint: str) -> str | None:
    """Why the daemon could not even be asked for its health; None: somebody has answered, whatever it was.

    Args:
        error: what the call has raised.
        authority: which certificate authority is used now, in words.
        hint: what to try if it hangs up.
    """
    call = call_of(error)
    if call.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _CONNECT_LATE
    if call.code() is not grpc.StatusCode.UNAVAILABLE:
        return None
    details = call.details() or ""
    return next(words for mark, words in _CAUSES if mark in details).format(ca=authority, hint=hint)


def fault_of(error: grpc.RpcError, address: str) -> CallRefused | Unreachable | PassedOn:
    """The fault that a failed call stands for.

    Args:
        error: what a call or a stream has raised.
        address: whom it asked.
    """
    call = call_of(error)
    code, details = call.code(), call.details() or ""
    trailer = {key: value for key, value in call.trailing_metadata() or () if key in (_TRAILER, _LEADER)}
    reason, failures = _parse(trailer.get(_TRAILER))
    leader = trailer.get(_LEADER, "")
    if reason.reason in _PASSED_ON or leader:
        return PassedOn(
            f"{address}: {clean(details)}", leader if isinstance(leader, str) else leader.decode("ascii", "replace")
        )
    if reason.reason == "" and code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return Unreachable(
            [f"{address}: the connection was lost, or no answer came in time ({clean(details)}). Try again."]
        )
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return Unreachable([f"{address}: what answers there is no licd of this version. Correct --address."])
    return CallRefused(details or code.name, reason.reason, reason.metadata, failures)


def _parse(trailer: str | bytes | None) -> tuple[ErrorReason, Sequence[Failure]]:
    """What the trailer holds; nothing when it is missing or not licd's."""
    reason, failures = ErrorReason(), []
    try:
        details = ErrorTrailer.FromString(trailer).details if isinstance(trailer, bytes) else ()
        for detail in details:
            if detail.type_url.endswith("/google.rpc.ErrorInfo"):
                reason = ErrorReason.FromString(detail.value)
            elif detail.type_url.endswith("/licd.v1.Failure"):
                failures.append(Failure.FromString(detail.value))
    except DecodeError:
        return ErrorReason(), ()
    return reason, failures
