"""R34: the certificates that the daemon makes for itself, and when it makes them again."""

import socket
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from licd_daemon.cli.serve.certificates import CA_LIFE, IssuerMissing, are_served, ensure_certificates
from licd_daemon.core.build import BUILD_DATE
from licd_kit.pem import TlsInvalid, is_encrypted, read_certificate, read_certificates, read_key

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAMES = ("licd.example", "192.0.2.7", "2001:db8::7")


def make(
    folder: Path, names: tuple[str, ...] = NAMES, days: int = 0, confirmed: datetime = BUILD_DATE
) -> dict[str, bytes]:
    ensure_certificates(folder, names, NOW + timedelta(days=days), confirmed)
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def shorten(folder: Path, end: datetime) -> None:
    """The server certificate ends at `end`, as those of 0.1.0 ended after a year."""
    server, ca = read_certificate(folder / "server.crt"), read_certificate(folder / "ca.crt")
    builder = x509.CertificateBuilder(
        server.issuer,
        server.subject,
        server.public_key(),
        server.serial_number,
        server.not_valid_before_utc,
        end,
        list(server.extensions),
    )
    made = builder.sign(cast("ec.EllipticCurvePrivateKey", read_key(folder / "ca.key")), hashes.SHA256())
    made.verify_directly_issued_by(ca)
    (folder / "server.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def verified_names(folder: Path, now: datetime) -> set[str]:
    """What a strict client accepts the server as."""
    verifier = PolicyBuilder().store(Store(read_certificates(folder / "ca.crt"))).time(now)
    server = read_certificate(folder / "server.crt")
    verifier.build_server_verifier(x509.DNSName("localhost")).verify(server, [])
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}


def test_the_first_start_makes_a_ca_and_a_server_certificate(tmp_path: Path) -> None:
    files = make(tmp_path / "tls")
    assert sorted(files) == ["ca.crt", "ca.key", "server.crt", "server.key"]
    assert verified_names(tmp_path / "tls", NOW) == {
        "localhost", "127.0.0.1", "::1", socket.gethostname(), *NAMES
    }  # fmt: skip
    server, ca = (read_certificate(tmp_path / "tls" / name) for name in ("server.crt", "ca.crt"))
    assert server.not_valid_after_utc == ca.not_valid_after_utc == BUILD_DATE + CA_LIFE


@pytest.mark.parametrize("year", [1901, 1970, 2010, 2026, 2038, 2040, 2100])
def test_R34_whatever_the_clock_of_the_first_start_any_later_one_is_inside(tmp_path: Path, year: int) -> None:
    ensure_certificates(tmp_path, NAMES, datetime(year, 6, 1, tzinfo=UTC))
    for later in (timedelta(), timedelta(days=3652)):
        assert verified_names(tmp_path, BUILD_DATE + later) >= set(NAMES)


@pytest.mark.parametrize("year", [1970, 2010, 2040, 2060])
def test_R34_a_clock_that_nothing_has_confirmed_gives_no_ca_up(tmp_path: Path, year: int) -> None:
    before = make(tmp_path)
    ensure_certificates(tmp_path, NAMES, datetime(year, 6, 1, tzinfo=UTC))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_R34_a_ca_is_replaced_long_before_its_end_and_both_are_trusted(tmp_path: Path) -> None:
    before = make(tmp_path)
    late = BUILD_DATE + CA_LIFE * 0.7
    after = make(tmp_path, confirmed=late)
    assert after["ca.crt"].endswith(before["ca.crt"])
    assert after["ca.crt"] != before["ca.crt"]
    assert after["server.crt"] == before["server.crt"]
    assert verified_names(tmp_path, late) >= set(NAMES)
    last = BUILD_DATE + CA_LIFE - timedelta(days=300)
    assert make(tmp_path, confirmed=last)["server.crt"] != before["server.crt"]
    assert read_certificates(tmp_path / "ca.crt")[1:] == x509.load_pem_x509_certificates(before["ca.crt"])
    assert verified_names(tmp_path, last + timedelta(days=365)) >= set(NAMES)


@pytest.mark.parametrize("name", ["ca.key", "server.key"])
def test_keys_are_private(tmp_path: Path, name: str) -> None:
    make(tmp_path)
    assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_later_start_changes_nothing(tmp_path: Path) -> None:
    assert make(tmp_path) == make(tmp_path, days=334)


def test_a_certificate_near_its_end_is_renewed_from_the_same_ca(tmp_path: Path) -> None:
    before = make(tmp_path)
    shorten(tmp_path, NOW + timedelta(days=1000))
    shortened = make(tmp_path, days=200)
    after = make(tmp_path, days=700)
    assert after["server.crt"] != shortened["server.crt"]
    assert after["ca.crt"] == before["ca.crt"]
    assert after["server.crt"] != before["server.crt"]
    assert verified_names(tmp_path, NOW + timedelta(days=1100)) >= set(NAMES)


def test_a_missing_name_is_added(tmp_path: Path) -> None:
    before, after = make(tmp_path), make(tmp_path, (*NAMES, "second.example"))
    assert after["ca.crt"] == before["ca.crt"]
    assert "second.example" in verified_names(tmp_path, NOW)


def test_a_name_less_is_no_reason_to_renew(tmp_path: Path) -> None:
    assert make(tmp_path) == make(tmp_path, NAMES[:1])


def test_an_address_is_known_however_it_is_written(tmp_path: Path) -> None:
    assert make(tmp_path) == make(tmp_path, ("2001:0DB8:0:0:0:0:0:7",))


def test_a_name_that_no_certificate_can_hold_is_told(tmp_path: Path) -> None:
    with pytest.raises(TlsInvalid, match=r"'bücher.example' can't be in a certificate: write it in ASCII"):
        make(tmp_path, ("bücher.example",))
    assert not (tmp_path / "server.crt").exists()


def test_a_certificate_made_by_a_clock_ahead_serves_clients_whose_clocks_are_right(tmp_path: Path) -> None:
    before, after = make(tmp_path), make(tmp_path, days=-1000)
    assert after == before
    assert verified_names(tmp_path, NOW - timedelta(days=1000)) >= set(NAMES)


def test_a_certificate_that_does_not_fit_its_key_is_made_again(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "server.key").write_bytes((tmp_path / "ca.key").read_bytes())
    assert make(tmp_path)["server.key"] != (tmp_path / "ca.key").read_bytes()


def test_an_expired_ca_is_made_anew(tmp_path: Path) -> None:
    end = BUILD_DATE + CA_LIFE + timedelta(days=1)
    before, after = make(tmp_path), make(tmp_path, confirmed=end)
    assert after["ca.crt"] != before["ca.crt"]
    assert verified_names(tmp_path, end) >= set(NAMES)


def test_a_ca_key_kept_elsewhere_is_missed_only_when_it_is_needed(tmp_path: Path) -> None:
    make(tmp_path)
    shorten(tmp_path, NOW + timedelta(days=1000))
    (tmp_path / "ca.key").unlink()
    make(tmp_path, days=200)
    with pytest.raises(TlsInvalid, match=r"ca.key is missing.*put it back"):
        make(tmp_path, days=700)


def test_a_ca_key_is_encrypted_where_there_is_a_passphrase(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials, folder = tmp_path / "credentials", tmp_path / "tls"
    credentials.mkdir()
    (credentials / "ca-passphrase").write_text("correct horse\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    before = make(folder)
    assert is_encrypted(before["ca.key"])
    assert not is_encrypted(before["server.key"])
    after = make(folder, (*NAMES, "second.example"))
    assert after["ca.key"] == before["ca.key"]
    assert after["server.crt"] != before["server.crt"]
    (credentials / "ca-passphrase").write_text("another\n")
    with pytest.raises(TlsInvalid, match=r"ca.key can't be decrypted"):
        make(folder, (*NAMES, "third.example"))
    (credentials / "ca-passphrase").unlink()
    with pytest.raises(IssuerMissing, match=r"ca.key is encrypted.*ca-passphrase"):
        make(folder, (*NAMES, "third.example"))
    assert are_served(folder)
    assert make(folder, (*NAMES, "second.example"), confirmed=BUILD_DATE + CA_LIFE * 0.9)["ca.key"] == before["ca.key"]


def test_a_wrong_ca_key_is_told(tmp_path: Path) -> None:
    make(tmp_path)
    shorten(tmp_path, NOW + timedelta(days=1000))
    (tmp_path / "ca.key").write_bytes((tmp_path / "server.key").read_bytes())
    with pytest.raises(TlsInvalid, match=r"ca.key is not the key of"):
        make(tmp_path, days=700)


def test_garbage_is_told_and_not_written_over(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "server.crt").write_bytes(b"garbage")
    with pytest.raises(TlsInvalid, match=r"server.crt holds no certificate"):
        make(tmp_path)
    assert (tmp_path / "server.crt").read_bytes() == b"garbage"


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TlsInvalid, match=r"file/tls"):
        make(tmp_path / "file" / "tls")
