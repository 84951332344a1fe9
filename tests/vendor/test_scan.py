"""R24 to R28: the decision on a scan, in tables."""

import dataclasses
from typing import Any

import pytest

from licd_formats.challenge import SealedContent
from licd_vendor.domain.model import Binding, LicenseRecord, hash_project_key
from licd_vendor.domain.scan import (
    Advance,
    Bind,
    Facts,
    FirstUnknown,
    KeepUnknown,
    Record,
    Refusal,
    RefusedScan,
    Shown,
    decide,
)

NOW = 1_800_000_000
LICENSE = LicenseRecord(
    "3f2b8c1e-6a4d-4e0b-9c57-2d1f0a9b8c7d", 1, "ACME", "Finance", 3, NOW - 100, NOW + 100, "k", "https://p", None
)
CONTENT = SealedContent(LICENSE.license_id, b"p" * 16, b"challeng", NOW, b"headhead", 2, "042195")
HEAD = CONTENT.predecessor.hex()
BOUND = Binding(7, hash_project_key(CONTENT.project_key), HEAD, frozenset())
FREE = Facts(LICENSE, None, None, shown_in_force=False, key_released=False)
HERE = dataclasses.replace(FREE, binding=BOUND)
ELSEWHERE = dataclasses.replace(FREE, binding=dataclasses.replace(BOUND, project_key_hash="00"))


def change(facts: Facts, **content: Any) -> object:
    verdict = decide(facts, dataclasses.replace(CONTENT, **content), NOW)
    assert isinstance(verdict, Shown)
    return verdict.change


def refusal(facts: Facts, now: int = NOW, **content: Any) -> Refusal:
    verdict = decide(facts, dataclasses.replace(CONTENT, **content), now)
    assert isinstance(verdict, RefusedScan)
    return verdict.kind


def licensed(**changes: Any) -> Facts:
    return dataclasses.replace(FREE, license=dataclasses.replace(LICENSE, **changes))


def shown(at: int, *, facts: Facts = HERE, in_force: bool = True) -> Facts:
    return dataclasses.replace(facts, first_shown_at=at, shown_in_force=in_force)


def test_r25_shows_digits_company_project_and_node_count() -> None:
    assert decide(FREE, CONTENT, NOW) == Shown("042195", "ACME", "Finance", 2, 3, 900, Bind(HEAD))


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (dataclasses.replace(FREE, license=None), Refusal.UNREADABLE),
        (licensed(revoked_at=NOW - 1), Refusal.REVOKED),
        (licensed(expires_at=NOW), Refusal.EXPIRED),
        (licensed(revoked_at=NOW - 1, expires_at=NOW), Refusal.REVOKED),
        (dataclasses.replace(FREE, key_released=True), Refusal.RELEASED),
        (ELSEWHERE, Refusal.BOUND_ELSEWHERE),
    ],
)
def test_r25_r26_r30_license_and_binding_are_checked(facts: Facts, expected: Refusal) -> None:
    assert refusal(facts) is expected


@pytest.mark.parametrize("offset", [-600, -1, 0, 1, 600])
def test_r24_ten_minutes_off_is_near_enough(offset: int) -> None:
    assert change(FREE, created_at=NOW + offset) == Bind(HEAD)


@pytest.mark.parametrize("offset", [-601, 601, -11_520, 90_000])
@pytest.mark.parametrize("facts", [FREE, HERE, ELSEWHERE])
def test_r24_more_gets_no_code_but_by_how_much(facts: Facts, offset: int) -> None:
    verdict = decide(facts, dataclasses.replace(CONTENT, created_at=NOW + offset), NOW)
    assert verdict == RefusedScan(Refusal.CLOCK_OFF, offset)


@pytest.mark.parametrize(("age", "is_shown"), [(0, True), (300, True), (301, False), (86_400, False), (-5, True)])
def test_r25_read_again_within_five_minutes_of_the_first_time(age: int, is_shown: bool) -> None:
    if is_shown:
        assert change(shown(NOW - age)) is None
    else:
        assert refusal(shown(NOW - age)) is Refusal.QR_TOO_OLD


def test_r25_read_again_shows_the_same_though_the_clock_is_off_by_now() -> None:
    assert change(shown(NOW - 299), created_at=NOW - 800) is None


def test_r25_code_forgotten_since_head_is_too_old_and_no_copy() -> None:
    assert refusal(shown(NOW - 400), predecessor=b"ancestor") is Refusal.QR_TOO_OLD


def test_r27_qr_shown_before_the_unbinding_does_not_bind_again() -> None:
    assert refusal(shown(NOW - 10, facts=FREE, in_force=False)) is Refusal.QR_TOO_OLD


def test_r26_qr_shown_before_another_was_bound_says_so() -> None:
    assert refusal(shown(NOW - 10, facts=ELSEWHERE, in_force=False)) is Refusal.BOUND_ELSEWHERE


@pytest.mark.parametrize("predecessor", [bytes(8), b"whatever"])
def test_r28_first_bind_takes_any_predecessor_as_head(predecessor: bytes) -> None:
    assert change(FREE, predecessor=predecessor) == Bind(predecessor.hex())


def test_r28_refreshing_a_qr_is_no_copy() -> None:
    facts = dataclasses.replace(HERE, binding=dataclasses.replace(BOUND, shown_since_head=frozenset({"aa", "bb"})))
    assert change(facts) == Record(7)


def test_r28_code_shown_since_was_used_and_becomes_the_head() -> None:
    used = b"usedcode"
    binding = dataclasses.replace(BOUND, shown_since_head=frozenset({used.hex(), "bb"}))
    assert change(dataclasses.replace(HERE, binding=binding), predecessor=used) == Advance(7, used.hex())


def test_r28_an_old_qr_that_is_scanned_late_is_no_copy() -> None:
    facts = dataclasses.replace(HERE, newest_drawn_at=NOW - 60)
    assert refusal(facts, predecessor=b"ancestor", created_at=NOW - 61) is Refusal.QR_TOO_OLD
    assert refusal(facts, predecessor=b"ancestor", created_at=NOW - 60) is Refusal.COPIED


LATE = dataclasses.replace(HERE, newest_drawn_at=NOW + 1)
ANOTHER = "aa" * 8


def test_r28_the_first_with_an_unknown_predecessor_is_remembered() -> None:
    verdict = decide(LATE, dataclasses.replace(CONTENT, predecessor=b"ancestor"), NOW)
    assert verdict == RefusedScan(Refusal.QR_TOO_OLD, change=KeepUnknown(7))


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (FirstUnknown(CONTENT.challenge_id.hex(), NOW - 3600), Refusal.QR_TOO_OLD),
        (FirstUnknown(ANOTHER, NOW - 3600), Refusal.COPIED),
        (FirstUnknown(ANOTHER, NOW), Refusal.COPIED),
        (FirstUnknown(ANOTHER, NOW + 599), Refusal.COPIED),
        (FirstUnknown(ANOTHER, NOW + 600), Refusal.QR_TOO_OLD),
    ],
)
def test_r28_another_one_drawn_after_the_answer_is_a_copys(first: FirstUnknown, expected: Refusal) -> None:
    facts = dataclasses.replace(LATE, first_unknown=first)
    verdict = decide(facts, dataclasses.replace(CONTENT, predecessor=b"ancestor"), NOW)
    assert verdict == RefusedScan(expected), "and nothing more is remembered"


@pytest.mark.parametrize("predecessor", [bytes(8), b"restored"])
def test_r28_any_other_predecessor_is_a_copy(predecessor: bytes) -> None:
    assert refusal(HERE, predecessor=predecessor) is Refusal.COPIED
