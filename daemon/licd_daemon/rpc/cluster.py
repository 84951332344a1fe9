"""ClusterService: nodes, events, the leader."""

from collections.abc import AsyncIterator, Sequence

from licd.v1 import cluster_service_pb2 as pb
from licd.v1 import cluster_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.model import EndReason
from licd_daemon.journal.port import Query, Record
from licd_daemon.operations import fields
from licd_daemon.operations.event_log import Audit
from licd_daemon.operations.nodes import Roster, node_view
from licd_daemon.operations.registration import RegistrationOperations
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import leader_message, nanoseconds, node_message
from licd_daemon.rpc.event_message import event_message


class ClusterService(pb_grpc.ClusterServiceServicer):
    """See cluster_service.proto."""

    def __init__(self, coordinator: Coordinator, audit: Audit, registration: RegistrationOperations) -> None:
        self._coordinator = coordinator
        self._audit = audit
        self._registration = registration
        self._roster = Roster()

    async def ListNodes(self, request: pb.ListNodesRequest, context: Context) -> pb.ListNodesResponse:
        """The nodes in sight, in the order of their joining; the token is the last one's number."""
        after, size = fields.page_token(request.page_token), fields.page_size(request.page_size)
        state = self._coordinator.standing()
        page, more = self._roster.after(state, after, size)
        token = str(page[-1].number) if more else ""
        served, presences = self._coordinator.now().served, self._coordinator.presences
        return pb.ListNodesResponse(
            nodes=[node_message(node_view(state, session, presences, served)) for session in page],
            next_page_token=token,
        )

    async def EvictNode(self, request: pb.EvictNodeRequest, context: Context) -> pb.EvictNodeResponse:
        """Ends a node's session."""
        session_id = fields.text("session_id", request.session_id, 64)
        await self._coordinator.submit(c.EndSession(session_id, EndReason.EVICTED))
        return pb.EvictNodeResponse()

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        """The journal's events; the token is the last one's position."""
        token, size = fields.page_token(request.page_token), fields.page_size(request.page_size)
        query = Query(
            kinds=fields.kinds("kinds", request.kinds),
            after=0 if request.newest_first else token,
            before=(token or None) if request.newest_first else None,
            since=_instant(request, "since"),
            until=_instant(request, "until"),
            newest_first=request.newest_first,
            limit=size + 1,
        )
        records = await self._audit.read(query)
        page = records[:size]
        return pb.ListEventsResponse(
            events=self._events(page),
            next_page_token=str(page[-1].position) if len(records) > size else "",
        )

    def _events(self, records: Sequence[Record]) -> list[pb.Event]:
        state = self._coordinator.state
        return [event_message(record, state) for record in records]

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Events as they become durable."""
        after = request.after_position if request.HasField("after_position") else None
        async for records in self._audit.follow(fields.kinds("kinds", request.kinds), after):
            for event in self._events(records):
                yield pb.WatchEventsResponse(event=event)

    async def GetLeader(self, request: pb.GetLeaderRequest, context: Context) -> pb.GetLeaderResponse:
        """The daemon that leads."""
        return pb.GetLeaderResponse(leader=leader_message(self._registration.current().leader))


def _instant(request: pb.ListEventsRequest, field: str) -> int | None:
    """A wall time in ms; None: unset."""
    if not request.HasField(field):
        return None
    return fields.instant(field, nanoseconds(getattr(request, field)) // 1_000_000)
