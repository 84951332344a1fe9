"""What an upload changes, as values: `effect.py` works them out."""

from licd_daemon.core.model import Failure, Frozen
from licd_formats.license import License


class RejectedNode(Frozen, frozen=True):
    """A connected node that a license does not admit, and why."""

    name: str
    session_id: str
    failures: tuple[Failure, ...]


class Effect(Frozen, frozen=True):
    """What an upload of `license` changes. `failures`: what would block a registration under it now."""

    license: License
    ends_registration: bool
    seats_lost: int
    nodes_rejected: tuple[RejectedNode, ...]
    failures: tuple[Failure, ...]
