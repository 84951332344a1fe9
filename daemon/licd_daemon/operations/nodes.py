"""Connected nodes as operators see them, whatever shows them: the state's verdict and this epoch's observations."""

from bisect import bisect_right
from typing import NamedTuple

from immutables import Map

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core import commands as c
from licd_daemon.core.drift import Estimate
from licd_daemon.core.model import Actor, EndReason, Failure, Session, State
from licd_daemon.core.view import NodeState, connected, node_state
from licd_daemon.engine.presence import Presences
from licd_daemon.operations import fields


class Roster:
    """The connected sessions in the order of their joining, put in order once for as long as none of them changes.

    So a page costs by its own size, and not by how many nodes there are.
    """

    def __init__(self) -> None:
        self._sessions: Map[str, Session] | None = None
        self._order: list[Session] = []
        self._numbers: list[int] = []

    def after(self, state: State, number: int, most: int) -> tuple[list[Session], bool]:
        """The first `most` sessions whose number is above `number`, and whether there are more."""
        if state.sessions is not self._sessions:
            self._order = connected(state)
            self._numbers = [session.number for session in self._order]
            self._sessions = state.sessions
        first = bisect_right(self._numbers, number)
        return self._order[first : first + most], len(self._order) > first + most


class NodeView(NamedTuple):
    """One node. Wall times in ms; `heard_at` None: no heartbeat in this epoch yet; `clock` None: not measured yet.

    `failures`: why, for WAITING and REJECTED; a seated node's flagged clock is here too.
    """

    name: str
    session_id: str
    state: NodeState
    failures: tuple[Failure, ...]
    joined_at: int
    heard_at: int | None
    clock: Estimate | None
    address: str


def node_view(state: State, session: Session, presences: Presences, served: int) -> NodeView:
    """The node of a session that is connected.

    Args:
        state: The durable state that `session` is of.
        session: Its session.
        presences: What this epoch knows of sessions.
        served: Served time in ms, which ages the clock's bound.
    """
    reported, failures = node_state(state, session)
    flag = session.clock or session.clock_warning
    if flag is not None and flag not in failures:
        failures = (*failures, flag)
    presence = presences.get(session.session_id)
    return NodeView(
        name=session.node_name,
        session_id=session.session_id,
        state=reported,
        failures=failures,
        joined_at=session.joined_at,
        heard_at=presence.heard_at if presence else None,
        clock=presence.clock.estimate(served) if presence else None,
        address=presence.address if presence else "",
    )


class Nodes:
    """What administrators and viewers do with nodes."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._roster = Roster()

    def page(self, after: int, size: int) -> tuple[list[NodeView], int | None]:
        """At most `size` nodes in the order of their joining, and where the next page begins; None: there is none.

        Args:
            after: Where the page begins, as the page before gave it; 0: at the start.
            size: How many nodes.

        Raises:
            Refused: NOT_LEADER.
        """
        state = self._coordinator.standing()
        sessions, more = self._roster.after(state, after, size)
        served, presences = self._coordinator.now().served, self._coordinator.presences
        nodes = [node_view(state, session, presences, served) for session in sessions]
        return nodes, sessions[-1].number if more else None

    async def evict(self, session_id: str, actor: Actor) -> None:
        """End a node's session; it does not join again automatically.

        Raises:
            Refused: INVALID_FIELD, NO_SUCH_SESSION, or what the coordinator raises.
        """
        session_id = fields.text("session_id", session_id, 64)
        await self._coordinator.submit(c.EndSession(session_id, EndReason.EVICTED, actor=actor))
