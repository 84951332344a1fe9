"""Host and port as people write them: `host:port`, `10.0.0.1:7443`, `[::1]:7443`."""

import ipaddress
import re
from typing import NamedTuple

_EXAMPLE = "127.0.0.1:7443"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (asked about, not bound)
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


class Address(NamedTuple):
    """A host (name, IPv4 or IPv6 address, without brackets) and a port; 0: any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """What `host:port` or `[IPv6]:port` names.

        Raises:
            ValueError: It is neither; the text shows how to write one.
        """
        host, colon, port = text.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        host = host[1:-1] if bracketed else host
        if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65_535:
            raise ValueError(f"{text!r} is no host:port: write a name or an address and a port, such as {_EXAMPLE}")
        if not (is_ipv6(host) if bracketed else is_host(host)):
            raise ValueError(f"{text!r} has no usable host: write a name, 10.0.0.1 or [::1], such as {_EXAMPLE}")
        return cls(host, int(port))

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def on_loopback(self) -> bool:
        """Whether it can only be reached from this machine."""
        return is_loopback(self.host)

    @property
    def everywhere(self) -> bool:
        """Whether it stands for every address of a machine, and names none."""
        return self.host in _EVERYWHERE

    @property
    def reached(self) -> "Address":
        """Where a listener at this address is reached from its own machine."""
        return self._replace(host=_EVERYWHERE.get(self.host, self.host))


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_host(text: str) -> bool:
    """Whether `text` can name a host: a name or an IPv4 address."""
    return _HOST.fullmatch(text) is not None


def is_ipv6(host: str) -> bool:
    """Whether `host` is an IPv6 address, without brackets."""
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
