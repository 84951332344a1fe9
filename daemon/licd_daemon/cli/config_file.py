"""The file that `--config` names.

It is TOML; its keys are the options' names, with `-` or `_`. One file serves the daemon and the clients, so each knows
the other's keys; a key that nobody knows is an error, and so is a value of another type.
"""

import tomllib
from pathlib import Path

from licd_kit.options import ConfigInvalid

_MAX_BYTES = 64 * 1024

_TEXT, _FLAG, _SPAN = "a string", "true or false", 'a duration such as "15s"'
_LIST, _JOINED = "a list of strings", "a string or a list of strings"
_TYPES: dict[str, type] = {_TEXT: str, _FLAG: bool, _SPAN: str, _LIST: list, _JOINED: list}
FILE_KEYS = {
    "listen": _TEXT,
    "console_listen": _TEXT,
    "ops_listen": _TEXT,
    "data_dir": _TEXT,
    "vendor_keys": _TEXT,
    "journal": _TEXT,
    "advertise": _TEXT,
    "tls_cert": _TEXT,
    "tls_key": _TEXT,
    "tls_san": _LIST,
    "client_ca": _TEXT,
    "mtls_listen": _TEXT,
    "insecure": _FLAG,
    "lease_ttl": _SPAN,
    "heartbeat_interval": _SPAN,
    "proof_interval": _SPAN,
    "recovery_window": _SPAN,
    "max_clock_drift": _SPAN,
    "ntp_server": _LIST,
    "log_format": _TEXT,
    "address": _JOINED,
    "ca": _TEXT,
    "token_file": _TEXT,
    "cert": _TEXT,
    "key": _TEXT,
}


def read_file(path: Path) -> dict[str, object]:
    """The settings in a TOML file, by option name with `_`.

    Raises:
        ConfigInvalid: it can't be read, or holds a key that no option has, or a value of another type.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid("--config", f"can't read {path} ({error.strerror}): name a readable TOML file") from None
    if len(content) > _MAX_BYTES:
        raise ConfigInvalid("--config", f"{path} is larger than 64 KiB: name the file of licd's settings")
    try:
        document = tomllib.loads(content.decode())
    except ValueError as error:
        raise ConfigInvalid("--config", f"{path} is not TOML: {error}") from None
    return _settings(path, document)


def _settings(path: Path, document: dict[str, object]) -> dict[str, object]:
    settings: dict[str, object] = {}
    for key, value in document.items():
        name = key.replace("-", "_")
        if name not in FILE_KEYS:
            known = ", ".join(sorted(known.replace("_", "-") for known in FILE_KEYS))
            raise ConfigInvalid("--config", f"{path} has the unknown key {key!r}: the keys are {known}")
        if name in settings:
            raise ConfigInvalid("--config", f"{path} has {key!r} twice, with - and with _: remove one")
        settings[name] = _setting(path, key, FILE_KEYS[name], value)
    return settings


def _setting(path: Path, key: str, kind: str, value: object) -> object:
    if kind == _SPAN and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if kind in (_LIST, _JOINED) and isinstance(value, str):
        value = [value]
    if not isinstance(value, _TYPES[kind]) or (
        isinstance(value, list) and not all(isinstance(each, str) for each in value)
    ):
        raise ConfigInvalid("--config", f"{path}: {key!r} must be {kind}")
    return ",".join(value) if kind == _JOINED and isinstance(value, list) else value
