"""Which journal `--journal` names: parsed here once, opened in `opening.py`.

- Nothing: SQLite in the data directory. `sqlite:PATH`: SQLite in that file.
- `etcd://...`: etcd, for several daemons (`etcd/url.py`).
- `memory:`: nothing is kept, for a trial.
"""

from dataclasses import dataclass
from pathlib import Path

from licd_daemon.journal.etcd import url as etcd_url
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_kit.options import ConfigInvalid


@dataclass(frozen=True, slots=True)
class SqliteTarget:
    """A file, whose folder has the lock file too."""

    path: Path


@dataclass(frozen=True, slots=True)
class MemoryTarget:
    """No place at all."""


JournalTarget = SqliteTarget | EtcdTarget | MemoryTarget


def parse(text: str, data_dir: Path) -> JournalTarget:
    """The journal that `text` names.

    Raises:
        ConfigInvalid: it names none; says what to write.
    """
    if not text:
        return SqliteTarget(data_dir / "journal.db")
    if text == "memory:":
        return MemoryTarget()
    if text.startswith(etcd_url.SCHEME):
        return etcd_url.parse(text)
    scheme, _, path = text.partition(":")
    if scheme == "sqlite" and path:
        return SqliteTarget(Path(path))
    remedy = "write sqlite:PATH, etcd://HOST:PORT, memory:, or leave it out for SQLite in the data directory"
    raise ConfigInvalid("--journal", f"{text!r} names no journal: {remedy}")
