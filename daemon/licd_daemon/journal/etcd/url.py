"""`etcd://HOST:PORT[,HOST:PORT...][/PREFIX][?NAME=VALUE&...]`: where etcd is, and how to speak to it.

Rules:

- Names: `ca` (PEM file; TLS with that authority), `cert` and `key` (PEM files; a client certificate), `user` and
  `password-file`, `lease-ttl` (how long a silent leader keeps the lead; 10s), `insecure=yes`.
- Without `ca` it is plaintext, which is for loopback only, or for a network that `insecure=yes` calls safe.
- All keys of one cluster of licd are under the prefix, `licd` unless named.
- The password is in a file, never in the URL: a URL is an argument and a setting that others can see.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl

from licd_kit.addresses import Address
from licd_kit.options import ConfigInvalid, duration_text, parse_duration

SCHEME = "etcd://"
_OPTION = "--journal"
_PREFIX = re.compile(r"[A-Za-z0-9_.-]{1,64}(/[A-Za-z0-9_.-]{1,64}){0,7}")
_NAMES = ("ca", "cert", "key", "user", "password-file", "lease-ttl", "insecure")
_MAX_ENDPOINTS = 16
_LEASE_MS = (1_000, 600_000)


@dataclass(frozen=True, slots=True)
class EtcdTarget:
    """Where etcd is. Files are read when a connection is made; `lease_ttl_ms` is in whole seconds."""

    endpoints: tuple[str, ...]
    prefix: str = "licd"
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    user: str = ""
    password_file: Path | None = None
    lease_ttl_ms: int = 10_000
    shared: ClassVar[bool] = True


def parse(url: str) -> EtcdTarget:
    """The target that `url` names, checked.

    Raises:
        ConfigInvalid: it names none; says which part and what to write.
    """
    rest, _, query = url.removeprefix(SCHEME).partition("?")
    hosts, _, prefix = rest.partition("/")
    endpoints = tuple(_endpoint(text) for text in hosts.split(","))
    if len(endpoints) > _MAX_ENDPOINTS:
        raise ConfigInvalid(_OPTION, f"{len(endpoints)} etcd servers are too many: name at most {_MAX_ENDPOINTS}")
    if prefix and not _PREFIX.fullmatch(prefix):
        raise ConfigInvalid(_OPTION, f"the prefix {prefix!r} is none: write letters, digits and ._- such as /licd")
    values = _values(query)
    _check_pairs(values, endpoints)
    return EtcdTarget(
        endpoints,
        prefix or "licd",
        _file(values, "ca"),
        _file(values, "cert"),
        _file(values, "key"),
        values.get("user", ""),
        _file(values, "password-file"),
        _lease_ttl(values.get("lease-ttl", "10s")),
    )


def _endpoint(text: str) -> str:
    try:
        address = Address.parse(text)
    except ValueError as error:
        raise ConfigInvalid(_OPTION, f"{error}; etcd's own default port is 2379") from None
    if address.port == 0:
        raise ConfigInvalid(_OPTION, "port 0 can't be connected to: name etcd's client port, such as 2379")
    return text


def _values(query: str) -> dict[str, str]:
    values: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=16)
    except ValueError:
        raise ConfigInvalid(_OPTION, "what follows the ? is no list of NAME=VALUE joined by &: correct it") from None
    for name, value in pairs:
        if name not in _NAMES:
            raise ConfigInvalid(_OPTION, f"{name!r} is not known after the ?: the names are {', '.join(_NAMES)}")
        if name in values or not value:
            raise ConfigInvalid(_OPTION, f"{name!r} stands twice or empty after the ?: give it one value")
        values[name] = value
    return values


def _check_pairs(values: Mapping[str, str], endpoints: tuple[str, ...]) -> None:
    for one, other in (("cert", "key"), ("key", "cert"), ("user", "password-file"), ("password-file", "user")):
        if one in values and other not in values:
            raise ConfigInvalid(_OPTION, f"{one!r} needs {other!r} too: give both after the ?, or neither")
    if "cert" in values and "ca" not in values:
        raise ConfigInvalid(_OPTION, "a client certificate needs TLS: give etcd's authority with ca=FILE")
    if values.get("insecure", "yes") != "yes":
        raise ConfigInvalid(_OPTION, "'insecure' is yes or left out")
    remote = next((each.host for each in map(Address.parse, endpoints) if not each.on_loopback), None)
    if "ca" not in values and "insecure" not in values and remote is not None:
        remedy = "give etcd's authority with ca=FILE, or write insecure=yes if nobody else can reach that network"
        raise ConfigInvalid(_OPTION, f"would speak plaintext with etcd at {remote}: {remedy}")


def _file(values: Mapping[str, str], name: str) -> Path | None:
    if name not in values:
        return None
    path = Path(values[name])
    try:
        with path.open("rb"):
            return path
    except OSError as error:
        problem = f"{name}={path}: {error.strerror}: name a file that the daemon can read"
        raise ConfigInvalid(_OPTION, problem) from None


def _lease_ttl(text: str) -> int:
    try:
        span_ms = parse_duration(text)
    except ValueError as error:
        raise ConfigInvalid(_OPTION, f"lease-ttl: {error}") from None
    least, most = _LEASE_MS
    if not least <= span_ms <= most or span_ms % 1000:
        bounds = f"{duration_text(least)} to {duration_text(most)}, in whole seconds"
        raise ConfigInvalid(_OPTION, f"lease-ttl: {text} can't be used: give {bounds}")
    return span_ms
