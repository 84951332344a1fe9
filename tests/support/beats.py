"""A heartbeat without gRPC."""

from typing import NamedTuple


class Beat(NamedTuple):
    """See `engine.Beat`."""

    sequence: int
    state_serial: int
