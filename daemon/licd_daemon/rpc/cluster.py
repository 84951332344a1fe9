"""ClusterService: nodes, events, the leader."""

from collections.abc import AsyncIterator, Sequence

from licd.v1 import cluster_service_pb2 as pb
from licd.v1 import cluster_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.journal.port import Query, Record
from licd_daemon.operations import fields
from licd_daemon.operations.operations import Operations
from licd_daemon.rpc.caller import caller, may_scan
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import leader_message, nanoseconds, node_message
from licd_daemon.rpc.event_message import event_message


class ClusterService(pb_grpc.ClusterServiceServicer):
    """See cluster_service.proto."""

    def __init__(self, coordinator: Coordinator, operations: Operations) -> None:
        self._coordinator = coordinator
        self._nodes = operations.nodes
        self._events = operations.events
        self._registration = operations.registration

    async def ListNodes(self, request: pb.ListNodesRequest, context: Context) -> pb.ListNodesResponse:
        """The connected nodes, in the order of their joining; the token is the last one's number."""
        after, size = fields.page_token(request.page_token), fields.page_size(request.page_size)
        nodes, following = self._nodes.page(after, size)
        return pb.ListNodesResponse(nodes=[node_message(node) for node in nodes], next_page_token=str(following or ""))

    async def EvictNode(self, request: pb.EvictNodeRequest, context: Context) -> pb.EvictNodeResponse:
        """End a node's session."""
        await self._nodes.evict(request.session_id, caller())
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
            limit=size,
        )
        records, more = await self._events.page(query)
        return pb.ListEventsResponse(
            events=self._messages(records),
            next_page_token=str(records[-1].position) if more else "",
        )

    def _messages(self, records: Sequence[Record]) -> list[pb.Event]:
        state = self._coordinator.state
        return [event_message(record, state, scan=may_scan()) for record in records]

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Events as they become durable."""
        after = (
            fields.position("after_position", request.after_position) if request.HasField("after_position") else None
        )
        async for records in self._events.follow(fields.kinds("kinds", request.kinds), after):
            for event in self._messages(records):
                yield pb.WatchEventsResponse(event=event)

    async def GetLeader(self, request: pb.GetLeaderRequest, context: Context) -> pb.GetLeaderResponse:
        """The daemon that leads."""
        return pb.GetLeaderResponse(leader=leader_message(self._registration.current().leader))


def _instant(request: pb.ListEventsRequest, field: str) -> int | None:
    """A wall time in ms; None: unset."""
    if not request.HasField(field):
        return None
    return fields.instant(field, nanoseconds(getattr(request, field)) // 1_000_000)
