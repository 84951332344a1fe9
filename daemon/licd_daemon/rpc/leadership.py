"""LeadershipService: moves the lead (R32)."""

from collections.abc import Awaitable, Callable

from licd.v1 import leadership_service_pb2 as pb
from licd.v1 import leadership_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.rpc.context import Context


class LeadershipService(pb_grpc.LeadershipServiceServicer):
    """See leadership_service.proto."""

    def __init__(self, coordinator: Coordinator, transfer: Callable[[], Awaitable[str | None]] | None) -> None:
        """`transfer`: gives the lead up, and gives the successor's address; None: nobody is ready."""
        self._coordinator = coordinator
        self._transfer = transfer

    async def TransferLeadership(
        self, request: pb.TransferLeadershipRequest, context: Context
    ) -> pb.TransferLeadershipResponse:
        """Give the lead to a follower."""
        self._coordinator.standing()
        successor = await self._transfer() if self._transfer else None
        if successor is None:
            raise Refused(
                Reason.NO_FOLLOWER, "No other daemon is ready to lead: start one with the same --journal first."
            )
        return pb.TransferLeadershipResponse(leader=successor)
