"""The gRPC server: its services, its bounds (R36), its health, and how it drains.

Health (grpc.health.v1): "" is SERVING until the daemon stops; the services in `POLLED` while it leads and its journal
can be written; "registered" while the state is REGISTERED; nothing else is known there (section 3).
"""

import asyncio
from dataclasses import dataclass

import grpc
from grpc import aio
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from licd.v1 import (
    clock_service_pb2_grpc,
    cluster_service_pb2_grpc,
    leadership_service_pb2_grpc,
    node_service_pb2_grpc,
    registration_service_pb2_grpc,
    token_service_pb2_grpc,
)
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.view import RegistrationState, registration_state
from licd_daemon.leadership.etcd import Leader
from licd_daemon.operations.refused_credentials import RefusedCredentials
from licd_daemon.rpc import aio_server
from licd_daemon.rpc.access import Access
from licd_daemon.rpc.clock import ClockService
from licd_daemon.rpc.cluster import ClusterService
from licd_daemon.rpc.contract import LARGEST_REQUEST, SERVICES
from licd_daemon.rpc.guard import CallGuard
from licd_daemon.rpc.health import Health
from licd_daemon.rpc.leadership import LeadershipService
from licd_daemon.rpc.limits import Limits
from licd_daemon.rpc.node import NodeService
from licd_daemon.rpc.open_streams import OpenStreams
from licd_daemon.rpc.registration import RegistrationService
from licd_daemon.rpc.tokens import TokenService

POLLED = ("licd.v1.NodeService", "licd.v1.RegistrationService", "licd.v1.ClusterService")
REGISTERED = "registered"
COME_BACK_AFTER_MS = 500
DRAIN_S = 2.0
STREAMS = 100
WINDOW = 512
HEADER_BYTES = 4 * 1024
UNREAD_BYTES = 4 * 1024
PENDING = 1024
IDLE_MS = 60_000


@dataclass(frozen=True)
class Services:
    """The servicers."""

    node: NodeService
    registration: RegistrationService
    cluster: ClusterService
    token: TokenService
    clock: ClockService
    leadership: LeadershipService


def options(max_connections: int) -> list[tuple[str, int]]:
    """What keeps one peer from exhausting the daemon, and lets a silent one be noticed.

    Of a message that no handler asks for, gRPC takes `WINDOW` bytes; a call that no handler has taken yet costs 15 KiB
    and its headers (R36, docs/adr/0021-identity-before-bytes.md). What is more than may be pending ends as CANCELLED.

    Bandwidth probes would send a ping for nearly every heartbeat (docs/adr/0016-speed.md).
    """
    return [
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", LARGEST_REQUEST),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.http2.lookahead_bytes", WINDOW),
        ("grpc.max_metadata_size", HEADER_BYTES),
        ("grpc.absolute_max_metadata_size", HEADER_BYTES),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.max_allowed_incoming_connections", max_connections),
        ("grpc.server_handshake_timeout_ms", 10_000),
        ("grpc.max_connection_idle_ms", IDLE_MS),
        ("grpc.http2.write_buffer_size", UNREAD_BYTES),
        ("grpc.server.max_pending_requests", PENDING),
        ("grpc.server.max_pending_requests_hard_limit", PENDING * 3 // 2),
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.http2.ping_timeout_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ]


def bind(server: aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    """Binds `address`, in plaintext without `credentials`, and gives the port.

    Raises:
        OSError: the address is in use or not this machine's.
    """
    try:
        if credentials is None:
            return int(server.add_insecure_port(address))
        return int(server.add_secure_port(address, credentials))
    except RuntimeError as error:
        raise OSError(str(error)) from None


class Server:
    """Serves a coordinator: `bind`, `add`, `start`, and `drain` at the end."""

    def __init__(
        self, coordinator: Coordinator, refused: RefusedCredentials, *, on_loopback: bool, max_connections: int
    ) -> None:
        self._coordinator = coordinator
        access = Access(coordinator, refused, open_reflection=on_loopback)
        self.guard = CallGuard(access, Limits(), OpenStreams(coordinator))
        self._server = aio_server.make([self.guard], options(max_connections), self.guard.unknown)
        self._health = Health()
        self._health_task: asyncio.Task[None] | None = None
        self._ending_task: asyncio.Task[None] | None = None

    def add(self, services: Services) -> None:
        """Add the servicers, health and reflection; before `start`."""
        node_service_pb2_grpc.add_NodeServiceServicer_to_server(services.node, self._server)
        registration_service_pb2_grpc.add_RegistrationServiceServicer_to_server(services.registration, self._server)
        cluster_service_pb2_grpc.add_ClusterServiceServicer_to_server(services.cluster, self._server)
        token_service_pb2_grpc.add_TokenServiceServicer_to_server(services.token, self._server)
        clock_service_pb2_grpc.add_ClockServiceServicer_to_server(services.clock, self._server)
        leadership_service_pb2_grpc.add_LeadershipServiceServicer_to_server(services.leadership, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES, "grpc.health.v1.Health", reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Binds `address`, in plaintext without `credentials`, and gives the port.

        Raises:
            OSError: the address is in use or not this machine's.
        """
        return bind(self._server, address, credentials)

    async def start(self) -> None:
        """Serve from now on."""
        self._publish_health()
        await self._server.start()
        self._health_task = asyncio.create_task(self._follow_health())
        self._ending_task = asyncio.create_task(self.guard.open_streams.follow())

    async def _follow_health(self) -> None:
        """Health follows the truth; the coordinator's tick finds out when a proof of leadership has run out."""
        while True:
            changed = self._coordinator.news.next_change()
            self._publish_health()
            await changed.wait()

    def _publish_health(self) -> None:
        serving = self._coordinator.serving
        registered = serving and registration_state(self._coordinator.state) is RegistrationState.REGISTERED
        self._health.set("", serving=True)
        for name in POLLED:
            self._health.set(name, serving=serving)
        self._health.set(REGISTERED, serving=registered)

    async def drain(self, successor: Leader | None = None) -> None:
        """Ask nodes to come back, or to go on at once to `successor`; refuse what is new, let the rest end."""
        if self._health_task is not None:
            self._health_task.cancel()
        self._health.close()
        after_ms = 0 if successor else COME_BACK_AFTER_MS
        there = (successor.address, successor.mtls) if successor else ("", "")
        self._coordinator.presences.each_stream(lambda stream: stream.reconnect(after_ms, *there))
        await self._server.stop(DRAIN_S)
        if self._ending_task is not None:
            self._ending_task.cancel()
