"""Which journal `--journal` names: parsed here once, opened in `opening.py`.

- Nothing: SQLite in the data directory. `sqlite:PATH`: SQLite in that file.
- `etcd://...`: etcd, for several daemons (`etcd/url.py`).
- `memory:`: nothing is kept, for a trial.

Each target says whether it is `shared`: several daemons use the journal, and none needs its data directory to last. One
that is not shared names the folder of the lock file (R31).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from licd_daemon.journal.etcd import url as etcd_url
from licd_daemon.journal.etcd.url import EtcdTarget
from licd_kit.options import ConfigInvalid


@dataclass(frozen=True, slots=True)
class SqliteTarget:
    """The file of that path."""

    path: Path
    shared: ClassVar[bool] = False

    @property
    def folder(self) -> Path:
        """Where the lock file is."""
        return self.path.parent


@dataclass(frozen=True, slots=True)
class MemoryTarget:
    """No place at all; the lock file is in `folder`, the data directory."""

    folder: Path
    shared: ClassVar[bool] = False


SoleTarget = SqliteTarget | MemoryTarget
"""Those of one daemon alone."""
StoredTarget = SqliteTarget | EtcdTarget
"""Those that last."""
JournalTarget = SqliteTarget | MemoryTarget | EtcdTarget


def parse(text: str, data_dir: Path) -> JournalTarget:
    """The journal that `text` names.

    Raises:
        ConfigInvalid: it names none; says what to write.
    """
    if not text:
        return SqliteTarget(data_dir / "journal.db")
    if text == "memory:":
        return MemoryTarget(data_dir)
    stored = parse_stored(text)
    if stored is None:
        remedy = "write sqlite:PATH, etcd://HOST:PORT, memory:, or leave it out for SQLite in the data directory"
        raise ConfigInvalid("--journal", f"{text!r} names no journal: {remedy}")
    return stored


def parse_stored(text: str) -> StoredTarget | None:
    """The journal that lasts that `text` names in full; None: it names none.

    Raises:
        ConfigInvalid: it names etcd, but wrongly.
    """
    if text.startswith(etcd_url.SCHEME):
        return etcd_url.parse(text)
    scheme, _, path = text.partition(":")
    return SqliteTarget(Path(path)) if scheme == "sqlite" and path else None
