"""Whose request it is, behind proxies.

Rules:

- `X-Forwarded-For` is believed only from a proxy that was named (`--trusted-proxy`), and read from its end: the first
  address that is no such proxy is the client. What stands before it the client has written itself.
- For limits, an IPv6 client is its /64: one household or server has all of that.
"""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAX_HOPS = 16
_CLIENT_PREFIX_V6 = 64


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies that are believed."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Proxies":
        """Read addresses or networks, such as 10.0.0.0/8; raise ValueError for anything else."""
        return cls(tuple(ipaddress.ip_network(text.strip()) for text in texts))

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Give the client's address.

        Args:
            peer: Who is connected.
            forwarded_for: The X-Forwarded-For headers, in their order.
        """
        hops = [hop.strip() for header in forwarded_for for hop in header.split(",")][-_MAX_HOPS:]
        client = peer
        while hops and self._trusts(client):
            hop = _address(hops.pop())
            if hop is None:
                break
            client = str(hop)
        return client

    def _trusts(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self.networks)


def limit_key(client: str) -> str:
    """Give what a client is counted by."""
    address = _address(client)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, _CLIENT_PREFIX_V6), strict=False))
    return str(address)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
