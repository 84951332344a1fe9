"""Host and port as people write them: `host:port`, `10.0.0.1:7443`, `[::1]:7443`."""

import ipaddress
import re

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?")


def split_address(text: str) -> tuple[str, int]:
    """Host (without brackets) and port of `host:port` or `[IPv6]:port`.

    Raises:
        ValueError: it is neither.
    """
    host, colon, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    if not colon or not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65_535:
        raise ValueError(f"{text!r} is no host:port: write a name or an address and a port, such as 127.0.0.1:7443")
    if not (is_ipv6(host) if bracketed else is_host(host)):
        raise ValueError(f"{text!r} has no usable host: write a name, 10.0.0.1 or [::1], such as 127.0.0.1:7443")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def join_address(host: str, port: int) -> str:
    """`host:port`, or `[IPv6]:port`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_host(text: str) -> bool:
    """Whether `text` can name a host: a name or an IPv4 address."""
    return _HOST.fullmatch(text) is not None


def is_ipv6(host: str) -> bool:
    """Whether `host` is an IPv6 address, without brackets."""
    try:
        return ipaddress.ip_address(host).version == 6
    except ValueError:
        return False
