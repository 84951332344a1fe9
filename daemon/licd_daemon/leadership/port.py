"""Leadership: what every backend MUST do.

- At most one daemon leads at one instant, and its epoch is higher than every earlier one's.
- `valid()` is a proof, not a memory: it is true only while the backend has shown, within the bound of its own rule
  (R31, R32), that nobody else leads. While it is false the daemon acknowledges nothing.
"""

from typing import Protocol


class AlreadyLed(Exception):
    """Another daemon leads; says where or by which file."""


class LeadershipUnavailable(Exception):
    """Nobody is known to lead, but the lead can't be taken: a full or read-only disk, an engine out of reach."""


class Leadership(Protocol):
    """Port; see the module for what a backend MUST do."""

    async def acquire(self, at_least: int) -> int:
        """Take the lead and give its epoch, durable, at least `at_least` and above every epoch seen by the backend.

        Raises:
            AlreadyLed: another daemon leads.
            LeadershipUnavailable: the lead can't be taken.
        """

    def valid(self) -> bool:
        """Whether this daemon may acknowledge anything at this instant. Cheap: asked for every heartbeat."""

    @property
    def proof_interval_ms(self) -> int:
        """How long one proof of this daemon's holds; recorded with each epoch (R31)."""

    @property
    def handover_ms(self) -> int:
        """How long a deposed leader may still acknowledge, as far as the backend has it recorded (R31).

        The longest proof interval that it knows of, or this daemon's own. Known once the lead is taken.
        """

    def proof_age_ms(self) -> int | None:
        """How long ago the last proof that succeeded was started; None: there was none."""

    @property
    def sync_ms(self) -> int:
        """How long the last sync of a proof took; over etcd, its last renewal."""

    def trouble(self) -> str:
        """What keeps the next proof from succeeding now: the failure of the last one, or the step that hangs."""

    async def release(self) -> None:
        """Give the lead up. Idempotent."""
