"""Refusals as gRPC statuses: one table, and the details that section 3 wants in `grpc-status-details-bin`."""

import asyncio
from typing import Any

import grpc
import structlog
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its stubs leave it out
from grpc_status import rpc_status

from licd.v1.registration_service_pb2 import UploadEffect
from licd_daemon.core.model import Failure
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import compact_json, effect_message, failure_message

log = structlog.get_logger(__name__)

DOMAIN = "licd"
LEADER = "licd-leader"
"""The metadata in which a daemon that does not lead names the one that does."""
MAX_DETAILS_BYTES = 6_000  # gRPC peers take 8 KiB of metadata by default; base64 and other trailers need the rest
MAX_EFFECT_BYTES = 3_500  # alongside a message that names nodes

STATUS = {
    Reason.INVALID_FIELD: grpc.StatusCode.INVALID_ARGUMENT,
    Reason.NO_CREDENTIALS: grpc.StatusCode.UNAUTHENTICATED,
    Reason.WRONG_ROLE: grpc.StatusCode.PERMISSION_DENIED,
    Reason.WRONG_SECRET: grpc.StatusCode.PERMISSION_DENIED,
    Reason.SESSION_EXPIRED: grpc.StatusCode.NOT_FOUND,
    Reason.NO_SUCH_CHALLENGE: grpc.StatusCode.NOT_FOUND,
    Reason.NO_SUCH_SESSION: grpc.StatusCode.NOT_FOUND,
    Reason.NO_SUCH_TOKEN: grpc.StatusCode.NOT_FOUND,
    Reason.REGISTRATION_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.LICENSE_REFUSED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.NO_LICENSE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WRONG_CODE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.CHALLENGE_EXPIRED: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.LICENSE_OLDER: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.SEATS_IN_USE: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.WOULD_END_REGISTRATION: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.STALE_RESUME: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.LAST_ADMIN_TOKEN: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.NO_FOLLOWER: grpc.StatusCode.FAILED_PRECONDITION,
    Reason.LOCKED_OUT: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.RATE_LIMITED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Reason.NOT_LEADER: grpc.StatusCode.UNAVAILABLE,
    Reason.STOPPING: grpc.StatusCode.UNAVAILABLE,
    Reason.JOURNAL_UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
}


async def abort(context: Context, refusal: Refused) -> None:
    """End the call with the refusal's status and details, and the leader's address if it names one. Always raises.

    Raises:
        asyncio.CancelledError: nothing can be sent: the caller is gone, or does not read what was sent before, which
            gRPC keeps until the connection ends.
    """
    status: Any = rpc_status.to_status(_status(refusal))
    leader = refusal.metadata.get("leader") if refusal.reason is Reason.NOT_LEADER else None
    if leader:
        status = status._replace(trailing_metadata=(*status.trailing_metadata, (LEADER, leader)))
    try:
        await context.abort_with_status(status)
    except cygrpc.ExecuteBatchError:
        raise asyncio.CancelledError from None


async def abort_internal(context: Context, error: Exception) -> None:
    """INTERNAL and a fixed sentence; what happened is in the log only. Always raises."""
    log.error("call_failed", exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, "The daemon failed on this call; its log has the details.")


def _status(refusal: Refused) -> status_pb2.Status:
    code, _ = STATUS[refusal.reason].value
    status = status_pb2.Status(code=code, message=refusal.message)
    tail = []
    if refusal.retry_after_ms is not None:
        delay = duration_pb2.Duration()
        delay.FromMilliseconds(refusal.retry_after_ms)
        tail.append(_packed(error_details_pb2.RetryInfo(retry_delay=delay)))
    failures, omitted = _fitting(refusal.failures, MAX_DETAILS_BYTES - (MAX_EFFECT_BYTES if refusal.effect else 0))
    metadata = dict(refusal.metadata)
    if omitted:
        metadata["failures_omitted"] = str(omitted)
    if refusal.effect is not None:
        metadata["effect"] = _fitting_effect(effect_message(refusal.effect))
    info = error_details_pb2.ErrorInfo(reason=refusal.reason, domain=DOMAIN, metadata=metadata)
    status.details.extend([_packed(info), *failures, *tail])
    return status


def _fitting(failures: tuple[Failure, ...], most_bytes: int) -> tuple[list[any_pb2.Any], int]:
    """As many failures as metadata may carry, one of each reason first; `CheckRegistration` reports them all."""
    seen: set[str] = set()
    first: list[Failure] = []
    more: list[Failure] = []
    for failure in failures:
        (more if failure.reason in seen else first).append(failure)
        seen.add(failure.reason)
    packed: list[any_pb2.Any] = []
    size = 0
    for failure in (*first, *more):
        detail = _packed(failure_message(failure))
        size += detail.ByteSize()
        if size > most_bytes:
            break
        packed.append(detail)
    return packed, len(failures) - len(packed)


def _fitting_effect(effect: UploadEffect) -> str:
    """As much of an effect as metadata may carry, as JSON; a dry run reports all of it."""
    text = compact_json(effect)
    while len(text.encode()) > MAX_EFFECT_BYTES and (effect.failures or effect.nodes_rejected):
        del effect.failures[len(effect.failures) // 2 :]
        del effect.nodes_rejected[len(effect.nodes_rejected) // 2 :]
        text = compact_json(effect)
    if len(text.encode()) > MAX_EFFECT_BYTES:
        effect.ClearField("license")
        text = compact_json(effect)
    return text


def _packed(message: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed
