"""R35: the token files of the first start, and those that are handed to the daemon."""

import stat
from pathlib import Path

import pytest

from licd_daemon.core.model import Role
from licd_daemon.operations.tokens import TokenFileInvalid, ensure_token_files, hash_token, new_token, new_token_id

ROLES = {Role.ADMIN, Role.VIEWER, Role.NODE}
GIVEN = "0123456789abcdef0123456789abcdef"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def hand_over(folder: Path, role: Role, content: bytes) -> Path:
    (folder / "tokens").mkdir(exist_ok=True)
    path = folder / "tokens" / f"{role}.token"
    path.write_bytes(content)
    return path


def test_the_first_start_makes_a_private_file_for_each_role(tmp_path: Path) -> None:
    made = ensure_token_files(tmp_path, ())
    assert {token.role for token in made} == ROLES
    assert mode(tmp_path / "tokens") == 0o700
    for token in made:
        path = tmp_path / "tokens" / token.name
        assert mode(path) == 0o600
        assert hash_token(path.read_text().strip()) == token.token_hash
    assert len({token.token_id for token in made}) == 3


def test_a_later_start_changes_nothing(tmp_path: Path) -> None:
    known = {token.token_hash for token in ensure_token_files(tmp_path, ())}
    assert ensure_token_files(tmp_path, known) == []


def test_a_start_that_was_cut_short_before_the_journal_knew_is_made_good(tmp_path: Path) -> None:
    made = {token.token_hash for token in ensure_token_files(tmp_path, ())}
    (tmp_path / "tokens" / "node.token").unlink()
    again = ensure_token_files(tmp_path, ())
    assert {token.role for token in again} == ROLES
    assert len({token.token_hash for token in again} & made) == 2


def test_a_file_moved_to_a_safer_place_stays_away(tmp_path: Path) -> None:
    known = {token.token_hash for token in ensure_token_files(tmp_path, ())}
    (tmp_path / "tokens" / "admin.token").unlink()
    assert ensure_token_files(tmp_path, known) == []
    assert not (tmp_path / "tokens" / "admin.token").exists()


def test_a_mounted_secret_is_read_through_its_symlink_and_left_as_it_is(tmp_path: Path) -> None:
    target = tmp_path / "secret"
    target.write_text(GIVEN + "\n")
    target.chmod(0o440)
    (tmp_path / "tokens").mkdir(mode=0o755)
    (tmp_path / "tokens" / "node.token").symlink_to(target)
    found = {token.role: token.token_hash for token in ensure_token_files(tmp_path, ())}
    assert found.keys() == ROLES
    assert found[Role.NODE] == hash_token(GIVEN)
    assert mode(target) == 0o440
    assert mode(tmp_path / "tokens") == 0o755
    assert (tmp_path / "tokens" / "node.token").is_symlink()


def test_a_token_that_was_put_in_later_is_reported(tmp_path: Path) -> None:
    known = {token.token_hash for token in ensure_token_files(tmp_path, ())}
    hand_over(tmp_path, Role.NODE, GIVEN.encode())
    (token,) = ensure_token_files(tmp_path, known)
    assert (token.role, token.name, token.token_hash) == (Role.NODE, "node.token", hash_token(GIVEN))


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"a b" * 20, b"\xff" * 40, b"x" * 513, b"ab\n" * 20])
def test_a_file_without_a_token_is_named_and_its_content_is_not(tmp_path: Path, content: bytes) -> None:
    hand_over(tmp_path, Role.NODE, content)
    with pytest.raises(TokenFileInvalid, match=r"node.token holds no token") as refusal:
        ensure_token_files(tmp_path, ())
    assert not content.strip() or content.decode("latin-1") not in str(refusal.value)


def test_one_token_for_two_roles_is_refused(tmp_path: Path) -> None:
    hand_over(tmp_path, Role.ADMIN, GIVEN.encode())
    hand_over(tmp_path, Role.NODE, GIVEN.encode())
    with pytest.raises(TokenFileInvalid, match=r"node.token holds the token of admin.token"):
        ensure_token_files(tmp_path, ())


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens").write_bytes(b"")
    with pytest.raises(TokenFileInvalid, match="tokens"):
        ensure_token_files(tmp_path, ())


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokens" / "node.token").mkdir(parents=True)
    with pytest.raises(TokenFileInvalid, match=r"node.token: Is a directory"):
        ensure_token_files(tmp_path, ())


def test_tokens_and_ids_are_long_and_never_twice_the_same() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("licd_") and len(token) == 48 for token in tokens)
    assert all(len(bytes.fromhex(new_token_id())) == 8 for _ in range(10))


def test_a_hash_is_not_shown_in_a_representation(tmp_path: Path) -> None:
    for token in ensure_token_files(tmp_path, ()):
        assert token.token_hash not in repr(token)
