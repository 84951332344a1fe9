"""R36: one node token floods the daemon with joins; what it keeps is bounded, and nobody else notices."""

import asyncio
import secrets
from collections import Counter

import grpc
import pytest
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon
from support.raw_node import RawNode
from support.refusal import Refusal, read_refusal
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import node_service_pb2 as pb
from licd.v1 import node_service_pb2_grpc as pb_grpc
from licd.v1 import registration_service_pb2 as registration_pb
from licd.v1 import registration_service_pb2_grpc as registration_grpc

FLOOD = 5_000
A_PEERS = 2_000
REFILLED = 100  # while the flood lasts: 1.7 a second
A_JOIN = 8_000  # bytes: every field as long as it may be, in Chinese
AT_ONCE = 50
LARGEST = pb.Application(name="字" * 128, version="10.0", build_date="2024-05-31", content="字" * 1024)


def journal_bytes(daemon: Daemon) -> int:
    return sum(file.stat().st_size for file in daemon.data_dir.glob("journal.db*"))


async def flood(daemon: Daemon) -> tuple[Counter[str], list[Refusal]]:
    """Joins with every field as large as it may be, each a process of its own; what became of them."""
    found, refusals = Counter[str](), list[Refusal]()
    async with grpc.aio.insecure_channel(daemon.address) as channel:
        node = pb_grpc.NodeServiceStub(channel)
        admin = registration_grpc.RegistrationServiceStub(channel)

        async def join() -> None:
            request = pb.JoinRequest(
                node_name="好" * 253,
                instance_id=secrets.token_hex(16),
                resume_secret=secrets.token_bytes(32),
                application=LARGEST,
            )
            try:
                await node.Join(request, metadata=_bearer(daemon, "node"), timeout=60)
            except grpc.aio.AioRpcError as error:
                found[error.code().name] += 1
                refusals.append(read_refusal(error))
            else:
                found["joined"] += 1

        async def joins() -> None:
            while sum(found.values()) <= FLOOD - AT_ONCE:
                await join()

        async def look() -> None:
            request = registration_pb.GetRegistrationRequest()
            await admin.GetRegistration(request, metadata=_bearer(daemon, "admin"), timeout=30)
            found["looked"] += 1

        await asyncio.gather(*(joins() for _ in range(AT_ONCE)), look())
    return found, refusals


def _bearer(daemon: Daemon, role: str) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {daemon.token(role)}")]


@pytest.mark.parametrize("daemon", [("--insecure", "--lease-ttl", "6s", "--heartbeat-interval", "2s")], indirect=True)
def test_R36_a_flood_of_joins_with_one_token_is_bounded(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    holder = RawNode(daemon.stubs("node"))
    holder.join()
    with holder.open().beating(0.3):
        admin.upload(vendor.lic(max_nodes=1))
        admin.register()
        before = journal_bytes(daemon)
        found, refusals = asyncio.run(flood(daemon))
        assert A_PEERS - 1 <= found["joined"] <= A_PEERS + REFILLED
        assert set(found) == {"joined", "RESOURCE_EXHAUSTED", "looked"}
        assert journal_bytes(daemon) - before < (A_PEERS + REFILLED) * A_JOIN
        assert {refusal.reason for refusal in refusals} == {"RATE_LIMITED"}
        assert {refusal.metadata["budget"] for refusal in refusals} <= {"joins", "places"}
        assert all("type.googleapis.com/google.rpc.RetryInfo" in refusal.type_urls for refusal in refusals)
        (warning, *_) = admin.registration().warnings
        assert warning.title == "A budget is used up: joins are refused"
        assert "2000 sessions" in warning.detail
        page = Console(daemon.ops).get("/metrics").content.decode()
        assert 'licd_budget_refusals_total{budget="queue"} 0.0' in page
        # Nobody opened a stream: their leases end, and nothing of them is left.
        eventually(lambda: admin.registration().nodes_connected == 1, 60)
        assert admin.registration().nodes_waiting == 0
        assert admin.registration().nodes_licensed == 1
