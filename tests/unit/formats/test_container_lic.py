"""R1: what a Container.lic is, and everything that it is not."""

import dataclasses
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from licd_formats import container_lic
from licd_formats.container_lic import LicenseInvalid, VendorKeys, VendorKeysInvalid
from licd_formats.license import License, LicensedApplication, Portal, Vendor

VECTOR_FOLDER = Path(__file__).parents[2] / "vectors"
VECTORS: dict[str, Any] = json.loads((VECTOR_FOLDER / "container_lic.json").read_text())
KEYS = VendorKeys.from_jwk_set(json.dumps(VECTORS["vendor_keys"]))
KEY = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["signing_key"]))
GOOD = VECTORS["valid"][0]["content"].encode()


def as_license(value: dict[str, Any]) -> License:
    nested = {
        "application": LicensedApplication(**value["application"]),
        "portal": Portal(**value["portal"]),
        "vendor": Vendor(**value["vendor"]),
    }
    return License(**(value | nested))


LICENSE = as_license(VECTORS["valid"][0]["license"])


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_r1_valid_vector_is_read(case: dict[str, Any]) -> None:
    assert container_lic.verify(case["content"].encode(), KEYS) == as_license(case["license"])


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_r1_invalid_vector_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(LicenseInvalid) as refusal:
        container_lic.verify(case["content"].encode(), KEYS)
    assert type(refusal.value).__name__ == case["error"]


def test_vectors_are_what_the_generator_writes() -> None:
    spec = importlib.util.spec_from_file_location("generate_vectors", VECTOR_FOLDER / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert generator.rendered() == {name: (VECTOR_FOLDER / name).read_text() for name in generator.rendered()}


@given(st.data())
def test_r1_any_changed_byte_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != GOOD[at]))
    with pytest.raises(LicenseInvalid):
        container_lic.verify(GOOD[:at] + bytes([byte]) + GOOD[at + 1 :], KEYS)


@given(st.integers(0, len(GOOD) - 1))
def test_r1_any_truncation_is_refused(length: int) -> None:
    with pytest.raises(LicenseInvalid):
        container_lic.verify(GOOD[:length], KEYS)


@given(st.integers(0, len(GOOD)), st.binary(min_size=1, max_size=3))
def test_r1_any_inserted_bytes_are_refused(at: int, extra: bytes) -> None:
    with pytest.raises(LicenseInvalid):
        container_lic.verify(GOOD[:at] + extra + GOOD[at:], KEYS)


@given(st.binary(max_size=300))
def test_r1_garbage_is_refused(content: bytes) -> None:
    with pytest.raises(LicenseInvalid):
        container_lic.verify(content, KEYS)


def test_r1_refusal_never_quotes_the_file() -> None:
    for case in VECTORS["invalid"]:
        with pytest.raises(LicenseInvalid) as refusal:
            container_lic.verify(case["content"].encode(), KEYS)
        assert len(str(refusal.value)) < 120
        assert str(refusal.value).isprintable()


def test_signed_license_is_read_back_the_same() -> None:
    assert container_lic.verify(container_lic.sign(LICENSE, KEY), KEYS) == LICENSE


@pytest.mark.parametrize(
    "change",
    [
        {"max_nodes": 0},
        {"expires_at": LICENSE.issued_at},
        {"company": "a\nb"},
        {"company": "\ud800"},
        {"license_id": LICENSE.license_id.upper()},
        {"auth_method": "DONGLE"},
        {"key_id": ""},
    ],
    ids=str,
)
def test_r1_vendor_cannot_sign_what_a_daemon_would_refuse(change: dict[str, Any]) -> None:
    with pytest.raises(LicenseInvalid):
        container_lic.sign(dataclasses.replace(LICENSE, **change), KEY)


def test_vendor_keys_round_trip() -> None:
    again = VendorKeys.from_jwk_set(KEYS.to_jwk_set())
    assert {kid: key.public_bytes_raw() for kid, key in again.by_id.items()} == {
        kid: key.public_bytes_raw() for kid, key in KEYS.by_id.items()
    }


JWK = VECTORS["vendor_keys"]["keys"][0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"keys": []}', "at least one key"),
        ('{"keys": {}}', "at least one key"),
        ('{"keys": [1]}', "vendor key 1: not an object"),
        (json.dumps({"keys": [JWK, JWK]}), "vendor key 2: its kid is another key's too"),
        (json.dumps({"keys": [JWK | {"kid": ""}]}), "kid"),
        (json.dumps({"keys": [JWK | {"d": "secret"}]}), "private key"),
        (json.dumps({"keys": [JWK | {"crv": "X25519"}]}), "OKP and Ed25519"),
        (json.dumps({"keys": [JWK | {"alg": "HS256"}]}), "alg must be EdDSA"),
        (json.dumps({"keys": [JWK | {"x": "AAAA"}]}), "32 bytes"),
        (json.dumps({"keys": [JWK | {"x": JWK["x"] + "="}]}), "x"),
    ],
)
def test_vendor_keys_that_cannot_be_used_are_named(text: str, fault: str) -> None:
    with pytest.raises(VendorKeysInvalid, match=fault) as refusal:
        VendorKeys.from_jwk_set(text)
    assert "secret" not in str(refusal.value)
