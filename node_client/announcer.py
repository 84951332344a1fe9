"""What licd-node says in its log about its seat."""

import logging

from node_client.loss import describe
from node_client.values import Status

_LOG = logging.getLogger("licd-node")


class Announcer:
    """Logs each change of the state, and the end of an outage's grace (R41)."""

    def __init__(self) -> None:
        """Nothing has changed yet."""
        self._in_outage = False

    def changed(self, status: Status) -> None:
        """The node has become `status`."""
        if self._in_outage and not status.may_run:
            _LOG.error("the grace for an absent daemon has ended")
        self._in_outage = status.may_run and not status.licensed
        _LOG.log(logging.INFO if status.licensed else logging.WARNING, "%s", describe(status))
