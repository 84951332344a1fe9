import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from support.licd_node import Run, starting
from support.scripted_daemon import APPLICATION, TOKEN, Join, ScriptedDaemon
from support.waiting import eventually

import node_client
from node_client import Node


@pytest.fixture
def daemon() -> Iterator[ScriptedDaemon]:
    scripted = ScriptedDaemon()
    yield scripted
    scripted.stop()


@pytest.fixture
def run(daemon: ScriptedDaemon, tmp_path: pathlib.Path) -> Iterator[Run]:
    """Starts licd-nodes of the scripted daemon and ends them."""
    with starting(daemon.address, tmp_path) as start:
        yield start


@pytest.fixture
def join(daemon: ScriptedDaemon, monkeypatch: pytest.MonkeyPatch) -> Iterator[Join]:
    """Connects nodes to the scripted daemon and closes them."""
    monkeypatch.delenv("LICD_NODE_SOCKET", raising=False)
    nodes: list[Node] = []

    def connect(addresses: Any = None, **options: Any) -> Node:
        options = {"application": APPLICATION, "token": TOKEN, "insecure": True, "node_name": "report-1", **options}
        nodes.append(node_client.connect(addresses or daemon.address, **options))
        return nodes[-1]

    yield connect
    for node in nodes:
        node.close()
    eventually(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("licd-node")])
