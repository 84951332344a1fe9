"""`licd nodes`: the connected nodes. `licd evict`: end one's session."""

import threading
from contextlib import suppress

import click

from licd.v1.cluster_service_pb2 import (
    EvictNodeRequest,
    EvictNodeResponse,
    ListNodesRequest,
    ListNodesResponse,
    Node,
)
from licd.v1.node_service_pb2 import NodeState
from licd_daemon.cli.client import Client
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.table import show_table
from licd_daemon.cli.text import clean, milliseconds, say, say_json, short, when

_PAGE_SIZE = 500
_WATCH_SECONDS = 2
_COLUMNS = ("NAME", "STATE", "WHY", "JOINED", "LAST HEARTBEAT", "CLOCK", "ADDRESS", "SESSION")


@click.command()
@click.option("--watch", "-w", is_flag=True, help="Show them again every 2 s; ends with Ctrl-C.")
@client_command
@output_option
def nodes(client: Client, watch: bool, output: str) -> None:
    """List the connected nodes: who holds a seat, who not and why."""
    if not watch:
        _show(all_nodes(client), output)
        return
    with suppress(KeyboardInterrupt):
        while True:
            answer = all_nodes(client)
            click.clear()  # on a terminal only: what is piped on is one list after the other
            _show(answer, output, one_line=True)
            threading.Event().wait(_WATCH_SECONDS)


def _show(answer: ListNodesResponse, output: str, *, one_line: bool = False) -> None:
    if output == "json":
        say_json(answer, one_line=one_line)
    elif not answer.nodes:
        say("No node is connected.")
    else:
        show_table(_COLUMNS, map(_row, answer.nodes))


@click.command(short_help="End a node's session.")
@click.argument("session")
@client_command
def evict(client: Client, session: str) -> None:
    """End a node's SESSION (see licd nodes); it does not join again automatically."""
    client.call("ClusterService/EvictNode", EvictNodeRequest(session_id=session), EvictNodeResponse)
    say("The node is evicted; its seat is free once it has acknowledged, or its lease has ended.")


def all_nodes(client: Client) -> ListNodesResponse:
    """The nodes of all pages, as one page."""
    merged, token = ListNodesResponse(), ""
    while True:
        request = ListNodesRequest(page_size=_PAGE_SIZE, page_token=token)
        page = client.call("ClusterService/ListNodes", request, ListNodesResponse)
        merged.nodes.extend(page.nodes)
        token = page.next_page_token
        if not token:
            return merged


def _row(node: Node) -> list[str]:
    clock = ""
    if node.HasField("clock_offset"):
        clock = f"{milliseconds(node.clock_offset)} ± {milliseconds(node.clock_error).removeprefix('+')}"
    return [
        clean(node.name),
        short(NodeState, node.state, "NODE_STATE_"),
        "; ".join(clean(f"{each.title}: {each.detail}" if each.detail else each.title) for each in node.failures),
        when(node.joined_at),
        when(node.last_heartbeat_at) if node.HasField("last_heartbeat_at") else "",
        clock,
        clean(node.address),
        clean(node.session_id),
    ]
