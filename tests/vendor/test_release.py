"""R30: the decision on a release, in tables."""

import dataclasses

import pytest

from licd_formats.challenge import SealedContent
from licd_vendor.domain.model import Binding, LicenseRecord, hash_project_key
from licd_vendor.domain.release import Released, ReleaseFacts, decide_release
from licd_vendor.domain.scan import Refusal, RefusedScan

LICENSE = LicenseRecord("3f2b8c1e-6a4d-4e0b-9c57-2d1f0a9b8c7d", 1, "ACME", "P", 3, 1, 2, "k", "https://p", None)
CONTENT = SealedContent(LICENSE.license_id, b"p" * 16, b"challeng", 1, b"headhead", 0, "000000")
BOUND = Binding(7, hash_project_key(CONTENT.project_key), "00", frozenset())
OTHER = dataclasses.replace(BOUND, project_key_hash="00")
FACTS = ReleaseFacts(LICENSE, BOUND, key_was_bound=True, key_released=False, self_releases=1, self_release_limit=2)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Released(ends_binding=True, is_new=True)),
        ({"license": None}, RefusedScan(Refusal.UNREADABLE)),
        ({"license": dataclasses.replace(LICENSE, revoked_at=1)}, Released(ends_binding=True, is_new=True)),
        ({"self_releases": 2}, RefusedScan(Refusal.RELEASE_LIMIT)),
        ({"self_release_limit": 0}, RefusedScan(Refusal.RELEASE_LIMIT)),
        ({"key_released": True, "binding": None}, Released(ends_binding=False, is_new=False)),
        ({"key_released": True, "binding": OTHER}, Released(ends_binding=False, is_new=False)),
        ({"key_released": True, "binding": None, "self_releases": 2}, Released(ends_binding=False, is_new=False)),
        ({"binding": None}, Released(ends_binding=False, is_new=True)),
        ({"binding": OTHER}, Released(ends_binding=False, is_new=True)),
        ({"binding": OTHER, "key_was_bound": False}, RefusedScan(Refusal.NOT_BOUND)),
        ({"binding": None, "key_was_bound": False}, RefusedScan(Refusal.NOT_BOUND)),
    ],
    ids=str,
)
def test_r30_release(changes: dict[str, object], expected: Released | RefusedScan) -> None:
    facts = dataclasses.replace(FACTS, **changes)  # type: ignore[arg-type]
    assert decide_release(facts, CONTENT) == expected
