"""The data directory at the start: made, closed to other users, and judged by the file system that it is on.

A lasting journal's folder elsewhere (`--journal sqlite:PATH`) holds what the operator chose, so its mode stays.
"""

from pathlib import Path

import structlog

from licd_daemon.journal.target import JournalTarget, SqliteTarget
from licd_kit.filesystem import ephemeral_filesystem
from licd_kit.private_files import NotPrivate, close_folder, close_path

_READABLE = 0o055
_READ_BY_ITS_GROUP = 0o040  # as the operator may have given a node's token to its group
_OWN = ("journal.db", "lock", "address", "console-login", "tls", "tokens")
_SUFFIXES = ("", "-wal", "-shm")
log = structlog.get_logger(__name__)


class DataDirUnusable(Exception):
    """The data directory can't be used; the text says what to do."""


def prepare(data_dir: Path, journal: JournalTarget) -> None:
    """Make the data directory where it is missing, and close it and what is in it to other users.

    Raises:
        DataDirUnusable: It can't be made, or other users may change what is in it.
    """
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _close(data_dir)
        if isinstance(journal, SqliteTarget):
            _close_all([journal.path.with_name(journal.path.name + suffix) for suffix in _SUFFIXES])
    except NotPrivate as error:
        raise DataDirUnusable(f"--data-dir: {error}") from None
    except OSError as error:
        raise DataDirUnusable(f"--data-dir {data_dir}: {error.strerror}: make it, or name another") from None
    if not journal.shared:
        _warn_if_ephemeral(data_dir)


def _close(data_dir: Path) -> None:
    if found := close_folder(data_dir, _OWN):
        log.warning("data_directory_open_to_others", path=str(data_dir), found=found)
    _close_all([data_dir / name for name in ("lock", "address", "console-login")])
    _close_all([data_dir / name for name in ("tls", "tokens")], _READABLE)
    _close_all([*data_dir.glob("tls/*.key"), *data_dir.glob("tokens/*.token")], _READ_BY_ITS_GROUP)


def _close_all(paths: list[Path], tolerated: int = 0) -> None:
    for path in paths:
        if close_path(path, tolerated):
            remedy = "it is closed now; if others have read it, replace what is secret in it"
            log.warning("file_open_to_others", path=str(path), remedy=remedy)


def _warn_if_ephemeral(data_dir: Path) -> None:
    """What must not be lost is there; with etcd it is not."""
    kind = ephemeral_filesystem(data_dir)
    if kind is not None:
        log.warning(
            "data_directory_is_ephemeral",
            path=str(data_dir),
            filesystem=kind,
            remedy="mount a volume there: losing the data directory means contacting the vendor",
        )
