"""The vendor's keys: encrypted, 0600, never written over, and rotated with both valid."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import Result
from vendor.commands import CONTRACT, Run, read_license

from licd_formats.container_lic import LicenseInvalid

PASSPHRASE = "correct horse battery staple"
MADE = ("--vendor-name", "Vendor", "--vendor-email", "licenses@vendor.example")


@pytest.fixture
def secured(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A vendor whose keys are encrypted."""
    monkeypatch.setenv("LICD_VENDOR_PASSPHRASE", PASSPHRASE)
    made = run("keygen", *MADE)
    assert made.exit_code == 0, made.output
    assert PASSPHRASE not in made.output
    assert run(*CONTRACT).exit_code == 0
    return run


def issue_with(run: Run, tmp_path: Path, *options: str) -> Result:
    return run(
        "issue", "--contract", "1", "--from", "ops@acme.example", "--company", "ACME", "--days", "30",
        "--portal-url", "http://127.0.0.1:8600", "--out", str(tmp_path / "Container.lic"),
        "--mail", str(tmp_path / "answer.eml"), *options,
    )  # fmt: skip


def test_private_keys_are_encrypted_and_their_owners_alone(secured: Run, tmp_path: Path) -> None:
    for name in ("signing.key", "portal.key"):
        path = tmp_path / "home" / name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")


def test_keygen_without_a_passphrase_makes_nothing(run: Run, tmp_path: Path) -> None:
    refused = run("keygen", *MADE)
    assert refused.exit_code == 1
    assert "LICD_VENDOR_PASSPHRASE" in refused.stderr
    assert not (tmp_path / "home" / "signing.key").exists()


def test_the_passphrase_comes_from_the_environment_or_a_file(
    secured: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert issue_with(secured, tmp_path).exit_code == 0
    monkeypatch.delenv("LICD_VENDOR_PASSPHRASE")
    missing = issue_with(secured, tmp_path)
    assert missing.exit_code == 1
    assert "is encrypted; give its passphrase" in missing.stderr
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    monkeypatch.setenv("LICD_VENDOR_PASSPHRASE_FILE", str(file))
    assert issue_with(secured, tmp_path).exit_code == 0


@pytest.mark.parametrize("content", ["hunter2 hunter2", "", "x" * 2000, None])
def test_a_wrong_passphrase_is_refused_and_not_quoted(
    secured: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    monkeypatch.delenv("LICD_VENDOR_PASSPHRASE")
    file = tmp_path / "passphrase"
    if content is not None:
        file.write_text(content)
    refused = secured("--passphrase-file", str(file), "portal", "serve", "--listen", "127.0.0.1:0")
    assert refused.exit_code == 1
    assert not content or content not in refused.stderr


def test_no_option_takes_a_secret(run: Run) -> None:
    for command in (["keygen"], ["key", "encrypt"], ["issue"], ["staff", "add"], []):
        text = run(*command, "--help").output
        assert "--passphrase " not in text
        assert "--password " not in text


def test_rotation_signs_with_the_newest_and_keeps_both_valid(secured: Run, tmp_path: Path) -> None:
    assert issue_with(secured, tmp_path).exit_code == 0
    before, first = (tmp_path / "Container.lic").read_bytes(), read_license(tmp_path)
    rotated = secured("keygen", "--rotate")
    assert rotated.exit_code == 0, rotated.output
    assert issue_with(secured, tmp_path, "--reissue", first.license_id).exit_code == 0
    second = read_license(tmp_path)
    assert second.key_id != first.key_id
    (tmp_path / "Container.lic").write_bytes(before)
    assert read_license(tmp_path) == first, "what the first key has signed stays valid"
    for name in ("signing.key", f"signing-{first.key_id}.key"):
        assert stat.S_IMODE((tmp_path / "home" / name).stat().st_mode) == 0o600
        assert b"ENCRYPTED" in (tmp_path / "home" / name).read_bytes()
    reissue = ("--reissue", first.license_id, "--key", first.key_id)
    assert issue_with(secured, tmp_path, *reissue).exit_code == 0
    assert read_license(tmp_path).key_id == first.key_id
    refused = issue_with(secured, tmp_path, "--key", "../../etc/passwd")
    assert refused.exit_code == 1
    assert "no such signing key" in refused.stderr


def test_rotation_twice_and_after_one_that_was_cut_off(secured: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert secured("keygen", "--rotate").exit_code == 0
    newest = (home / "signing.key").read_bytes()
    assert secured("keygen", "--rotate").exit_code == 0
    (home / "signing.key").write_bytes(newest)  # as if the last step had not come
    assert secured("keygen", "--rotate").exit_code == 0
    assert issue_with(secured, tmp_path).exit_code == 0
    assert read_license(tmp_path).max_nodes == 1


def test_rotation_needs_the_passphrase(secured: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICD_VENDOR_PASSPHRASE", "wrong")
    assert secured("keygen", "--rotate").exit_code == 1


def test_a_key_is_retired_once_no_live_license_needs_it(secured: Run, tmp_path: Path) -> None:
    assert issue_with(secured, tmp_path).exit_code == 0
    first = read_license(tmp_path)
    for refused, words in (
        (secured("key", "retire", first.key_id), "1 live license(s)"),
        (secured("key", "retire", first.key_id, "--in-use"), "is the one that signs"),
        (secured("key", "retire", "unknown"), "is not in"),
    ):
        assert (refused.exit_code, words in refused.stderr) == (1, True), refused.output
    assert secured("keygen", "--rotate").exit_code == 0
    assert "1 live license(s)" in secured("key", "retire", first.key_id).stderr
    assert issue_with(secured, tmp_path, "--reissue", first.license_id).exit_code == 0
    retired = secured("key", "retire", first.key_id)
    assert retired.exit_code == 0, retired.output
    assert first.key_id not in (tmp_path / "home" / "vendor-keys.json").read_text()
    assert list((tmp_path / "home").glob("signing-*")) == []
    assert read_license(tmp_path).license_id == first.license_id
    assert issue_with(secured, tmp_path, "--reissue", first.license_id).exit_code == 0
    assert "key_retired" in secured("audit").output


def test_a_stolen_key_is_retired_though_it_is_in_use(secured: Run, tmp_path: Path) -> None:
    assert issue_with(secured, tmp_path).exit_code == 0
    stolen = read_license(tmp_path).key_id
    assert secured("keygen", "--rotate").exit_code == 0
    assert secured("key", "retire", stolen, "--in-use").exit_code == 0
    with pytest.raises(LicenseInvalid):
        read_license(tmp_path)


def test_keys_are_encrypted_later_and_one_that_was_cut_off_is_finished(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    assert run("keygen", "--no-passphrase", *MADE).exit_code == 0
    assert run("keygen", "--rotate").exit_code == 0
    assert run(*CONTRACT).exit_code == 0
    plain = (home / "portal.key").read_bytes()
    refused = run("key", "encrypt")
    assert (refused.exit_code, "LICD_VENDOR_NEW_PASSPHRASE" in refused.stderr) == (1, True)
    monkeypatch.setenv("LICD_VENDOR_NEW_PASSPHRASE", PASSPHRASE)
    assert run("key", "encrypt").exit_code == 0
    (home / "portal.key").write_bytes(plain)  # as if it had been cut off before this one
    again = run("key", "encrypt")
    assert again.output.strip() == "encrypted with the new passphrase: portal.key"
    for path in home.glob("*.key"):
        assert b"ENCRYPTED" in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert issue_with(run, tmp_path).exit_code == 1
    monkeypatch.setenv("LICD_VENDOR_PASSPHRASE", PASSPHRASE)
    assert issue_with(run, tmp_path).exit_code == 0
    monkeypatch.setenv("LICD_VENDOR_NEW_PASSPHRASE", "another long passphrase")
    assert run("key", "encrypt").exit_code == 0
    assert issue_with(run, tmp_path).exit_code == 1, "the passphrase was changed"


def test_every_command_but_the_portal_starts_without_the_web_server() -> None:
    late = "'uvicorn', 'starlette', 'prometheus_client'"
    code = f"import sys, licd_vendor.cli; print([name for name in ({late}) if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_home_that_others_can_enter_is_closed_and_that_is_said(secured: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for path in (home, home / "signing.key", home / "licd-vendor.db"):
        path.chmod(0o777)
    listed = secured("list")
    assert listed.exit_code == 0
    for path, mode in ((home, 0o700), (home / "signing.key", 0o600), (home / "licd-vendor.db", 0o600)):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, oct(mode)
        assert str(path) in listed.stderr
    assert secured("list").stderr == ""
    home.chmod(0o1777)
    refused = secured("list")
    assert (refused.exit_code, "name another with --home" in refused.stderr) == (1, True)
