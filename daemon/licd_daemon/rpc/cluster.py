"""ClusterService: nodes, events, the leader."""

from collections.abc import AsyncIterator, Sequence

from licd.v1 import cluster_service_pb2 as pb
from licd.v1 import cluster_service_pb2_grpc as pb_grpc
from licd_daemon.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.model import EndReason, Session, State
from licd_daemon.core.refusal import Reason, Refused
from licd_daemon.core.view import in_sight, node_state
from licd_daemon.journal.port import Journal, JournalUnavailable, Query, Record
from licd_daemon.rpc import fields
from licd_daemon.rpc.context import Context
from licd_daemon.rpc.convert import NODE_STATE, duration, failure_message, timestamp
from licd_daemon.rpc.event_message import event_message
from licd_daemon.rpc.registration import leader_message, standing

MAX_KINDS = 64


class ClusterService(pb_grpc.ClusterServiceServicer):
    """See cluster_service.proto."""

    def __init__(self, coordinator: Coordinator, journal: Journal, *, advertise: str) -> None:
        self._coordinator = coordinator
        self._journal = journal
        self._advertise = advertise

    async def ListNodes(self, request: pb.ListNodesRequest, context: Context) -> pb.ListNodesResponse:
        """The nodes in sight, in the order of their joining; the token is the last one's number."""
        after, size = fields.page_token(request.page_token), fields.page_size(request.page_size)
        state = standing(self._coordinator)
        sessions = [session for session in in_sight(state) if session.number > after]
        page = sessions[:size]
        token = str(page[-1].number) if len(sessions) > size else ""
        served = self._coordinator.now().served
        return pb.ListNodesResponse(
            nodes=[self._node(state, session, served) for session in page], next_page_token=token
        )

    def _node(self, state: State, session: Session, served: int) -> pb.Node:
        told, failures = node_state(state, session)
        if session.clock is not None and session.clock not in failures:
            failures = (*failures, session.clock)
        node = pb.Node(
            name=session.node_name,
            session_id=session.session_id,
            state=NODE_STATE[told],
            failures=[failure_message(failure) for failure in failures],
            joined_at=timestamp(session.joined_at),
        )
        presence = self._coordinator.presences.get(session.session_id)
        if presence is None:
            return node
        node.address = presence.address
        if presence.heard_at is not None:
            node.last_heartbeat_at.CopyFrom(timestamp(presence.heard_at))
        estimate = presence.clock.estimate(served)
        if estimate is not None:
            node.clock_offset.CopyFrom(duration(estimate.offset))
            node.clock_error.CopyFrom(duration(estimate.error))
        return node

    async def EvictNode(self, request: pb.EvictNodeRequest, context: Context) -> pb.EvictNodeResponse:
        """Ends a node's session."""
        session_id = fields.text("session_id", request.session_id, 64)
        await self._coordinator.submit(c.EndSession(session_id, EndReason.EVICTED))
        return pb.EvictNodeResponse()

    async def ListEvents(self, request: pb.ListEventsRequest, context: Context) -> pb.ListEventsResponse:
        """The journal's events; the token is the last one's position."""
        token, size = fields.page_token(request.page_token), fields.page_size(request.page_size)
        query = Query(
            kinds=_kinds(request.kinds),
            after=0 if request.newest_first else token,
            before=(token or None) if request.newest_first else None,
            since=fields.instant("since", request.since) if request.HasField("since") else None,
            until=fields.instant("until", request.until) if request.HasField("until") else None,
            newest_first=request.newest_first,
            limit=size + 1,
        )
        records = await self._read(query)
        page = records[:size]
        return pb.ListEventsResponse(
            events=self._events(page),
            next_page_token=str(page[-1].position) if len(records) > size else "",
        )

    async def _read(self, query: Query) -> Sequence[Record]:
        standing(self._coordinator)
        try:
            return await self._journal.read(query)
        except JournalUnavailable:
            raise Refused(Reason.JOURNAL_UNAVAILABLE, "The journal can't be read now: try again.") from None

    def _events(self, records: Sequence[Record]) -> list[pb.Event]:
        state = self._coordinator.state
        return [event_message(record, state) for record in records]

    async def WatchEvents(
        self, request: pb.WatchEventsRequest, context: Context
    ) -> AsyncIterator[pb.WatchEventsResponse]:
        """Events as they become durable, read from the journal, so that a slow reader misses none."""
        kinds = _kinds(request.kinds)
        after = request.after_position if request.HasField("after_position") else self._coordinator.position
        while True:
            changed = self._coordinator.publication.watchers.next_change()
            while records := await self._read(Query(kinds=kinds, after=after, limit=1000)):
                for event in self._events(records):
                    yield pb.WatchEventsResponse(event=event)
                after = records[-1].position
            await changed.wait()

    async def GetLeader(self, request: pb.GetLeaderRequest, context: Context) -> pb.GetLeaderResponse:
        """The daemon that leads."""
        standing(self._coordinator)
        return pb.GetLeaderResponse(leader=leader_message(self._coordinator, self._advertise))


def _kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    return tuple(fields.text("kinds", kind, 64) for kind in kinds[:MAX_KINDS])
