"""A watcher of grpc.health.v1."""

import threading
from typing import Any

import grpc
from grpc_health.v1 import health_pb2 as pb
from grpc_health.v1 import health_pb2_grpc


class Watcher:
    """One stream, and what it has been sent."""

    def __init__(self, channel: grpc.Channel, service: str) -> None:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        self.seen: list[str] = []
        self.ended = threading.Event()
        self.call = stub.Watch(pb.HealthCheckRequest(service=service))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for answer in self.call:
                self.seen.append(pb.HealthCheckResponse.ServingStatus.Name(answer.status))
        except grpc.RpcError:
            pass
        self.ended.set()
