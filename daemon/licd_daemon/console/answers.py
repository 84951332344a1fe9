"""What the console's calls answer: JSON, and refusals as HTTP statuses with everything that a page shows."""

from typing import Any

import msgspec
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from starlette.responses import Response

from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.rpc.convert import compact_json, effect_message, failure_message
from licd_kit.printable import escaped_json

STATUS = {
    Reason.NO_CREDENTIALS: 401,
    Reason.WRONG_ROLE: 403,
    Reason.RATE_LIMITED: 429,
    Reason.NOT_LEADER: 503,
    Reason.STOPPING: 503,
    Reason.JOURNAL_UNAVAILABLE: 503,
}
"""Refusals of a request. Every other one is an answer (200, `refused`): browsers log the rest as the page's errors."""
FAILED = "The daemon failed on this call; its log has the details."


def plain(message: Message) -> dict[str, Any]:
    """A message of licd.v1 as proto3 JSON has it: snake_case, defaults included."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def encoded(content: object) -> bytes:
    """JSON for a page: what would turn its text or can't be seen is escaped."""
    return escaped_json(msgspec.json.encode(content))


def answer(content: object, status: int = 200) -> Response:
    """A JSON response."""
    return Response(encoded(content), status, media_type="application/json")


def refused(refusal: Refused) -> Response:
    """A refusal with its reason and every failure that holds."""
    metadata = dict(refusal.metadata)
    if refusal.effect is not None:
        metadata["effect"] = compact_json(effect_message(refusal.effect))
    content = {
        "reason": str(refusal.reason),
        "message": refusal.message,
        "metadata": metadata,
        "failures": [plain(failure_message(failure)) for failure in refusal.failures],
    }
    response = answer({"refused": content}, STATUS.get(refusal.reason, 200))
    if refusal.retry_after_ms is not None:
        response.headers["retry-after"] = str(-(-refusal.retry_after_ms // 1000))
    return response


def failed() -> Response:
    """What nobody foresaw: a fixed sentence."""
    return answer({"refused": {"reason": "INTERNAL", "message": FAILED, "metadata": {}, "failures": []}}, 500)
