"""R6: the sealed challenge, checked against a second implementation of HPKE (RFC 9180)."""

import base64
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from pyhpke import AEADId, CipherSuite, KDFId, KEMId, KEMKey

from licd_formats import challenge
from licd_formats.challenge import ChallengeInvalid, Purpose, SealedContent

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "challenge.json").read_text())
KEY = X25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["portal_private_key"]))
PUBLIC = bytes.fromhex(VECTORS["portal_public_key"])
GOOD: str = VECTORS["valid"][0]["token"]
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def as_content(value: dict[str, Any]) -> SealedContent:
    raw = {name: bytes.fromhex(value[name]) for name in ("project_key", "challenge_id", "predecessor")}
    return SealedContent(**(value | raw))


CONTENT = as_content(VECTORS["valid"][0]["content"])


@pytest.mark.parametrize("case", VECTORS["valid"], ids=lambda case: case["name"])
def test_r6_challenge_sealed_by_pyhpke_is_opened(case: dict[str, Any]) -> None:
    content = as_content(case["content"])
    assert challenge.open_sealed(case["token"], KEY, Purpose(case["purpose"])) == content
    assert challenge.open_sealed(case["token"].lower(), KEY, Purpose(case["purpose"])) == content


@pytest.mark.parametrize("purpose", Purpose)
def test_r6_challenge_is_opened_by_pyhpke(purpose: Purpose) -> None:
    token = challenge.seal(dataclasses.replace(CONTENT, code="000000"), PUBLIC, purpose)
    sealed = base64.b32decode(token + "====")
    suite = CipherSuite.new(KEMId.DHKEM_X25519_HKDF_SHA256, KDFId.HKDF_SHA256, AEADId.CHACHA20_POLY1305)
    receiver = KEMKey.from_pyca_cryptography_key(KEY)
    context = suite.create_recipient_context(sealed[:32], receiver, info=f"licd/v1/{purpose}".encode())
    plain = context.open(sealed[32:])
    assert len(plain) == 59
    assert plain.endswith(b"\0\0\0")
    assert plain[16:32] == CONTENT.project_key


@pytest.mark.parametrize("case", VECTORS["invalid"], ids=lambda case: case["name"])
def test_r6_invalid_vector_is_refused(case: dict[str, Any]) -> None:
    with pytest.raises(ChallengeInvalid) as refusal:
        challenge.open_sealed(case["token"], KEY, Purpose(case["purpose"]))
    assert type(refusal.value).__name__ == case["error"]


@given(st.data())
def test_r6_any_changed_character_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(GOOD) - 1))
    other = data.draw(st.sampled_from(BASE32).filter(lambda letter: letter != GOOD[at]))
    with pytest.raises(ChallengeInvalid):
        challenge.open_sealed(GOOD[:at] + other + GOOD[at + 1 :], KEY, Purpose.REGISTER)


@given(st.integers(0, len(GOOD) - 1))
def test_r6_any_truncation_is_refused(length: int) -> None:
    with pytest.raises(ChallengeInvalid):
        challenge.open_sealed(GOOD[:length], KEY, Purpose.REGISTER)


@given(st.text(max_size=200) | st.text(BASE32, min_size=172, max_size=172))
def test_r6_garbage_is_refused(token: str) -> None:
    with pytest.raises(ChallengeInvalid):
        challenge.open_sealed(token, KEY, Purpose.REGISTER)


@given(
    st.builds(
        SealedContent,
        license_id=st.uuids().map(str),
        project_key=st.binary(min_size=16, max_size=16),
        challenge_id=st.binary(min_size=8, max_size=8).filter(any),
        created_at=st.integers(1, 2**32 - 1),
        predecessor=st.just(bytes(8)),
        node_count=st.integers(0, 1_000_000),
        code=st.integers(0, 999_999).map("{:06d}".format),
    )
)
def test_r6_what_is_sealed_is_opened(content: SealedContent) -> None:
    token = challenge.seal(content, PUBLIC, Purpose.REGISTER)
    assert len(token) == challenge.TOKEN_CHARACTERS
    assert challenge.open_sealed(token, KEY, Purpose.REGISTER) == content


def test_r6_same_content_is_never_sealed_the_same() -> None:
    assert challenge.seal(CONTENT, PUBLIC, Purpose.REGISTER) != challenge.seal(CONTENT, PUBLIC, Purpose.REGISTER)


@pytest.mark.parametrize(
    "change",
    [
        {"license_id": CONTENT.license_id.upper()},
        {"license_id": "x"},
        {"project_key": b"short"},
        {"challenge_id": bytes(8)},
        {"predecessor": CONTENT.challenge_id},
        {"created_at": 0},
        {"created_at": 2**32},
        {"node_count": -1},
        {"node_count": 1_000_001},
        {"code": "12345"},
        {"code": "１２３４５６"},
    ],
    ids=str,
)
def test_r6_out_of_range_is_not_sealed(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        challenge.seal(dataclasses.replace(CONTENT, **change), PUBLIC, Purpose.REGISTER)


def test_r6_release_carries_no_code() -> None:
    with pytest.raises(ValueError, match="000000"):
        challenge.seal(CONTENT, PUBLIC, Purpose.RELEASE)


def test_r6_low_order_portal_key_is_not_sealed_to() -> None:
    with pytest.raises(ValueError, match=r"."):
        challenge.seal(CONTENT, bytes(32), Purpose.REGISTER)


def test_url_leads_to_the_purposes_path() -> None:
    assert challenge.url_of("https://p.example", GOOD, Purpose.REGISTER) == f"https://p.example/Q/{GOOD}"
    assert challenge.url_of("https://p.example", GOOD, Purpose.RELEASE) == f"https://p.example/R/{GOOD}"


def test_code_and_project_key_stay_out_of_a_repr() -> None:
    shown = repr(CONTENT)
    assert CONTENT.code not in shown
    assert repr(CONTENT.project_key) not in shown
