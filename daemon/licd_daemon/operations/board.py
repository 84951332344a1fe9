"""All connected nodes at one instant, collected in turns, so that no heartbeat waits for ten thousand of them."""

import asyncio
from typing import Any

from licd_daemon.coordinator.coordinator import Coordinator
from licd_daemon.core.view import connected
from licd_daemon.operations.nodes import NodeView, node_view

IN_ONE_TURN = 250
MAX_SHOWN = 10_000
FRESH_S = 0.5


async def gather(coordinator: Coordinator, most: int) -> tuple[list[NodeView], int]:
    """The first `most` nodes in the order of their joining, and how many there are.

    The state is one instant's; what the streams have reported since (heartbeats, clocks) may be younger.
    """
    state, served = coordinator.state, coordinator.now().served
    sessions = connected(state)
    nodes = []
    for number, session in enumerate(sessions[:most], 1):
        nodes.append(node_view(state, session, coordinator.presences, served))
        if number % IN_ONE_TURN == 0:
            await asyncio.sleep(0)
    return nodes, len(sessions)


class Board:
    """The nodes as rows for the console, collected once for all who look within half a second."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._one_at_a_time = asyncio.Lock()
        self._gathered_at = float("-inf")
        self._state: object = None
        self._rows: dict[str, dict[str, Any]] = {}
        self._total = 0

    async def rows(self) -> tuple[dict[str, dict[str, Any]], int]:
        """The rows by session id, at most 10,000, and how many nodes there are."""
        clock = asyncio.get_running_loop().time
        async with self._one_at_a_time:
            state = self._coordinator.state
            if state is not self._state or clock() - self._gathered_at > FRESH_S:
                nodes, self._total = await gather(self._coordinator, MAX_SHOWN)
                self._rows = {node.session_id: _row(node) for node in nodes}
                self._gathered_at, self._state = clock(), state
            return self._rows, self._total


def _row(node: NodeView) -> dict[str, Any]:
    """Times in ms. What ages automatically is rounded, so that a row differs only when something has changed."""
    return {
        "id": node.session_id,
        "name": node.name,
        "state": node.state.value,
        "why": [[failure.title, failure.detail, failure.remedy, failure.reason] for failure in node.failures],
        "joined": node.joined_at,
        "heard": node.heard_at,
        "offset": round(node.clock.offset, 1) if node.clock else None,
        "error": max(1, round(node.clock.error)) if node.clock else None,
        "address": node.address,
    }
