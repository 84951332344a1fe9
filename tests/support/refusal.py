"""What a refused call says, read as node_client reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest

from licd.v1 import failure_pb2


@dataclass
class Refusal:
    """A refused call, filled in when the block ends."""

    code: grpc.StatusCode | None = None
    message: str = ""
    reason: str = ""
    domain: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    failures: list[failure_pb2.Failure] = field(default_factory=list)
    type_urls: list[str] = field(default_factory=list)

    @property
    def reasons(self) -> list[str]:
        """The failures' reasons without their prefix, in order."""
        return [failure_pb2.FailureReason.Name(f.reason).removeprefix("FAILURE_REASON_") for f in self.failures]


def read_refusal(error: Any) -> Refusal:
    """The details of an RpcError."""
    refusal = Refusal(code=error.code(), message=error.details())
    for key, value in error.trailing_metadata() or ():
        if key != "grpc-status-details-bin":
            continue
        trailer = failure_pb2.ErrorTrailer.FromString(value)
        for detail in trailer.details:
            refusal.type_urls.append(detail.type_url)
            if detail.type_url.endswith("google.rpc.ErrorInfo"):
                info = failure_pb2.ErrorReason.FromString(detail.value)
                refusal.reason, refusal.domain, refusal.metadata = info.reason, info.domain, dict(info.metadata)
            elif detail.type_url.endswith("licd.v1.Failure"):
                refusal.failures.append(failure_pb2.Failure.FromString(detail.value))
    return refusal


@contextmanager
def refused(code: grpc.StatusCode, reason: str) -> Iterator[Refusal]:
    """The block's call must be refused so."""
    refusal = Refusal()
    with pytest.raises(grpc.RpcError) as caught:
        yield refusal
    refusal.__dict__.update(read_refusal(caught.value).__dict__)
    assert (refusal.code, refusal.reason) == (code, reason), refusal
    assert refusal.domain == "licd"
