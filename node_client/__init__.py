"""Links a report server to licd: one call to connect(), then may_run() before licensed work.

    node = node_client.connect("licd.example:7443", application=Application("Report Server", "10.0.19", "2024-05-31"),
                               token_file="node.token", ca="ca.crt")
    node.wait_licensed(timeout=30)
    if node.may_run(): ...  # is_licensed(), or in the grace that the license gives for an absent daemon

Needs grpcio and protobuf, nothing else. Logs as `node_client`, to nowhere unless the program says where.
"""

import logging

from node_client.client import connect
from node_client.node import Node
from node_client.values import Application, Failure, NodeState, Status

__all__ = ["Application", "Failure", "Node", "NodeState", "Status", "connect"]

logging.getLogger("node_client").addHandler(logging.NullHandler())
