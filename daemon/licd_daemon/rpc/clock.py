"""ClockService: an administrator confirms the leader's clock (R23)."""

from licd.v1 import clock_service_pb2 as pb
from licd.v1 import clock_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.coordinator.leader_clock import LeaderClock
from licd_daemon.rpc.caller import caller
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import failure_message, timestamp


class ClockService(pb_grpc.ClockServiceServicer):
    """See clock_service.proto."""

    def __init__(self, coordinator: Coordinator, leader_clock: LeaderClock) -> None:
        self._coordinator = coordinator
        self._leader_clock = leader_clock

    async def ConfirmClock(self, request: pb.ConfirmClockRequest, context: Context) -> pb.ConfirmClockResponse:
        """Sets effective time by the wall clock, and answers both."""
        if not request.dry_run:
            await self._leader_clock.confirm_by_admin(caller())
        state, now = self._coordinator.standing(), self._coordinator.now()
        doubt = state.clock_untrusted
        return pb.ConfirmClockResponse(
            wall_clock=timestamp(now.wall + self._coordinator.clock.lead_ms()),
            effective_time=timestamp(now.wall),
            confirmed_time=timestamp(now.confirmed),
            clock_untrusted=failure_message(doubt) if doubt else None,
        )
