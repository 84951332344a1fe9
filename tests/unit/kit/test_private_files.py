"""What is open to other users is closed or refused; what was handed to us is used unchanged."""

import os
import stat
from pathlib import Path

import pytest

from licd_kit import private_files
from licd_kit.private_files import NotPrivate, close_folder, close_path

OWN = ("journal.db", "tokens")
NOBODY = -1


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def folder(tmp_path: Path, bits: int, *names: str) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    for name in names:
        (made / name).touch()
    made.chmod(bits)
    return made


@pytest.fixture
def of_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the test makes is root's, and the process another user's."""
    monkeypatch.setattr(private_files, "_ROOT", os.getuid())
    monkeypatch.setattr("os.geteuid", lambda: 12_345)


@pytest.fixture
def of_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_files, "_ROOT", NOBODY)
    monkeypatch.setattr("os.geteuid", lambda: 12_345)


@pytest.mark.parametrize(
    ("bits", "closed"), [(0o755, 0o700), (0o777, 0o700), (0o750, 0o700), (0o711, 0o700), (0o2777, 0o2770)]
)
def test_our_own_folder_is_closed_and_that_is_said(tmp_path: Path, bits: int, closed: int) -> None:
    for names in ((), ("lost+found",), ("journal.db", "notes.txt")):
        place = tmp_path / str(len(names))
        place.mkdir()
        made = folder(place, bits, *names)
        assert f"{bits:04o}" in close_folder(made, OWN)
        assert mode(made) == closed
        assert close_folder(made, OWN) == ""


def test_a_volume_with_a_group_of_its_own_is_used_unchanged(tmp_path: Path) -> None:
    made = folder(tmp_path, 0o2770)
    assert close_folder(made, OWN) == ""
    assert mode(made) == 0o2770


@pytest.mark.parametrize(("bits", "names"), [(0o1777, ()), (0o755, ("passwd",)), (0o777, ("passwd",))])
def test_a_folder_that_is_shared_is_refused_and_left_as_it_is(
    tmp_path: Path, bits: int, names: tuple[str, ...]
) -> None:
    made = folder(tmp_path, bits, *names)
    with pytest.raises(NotPrivate, match="name a folder"):
        close_folder(made, OWN)
    assert mode(made) == bits


@pytest.mark.usefixtures("of_another_user")
@pytest.mark.parametrize("bits", [0o700, 0o755, 0o2770])
def test_another_users_folder_is_refused(tmp_path: Path, bits: int) -> None:
    with pytest.raises(NotPrivate, match="belongs to another user"):
        close_folder(folder(tmp_path, bits), OWN)


@pytest.mark.usefixtures("of_root")
@pytest.mark.parametrize("bits", [0o2770, 0o2775, 0o775])
def test_a_mounted_volume_of_root_and_our_group_is_used(tmp_path: Path, bits: int) -> None:
    made = folder(tmp_path, bits)
    close_folder(made, OWN)
    assert mode(made) == bits


@pytest.mark.usefixtures("of_root")
@pytest.mark.parametrize("bits", [0o777, 0o2777, 0o1777])
def test_a_folder_of_root_that_everybody_writes_to_is_refused(tmp_path: Path, bits: int) -> None:
    with pytest.raises(NotPrivate, match=r"may write to .*: name a folder in it"):
        close_folder(folder(tmp_path, bits), OWN)


@pytest.mark.usefixtures("of_root")
def test_a_folder_of_root_that_another_group_writes_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getegid", lambda: 12_345)
    monkeypatch.setattr("os.getgroups", list)
    with pytest.raises(NotPrivate, match="may write to"):
        close_folder(folder(tmp_path, 0o2770), OWN)


def test_our_files_are_closed_and_links_are_left(tmp_path: Path) -> None:
    file, link = tmp_path / "journal.db", tmp_path / "link"
    file.touch()
    link.symlink_to(file)
    file.chmod(0o644)
    assert not close_path(link)
    assert mode(file) == 0o644
    assert close_path(file)
    assert mode(file) == 0o600
    assert not close_path(file)
    assert not close_path(tmp_path / "none")
    file.chmod(0o640)
    assert not close_path(file, 0o040)
    file.chmod(0o644)
    assert close_path(file, 0o040)
    assert mode(file) == 0o600


@pytest.mark.usefixtures("of_root")
def test_a_mounted_secret_is_used_unchanged(tmp_path: Path) -> None:
    secret = tmp_path / "admin.token"
    secret.touch()
    secret.chmod(0o444)
    assert not close_path(secret)
    assert mode(secret) == 0o444
