"""`licd events`: what happened, from the journal."""

from collections.abc import Iterable

import click

from licd.v1.access_pb2 import Role
from licd.v1.cluster_service_pb2 import (
    Actor,
    ActorKind,
    Event,
    ListEventsRequest,
    ListEventsResponse,
    WatchEventsRequest,
    WatchEventsResponse,
)
from licd_daemon.cli.client import Client
from licd_daemon.cli.errors import CallRefused
from licd_daemon.cli.options import client_command, output_option
from licd_daemon.cli.text import clean, say, say_json, when

_PAGE_SIZE = 1000


@click.command()
@click.option("--follow", "-f", is_flag=True, help="Go on with new events as they come; ends with Ctrl-C.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only this kind (repeatable).")
@click.option(
    "--limit", type=click.IntRange(min=0), default=100, show_default=True, help="The newest so many; 0: all of them."
)
@client_command
@output_option
def events(client: Client, follow: bool, kinds: tuple[str, ...], limit: int, output: str) -> None:
    """List the newest events, oldest first."""
    newest = _newest(client, kinds, limit)
    if not follow:
        if output == "json":
            say_json(ListEventsResponse(events=newest))
        else:
            _show(newest, output)
        return
    _show(newest, output)
    try:
        _follow(client, kinds, newest[-1].position if newest else None, output)
    except KeyboardInterrupt:
        return


def _newest(client: Client, kinds: tuple[str, ...], limit: int) -> list[Event]:
    found: list[Event] = []
    token = ""
    while True:
        size = min(limit - len(found), _PAGE_SIZE) if limit else _PAGE_SIZE
        request = ListEventsRequest(page_size=size, page_token=token, kinds=kinds, newest_first=True)
        page = client.call("ClusterService/ListEvents", request, ListEventsResponse)
        found += page.events
        token = page.next_page_token
        if not token or len(found) == limit:
            return found[::-1]


def _follow(client: Client, kinds: tuple[str, ...], after: int | None, output: str) -> None:
    while True:
        # From the start when there was none: one may have come between the two calls.
        request = WatchEventsRequest(kinds=kinds, after_position=after or 0)
        try:
            for answer in client.stream("ClusterService/WatchEvents", request, WatchEventsResponse):
                _show([answer.event], output)
                after = answer.event.position
        except CallRefused as refused:  # a token that was rotated ends the stream; its file has the next one
            if refused.reason != "NO_CREDENTIALS" or not client.renewed():
                raise
        else:
            return


def _show(shown: Iterable[Event], output: str) -> None:
    for event in shown:
        if output == "json":
            say_json(WatchEventsResponse(event=event), one_line=True)
        else:
            say(_line(event))


def _line(event: Event) -> str:
    attributes = [f"{clean(key)}={clean(value)}" for key, value in sorted(event.attributes.items())]
    node = [clean(event.node_name)] if event.node_name else []
    who = [f"by {_actor(event.actor)}"] if event.HasField("actor") else []
    shown = [when(event.at), click.style(f"{clean(event.kind):<26}", bold=True), *node, *who, *attributes]
    return "  ".join(shown).rstrip()


def _actor(actor: Actor) -> str:
    """Such as `admin.token (admin, 10.0.0.7)`, or `anna (admin at the console, 10.0.0.7)`."""
    role = Role.Name(actor.role).removeprefix("ROLE_").lower()
    more = {ActorKind.ACTOR_KIND_CONSOLE: " at the console", ActorKind.ACTOR_KIND_CERTIFICATE: " by certificate"}
    return f"{clean(actor.name or actor.id)} ({role}{more.get(actor.kind, '')}, {clean(actor.address)})"
