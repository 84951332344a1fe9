"""Files that a power cut finds whole, old or new, and that are on the disk when their write has returned."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from licd_formats.license import Vendor
from licd_kit.synced_files import create_whole, write_whole
from licd_vendor import keys

Synced = list[tuple[Path, frozenset[str]]]
"""What was synced, in order, and which names its folder held then."""


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> Synced:
    """Notes each sync, which is done all the same."""
    noted: Synced = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        folder = path if path.is_dir() else path.parent
        noted.append((path, frozenset(os.listdir(folder))))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    return noted


@pytest.mark.parametrize("write", [write_whole, create_whole])
def test_a_file_is_synced_before_it_has_its_name_and_its_folder_afterwards(
    write: Callable[[Path, bytes, int], None], tmp_path: Path, synced: Synced
) -> None:
    write(tmp_path / "secret", b"content", 0o600)
    (draft, before), (folder, after) = synced
    assert draft.parent == tmp_path
    assert "secret" not in before
    assert (folder, after) == (tmp_path, frozenset({"secret"}))
    assert (tmp_path / "secret").read_bytes() == b"content"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_what_is_there_is_replaced_or_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old", 0o644)
    write_whole(path, b"new", 0o600)
    with pytest.raises(FileExistsError):
        create_whole(path, b"newer", 0o600)
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_a_write_that_fails_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old", 0o600)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, b"new", 0o600)
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["file"])


@pytest.mark.parametrize("name", ["signing.key", "portal.key"])
def test_the_vendors_keys_are_synced_as_the_daemons_secrets_are(name: str, tmp_path: Path, synced: Synced) -> None:
    home = tmp_path / "home"
    keys.generate(home, Vendor("Vendor", "licenses@vendor.example"), None)
    draft = next(number for number, (path, _) in enumerate(synced) if path.name.startswith(f".{name}."))
    assert name not in synced[draft][1]
    assert synced[draft + 1][0] == home
    assert name in synced[draft + 1][1]
    assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


def test_a_key_that_replaces_another_is_synced_before_it_signs(tmp_path: Path, synced: Synced) -> None:
    home = tmp_path / "home"
    keys.generate(home, Vendor("Vendor", "licenses@vendor.example"), None)
    synced.clear()
    keys.rotate(home, lambda: None)
    assert [path.name.rsplit(".", 1)[0] for path, _ in synced] == [".vendor-keys.json", "home", ".signing.key", "home"]
