"""Why a call was refused, read from gRPC's status and its trailer `grpc-status-details-bin` (DESIGN section 3).

The trailer is read with licd.v1.ErrorTrailer, wire-compatible with google.rpc.Status: a second google.rpc.Status in
one process, which a report server may well hold, collides in protobuf's descriptor pool.
"""

import dataclasses
import re
from collections.abc import Iterable, Mapping

import grpc
from google.protobuf.message import DecodeError

from licd.v1 import failure_pb2, node_service_pb2
from node_client import wire
from node_client.values import Failure

_DETAILS = "grpc-status-details-bin"
_LEADER = "licd-leader"
_SLOW_CODES = frozenset(
    {
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)
_TITLES = {
    "UNREACHABLE": "The license daemon does not answer",
    "NO_CREDENTIALS": "The license daemon does not know this node's token",
    "WRONG_ROLE": "This node's token is not for nodes",
    "NOT_LEADER": "The daemon asked does not lead the cluster",
    "RATE_LIMITED": "The license daemon takes no more nodes at the moment",
    "STALE_RESUME": "A copy of this process has taken its session up",
}
_REMEDIES = {
    "UNREACHABLE": "Check that licd runs, and that address and CA certificate (LICD_ADDRESS, LICD_CA) are its own.",
    "NO_CREDENTIALS": "Give this node the token in tokens/node.token of the daemon's data directory (LICD_TOKEN_FILE).",
    "WRONG_ROLE": "Give this node a token of the role node (licd token create node).",
    "STALE_RESUME": "Restart each process; do not copy a running one: its session ends, and both join again.",
    "NOT_LEADER": "Nothing, if it passes automatically; else check that one of the daemons leads.",
    "RATE_LIMITED": "Nothing, if it passes automatically; else `licd check` names the budget that is used up.",
}
# Under TLS 1.3 a client learns nothing of why its certificate was refused: the connection ends after its handshake.
_HUNG_UP = re.compile("failed to connect to all addresses.*Socket closed")
_HUNG_UP_REMEDY = (
    "If this port demands client certificates (--mtls-listen), give this node one of its authority, for clients, that "
    "has not ended (LICD_CERT, LICD_KEY); else check what is there, and the path to it."
)
_BY_CERTIFICATE = frozenset({"NO_CREDENTIALS", "WRONG_ROLE"})
_BY_CERTIFICATE_REMEDY = (
    "A certificate counts at the daemon's port for certificates (--mtls-listen, 7444) and needs the URI "
    "licd:role/node; at the other port give this node a token (LICD_TOKEN_FILE)."
)
# By what gRPC's message says of a server's certificate that was not accepted (R34); the last one is the general case.
_CERTIFICATE_REMEDIES = {
    "certificate has expired": "The daemon's certificate has expired: replace it, or set this node's clock right.",
    "certificate is not yet valid": "The daemon's certificate is not valid yet: set this node's clock, or replace it.",
    "Hostname Verification": "The daemon's certificate lacks this name: use one that it holds, or add it (--tls-san).",
    "unsupported certificate purpose": "The daemon's certificate is not for servers: replace it (--tls-cert).",
    "NO_COMMON_SIGNATURE_ALGORITHMS": "Give this node a certificate with an RSA, EC P-256 or EC P-384 key (LICD_CERT).",
    "CERTIFICATE_VERIFY_FAILED": "The daemon's certificate is of another authority: give this node its CA (LICD_CA).",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Refusal:
    """One refused call.

    Attributes:
        code: gRPC's status code.
        reason: the reason given, such as "SESSION_EXPIRED"; UNREACHABLE or the code's name if none was.
        message: the status message.
        metadata: more about the reason.
        failures: the license's reasons, if the daemon sent any.
        retry_after: seconds to wait before the next try; 0 if the daemon named none.
        leader: address of the daemon that leads, or empty.
    """

    code: grpc.StatusCode
    reason: str
    message: str
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    retry_after: float = 0.0
    leader: str = ""

    @property
    def slow(self) -> bool:
        """Whether only people can cure it, so that trying fast is of no use."""
        return self.code in _SLOW_CODES

    def trouble(self, address: str, *, by_certificate: bool = False) -> Failure:
        """The refusal in words for people; `by_certificate`: the node showed a certificate and no token."""
        if self.failures:
            return self.failures[0]
        title = _TITLES.get(self.reason, "The license daemon refused this node")
        remedy = self.metadata.get("remedy") or self._remedy(by_certificate=by_certificate)
        field = self.metadata.get("field")
        detail = f"{field}: {self.message}" if field else self.message
        return Failure(self.reason, title, f"{address}: {detail or self.code.name}", remedy)

    def _remedy(self, *, by_certificate: bool) -> str:
        if self.reason == "UNREACHABLE":
            for mark, remedy in _CERTIFICATE_REMEDIES.items():
                if mark in self.message:
                    return remedy
            if _HUNG_UP.search(self.message):
                return _HUNG_UP_REMEDY
        if by_certificate and self.reason in _BY_CERTIFICATE:
            return _BY_CERTIFICATE_REMEDY
        return _REMEDIES.get(self.reason, "Look at the daemon's log.")


def read(error: grpc.RpcError) -> Refusal:
    """Read a failed call; whatever it carries that cannot be read is left out."""
    code, message = _code(error), _message(error)
    trailers = _trailers(error)
    default = "UNREACHABLE" if code in _SILENCE else code.name
    refusal = Refusal(code, default, message, leader=_text(trailers.get(_LEADER, b"")))
    try:
        trailer = failure_pb2.ErrorTrailer.FromString(trailers.get(_DETAILS, b""))
        return _detailed(refusal, trailer)
    except DecodeError:
        return refusal


_SILENCE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})


def _detailed(refusal: Refusal, trailer: failure_pb2.ErrorTrailer) -> Refusal:
    failures = []
    for detail in trailer.details:
        kind = detail.type_url.rpartition("/")[2]
        if kind in ("google.rpc.ErrorInfo", "licd.v1.ErrorReason"):
            info = failure_pb2.ErrorReason.FromString(detail.value)
            refusal = dataclasses.replace(refusal, reason=info.reason, metadata=dict(info.metadata))
        elif kind == "licd.v1.Failure":
            failures.append(wire.failure(failure_pb2.Failure.FromString(detail.value)))
        elif kind == "google.rpc.RetryInfo":
            # RetryInfo's only field is a Duration numbered 1, as Reconnect's first is: no google.rpc class needed.
            span = node_service_pb2.Reconnect.FromString(detail.value).after
            refusal = dataclasses.replace(refusal, retry_after=wire.seconds(span))
    return dataclasses.replace(refusal, failures=tuple(failures))


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    code = error.code() if isinstance(error, grpc.Call) else None
    return code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN


def _message(error: grpc.RpcError) -> str:
    return (error.details() or "") if isinstance(error, grpc.Call) else ""


def _trailers(error: grpc.RpcError) -> dict[str, bytes]:
    pairs: Iterable[tuple[str, str | bytes]] = ()
    if isinstance(error, grpc.Call):
        pairs = error.trailing_metadata() or ()
    return {key: value.encode() if isinstance(value, str) else value for key, value in pairs}


def _text(value: bytes) -> str:
    return value.decode("ascii", errors="ignore")
