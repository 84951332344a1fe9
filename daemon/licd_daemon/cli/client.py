"""The commands' connection to the daemon that leads.

- Addresses are tried in order; the first that answers is asked. A daemon that does not lead passes on to the one that
  does.
- A call is sent a second time only when the daemon has answered that it did not take it: SubmitCode counts.
- The address is verified against the server's certificate. Without TLS the token would be read by everyone on the way,
  so `--insecure` is for loopback only, wherever a daemon passes on to (R34).
- The token is sent as metadata and shown nowhere.
- Files are read again for each call: what was replaced while a command goes on is shown by its next one. What can't be
  used then leaves what was read before.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import click
from google.protobuf.message import Message

from licd_daemon.cli.serve.config import admin_token_file
from licd_daemon.cli.target import Target
from licd_kit.addresses import Address

# grpc's own log would repeat every failed handshake on stderr, in words for its developers; it reads this when loaded.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from licd_daemon.cli.errors import CallRefused, PassedOn, Unreachable, fault_of, problem_of
from licd_daemon.cli.text import clean

Answer = TypeVar("Answer", bound=Message)

_CONNECT_SECONDS = 5
_CALL_SECONDS = 30
_MOST_ADDRESSES = 16
_NO_CREDENTIALS = "NO_CREDENTIALS"
_BY_CERTIFICATE = (
    "A certificate counts at the daemon's port for certificates (--mtls-listen, 7444) and needs one role, such as the "
    "URI licd:role/admin. At the other port give a token with --token-file FILE."
)
_HEALTH = "/grpc.health.v1.Health/Check"
# A cluster has no way out: a proxy for the web in the environment is not the way to its daemon.
_CHANNEL_OPTIONS = (("grpc.enable_http_proxy", 0),)


class _Shown(NamedTuple):
    """What is shown and trusted. `authority`: where `ca` is from, in words; `pair`: a client certificate, its key."""

    ca: bytes | None
    authority: str
    pair: tuple[bytes, bytes] | None
    metadata: tuple[tuple[str, str | bytes], ...]


def _shown_by(target: Target) -> _Shown:
    return _Shown(*target.authority(), target.client_certificate(), target.authorization())


class Client:
    """A connection that is made at the first call.

    Raises:
        click.UsageError: a file or an address of `target` can't be used.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._queue = target.asked_first()
        self._shown = _shown_by(target)
        self._channel: grpc.Channel | None = None
        self._address = ""
        self._hops = 0
        for address in self._queue:
            self._judge(address)

    @property
    def data_dir(self) -> Path:
        """Where a daemon of this machine keeps its files."""
        return self._target.data_dir

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        """The daemon's answer.

        Args:
            method: `Service/Method` of licd.v1.
            request: its request.
            answer: its response's type.

        Raises:
            CallRefused: the daemon refused.
            Unreachable: nobody who leads has answered.
        """
        while True:
            channel = self._connected()
            unary = channel.unary_unary(
                f"/licd.v1.{method}", request_serializer=_bytes, response_deserializer=answer.FromString
            )
            try:
                response: Answer = unary(request, timeout=_CALL_SECONDS, metadata=self._shown.metadata)
            except grpc.RpcError as error:
                self._pass_on(error)
            else:
                return response

    def stream(self, method: str, request: Message, answer: type[Answer]) -> Iterator[Answer]:
        """The daemon's answers as they come, until it ends the stream; arguments and faults as in `call`."""
        started = False
        while True:
            channel = self._connected()
            watch = channel.unary_stream(
                f"/licd.v1.{method}", request_serializer=_bytes, response_deserializer=answer.FromString
            )
            try:
                for response in watch(request, metadata=self._shown.metadata):
                    started = True
                    yield response
            except grpc.RpcError as error:
                if started:
                    raise self._final(fault_of(error, self._address)) from None
                self._pass_on(error)
            else:
                return

    def health(self, service: str) -> HealthCheckResponse:
        """What the first daemon that answers says of a service of grpc.health.v1; no token is sent.

        Raises:
            CallRefused: it knows no such service.
            Unreachable: nobody has answered.
        """
        check = self._connected().unary_unary(
            _HEALTH, request_serializer=_bytes, response_deserializer=HealthCheckResponse.FromString
        )
        try:
            return check(HealthCheckRequest(service=service), timeout=_CONNECT_SECONDS)
        except grpc.RpcError as error:
            raise self._final(fault_of(error, self._address)) from None

    def renewed(self) -> bool:
        """Read the files again: whether there is anything else to show."""
        if not self._target.renewable():
            return False
        try:
            shown = _shown_by(self._target)
        except click.UsageError:  # it is being replaced
            return False
        before, self._shown = self._shown, shown
        if shown[:-1] != before[:-1] and self._channel is not None:
            self._close()
            self._queue.insert(0, self._address)
        return shown != before

    def _judge(self, address: str) -> None:
        try:
            there = Address.parse(address)
        except ValueError as error:
            raise click.UsageError(f"--address: {error}") from None
        if there.port == 0:
            raise click.UsageError("--address: port 0 can't be connected to: name the daemon's port")
        if self._target.insecure and not there.on_loopback:
            raise click.UsageError(
                f"--insecure: would show the token to everyone on the way to {there.host}: leave it out"
            )

    def _connected(self) -> grpc.Channel:
        if self._channel is not None:
            self.renewed()
        if self._channel is not None:
            return self._channel
        problems = []
        while self._queue:
            self._address = self._queue.pop(0)
            problem = self._connect(self._address)
            if problem is None and self._channel is not None:
                return self._channel
            problems.append(f"{self._address}: {problem}")
        raise Unreachable(problems)

    def _connect(self, address: str) -> str | None:
        """Open the channel and ask for the health, which needs no credentials; the problem, if it does not answer."""
        channel = (
            grpc.insecure_channel(address, _CHANNEL_OPTIONS)
            if self._target.insecure
            else grpc.secure_channel(address, self._credentials(), _CHANNEL_OPTIONS)
        )
        self._channel = channel
        probe: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_HEALTH)
        try:
            probe(b"", timeout=_CONNECT_SECONDS)
        except grpc.RpcError as error:
            problem = problem_of(error, self._shown.authority, self._hint)
            if problem is not None:
                self._close()
            return problem
        return None

    def _credentials(self) -> grpc.ChannelCredentials:
        chain, key = self._shown.pair or (None, None)
        # Without an authority of its own, grpc trusts the public ones: the daemon may have a certificate of those.
        return grpc.ssl_channel_credentials(self._shown.ca, key, chain)

    @property
    def _hint(self) -> str:
        """What to try when the daemon hangs up."""
        if self._target.insecure:
            return "If it speaks TLS, leave --insecure out."
        if self._shown.pair is None:
            return "If it demands client certificates (--mtls-listen), give --cert and --key."
        valid = self._target.validity()
        return f"Is {self._target.cert} of its --client-ca, for clients, and valid now ({valid})?"

    def _pass_on(self, error: grpc.RpcError) -> None:
        """Make way for the daemon that leads, or raise what the fault means."""
        fault = fault_of(error, self._address)
        if isinstance(fault, CallRefused) and fault.reason == _NO_CREDENTIALS and self.renewed():
            return
        if not isinstance(fault, PassedOn):
            raise self._final(fault) from None
        self._close()
        if fault.leader and self._may_ask(fault.leader):
            self._queue.insert(0, fault.leader)
        self._hops += 1
        if not self._queue or self._hops > _MOST_ADDRESSES:
            raise self._final(fault) from None

    def _may_ask(self, leader: str) -> bool:
        try:
            named = Address.parse(leader)
        except ValueError:
            return False
        return named.port != 0 and leader != self._address and (not self._target.insecure or named.on_loopback)

    def _final(self, fault: CallRefused | Unreachable | PassedOn) -> CallRefused | Unreachable:
        if isinstance(fault, PassedOn):
            where = f" It names the leader {clean(fault.leader)}." if fault.leader else ""
            return Unreachable([f"{fault}{where} Try again shortly, or name all daemons with --address."])
        if isinstance(fault, CallRefused) and fault.reason == _NO_CREDENTIALS and not self._shown.metadata:
            found = admin_token_file(self._target.data_dir)
            remedy = f"No token was sent: {found} is not there, or not for this user. Give one with --token-file FILE."
            fault.metadata.setdefault("remedy", _BY_CERTIFICATE if self._shown.pair else remedy)
        return fault

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _bytes(request: Message) -> bytes:
    return request.SerializeToString()
