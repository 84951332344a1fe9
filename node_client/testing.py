"""For the tests of programs that link node_client: a node whose state the test sets."""

from collections.abc import Iterable

from node_client.callbacks import OnChange
from node_client.node import Node
from node_client.values import FINAL, Failure, NodeState, Status


class FakeNode(Node):
    """A node that is what the test says; it holds no seat, needs no daemon and starts no thread.

    Example:
        node = FakeNode()
        node.set_state(NodeState.LICENSED)
        assert node.is_licensed()
    """

    def __init__(self, state: NodeState = NodeState.CONNECTING, *, on_change: OnChange | None = None) -> None:
        """A node in `state`; `on_change` is called by the thread that changes it."""
        super().__init__()
        self._state = state
        self._failures: tuple[Failure, ...] = ()
        self._on_change = on_change
        self._grace_left = 0.0

    def status(self) -> Status:
        """What the test set; a licensed one has 15 seconds of lease left."""
        licensed = self._state is NodeState.LICENSED
        return Status(self._state, licensed, self._failures, 15.0 if licensed else 0.0, self._grace_left)

    def set_grace(self, left: float) -> None:
        """As if the daemon were away: JEOPARDY, and the program may run for `left` seconds more; 0: no longer (R41).

        No time passes here: the grace lasts until the test changes it or the state.

        Raises:
            ValueError: as set_state().
        """
        self._become(NodeState.JEOPARDY, left)

    def set_state(self, state: NodeState) -> None:
        """Change the state and notify everyone who waits; a JEOPARDY set here has no grace.

        Raises:
            ValueError: the node is closed or evicted, which no real node ever leaves.
        """
        self._become(state, 0.0)

    def set_failures(self, failures: Iterable[Failure]) -> None:
        """Change the failures and notify everyone who waits."""
        self._failures = tuple(failures)
        self._changed()

    def close(self) -> None:
        """Close the node, as a program does."""
        if self._state not in FINAL:
            self.set_state(NodeState.CLOSED)

    def _become(self, state: NodeState, grace_left: float) -> None:
        if self._state in FINAL and state is not self._state:
            message = f"state: a node that is {self._state} never becomes {state}"
            raise ValueError(message)
        self._state, self._grace_left = state, grace_left
        self._changed()

    def _changed(self) -> None:
        self._notify_watchers()
        if self._on_change is not None:
            self._on_change(self)
