"""R36: how much one token, one peer and all together can make the daemon keep. Pure.

- A place is a session without a seat that is connected, or was before a restart and may return. A token has `places`
  of them, a peer half as many: one host can't take them all where many share a token. One more join is refused, and
  nothing is written. It may open as many sessions at once, whatever becomes of them, and as many again in `REFILL_S`.
- Budgets grow with the license, so that a whole cluster that is deployed again has room next to what it left behind.
- A peer is an address; of IPv6, where a host has as many as it likes, the network of 64 bits.
- As many LOST and ENDED sessions are remembered as a token has places; beyond that the oldest are forgotten.
"""

import ipaddress
from functools import lru_cache
from typing import Literal, NamedTuple

from licd_daemon.core.model import Actor, State
from licd_daemon.core.refusal import Reason, Refused

LEAST_PLACES = 4_000
PLACES_PER_NODE = 4
REFILL_S = 1_200
RETRY_MS = 10_000
"""When what a budget has refused may be tried again: soon enough for a node, and a crowd of them stays bearable."""


class Share(NamedTuple):
    """What one token or peer may have. `key`: what sessions and joins are counted on; `title`: for people."""

    key: str
    title: str
    most: int


def places(state: State) -> int:
    """How many sessions without a seat a token may have at a time."""
    return max(LEAST_PLACES, PLACES_PER_NODE * state.license.max_nodes if state.license else 0)


def shares(state: State, actor: Actor) -> list[Share]:
    """The budgets that a join of `actor` is counted on."""
    most, peer = places(state), network_of(actor.address)
    found = [Share(actor.id, f"{actor.kind} {actor.name or actor.id}", most), Share(peer, f"address {peer}", most // 2)]
    return [share for share in found if share.key]


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """The peer that an address counts as: itself, or its network of 64 bits (IPv6)."""
    if ":" not in address:
        return address
    try:
        return str(ipaddress.IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address


def full(state: State, actor: Actor) -> Share | None:
    """The budget of `actor` whose places are all taken; None: there is room."""
    return next((share for share in shares(state, actor) if state.tally.places.get(share.key, 0) >= share.most), None)


def refuse_place(state: State, actor: Actor | None) -> None:
    """Refuse a session more than `actor` may have without a seat.

    Raises:
        Refused: RATE_LIMITED.
    """
    if actor is not None and (share := full(state, actor)):
        raise over_budget("places", share)


_FOUND = {
    "places": "{0.title} has {0.most} sessions that wait for a seat, which is its most",
    "joins": f"{{0.title}} has opened {{0.most}} sessions within {REFILL_S // 60} minutes, which is its most",
}


def over_budget(budget: Literal["places", "joins"], share: Share) -> Refused:
    """The refusal of a join beyond a budget."""
    message = f"Too many joins: {_FOUND[budget].format(share)}. Nothing was kept; try again later."
    return Refused(Reason.RATE_LIMITED, message, metadata={"budget": budget}, retry_after_ms=RETRY_MS)
