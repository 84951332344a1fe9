"""All operations together, as both doors get them."""

from typing import NamedTuple

from licd_daemon.operations.event_log import EventLog
from licd_daemon.operations.nodes import Nodes
from licd_daemon.operations.refused_credentials import RefusedCredentials
from licd_daemon.operations.registration import RegistrationOperations
from licd_daemon.operations.tokens import Tokens


class Operations(NamedTuple):
    """What `rpc/` and `console/` convert to and from."""

    registration: RegistrationOperations
    nodes: Nodes
    events: EventLog
    tokens: Tokens
    refused: RefusedCredentials
