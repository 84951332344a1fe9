"""R1, R2: what an upload costs is asked about first; when a license was issued moves no clock and locks nothing out."""

import dataclasses
from typing import Any

import pytest
from unit.core.world import LICENSE, MINUTE, OTHER_ID, SECOND, T0_S, YEAR_S, World, license_of, licensed, refused

from licd_daemon.core import commands as c
from licd_daemon.core.checks import certificate_content_incorrect, clock_untrusted
from licd_daemon.core.upload_effect import Effect
from licd_formats.license import License

DAY_S = 86_400
DOUBT = clock_untrusted("jumped ahead by 83 s, which nothing has confirmed", "Set it right, or confirm it.")
REISSUED = {"issued_at": T0_S + 1}


def reasons(effect: Effect) -> list[str]:
    return [str(failure.reason) for failure in effect.failures]


# What would be lost

COSTS: dict[str, dict[str, Any]] = {
    "another license": {"license_id": OTHER_ID},
    "another license of another application": {"license_id": OTHER_ID, "name": "etl"},
    "another application": {"name": "etl", **REISSUED},
    "another version": {"version": "11.0", **REISSUED},
    "another content": {"content": "hr", **REISSUED},
    "a later build": {"min_build_date": "2026-01-01", **REISSUED},
    "a lowest version": {"min_version": "10.0.20", **REISSUED},
}


@pytest.mark.parametrize("what", COSTS)
def test_R2_an_upload_that_costs_a_registration_or_a_seat_needs_replace(what: str) -> None:
    w = licensed().register("report-1", "report-2")
    before = w.state
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(**COSTS[what])
    assert w.state == before
    assert w.nodes("report-1", "report-2") == "LICENSED LICENSED"
    message, effect = caught[0].message, caught[0].effect
    assert "2 seats: report-1, report-2" in message
    assert "`replace`" in message
    assert effect == w.try_upload(**COSTS[what])
    assert effect.seats_lost == 2
    another = "license_id" in COSTS[what]
    assert effect.ends_registration is another
    assert ("the registration of 2023-11-14 22:13:20 UTC" in message) is another
    w.upload(replace=True, **COSTS[what])
    assert w.registration == ("UNREGISTERED" if another else "REGISTERED")
    assert "LICENSED" not in w.nodes("report-1", "report-2")


def test_R2_the_wrong_file_refused_costs_nothing_and_the_right_one_is_taken_as_ever() -> None:
    w = licensed().register("a")
    with refused("WOULD_END_REGISTRATION"):
        w.upload(license_id=OTHER_ID, name="etl", issued_at=T0_S + 500)
    w.upload(issued_at=T0_S + 1, max_nodes=5)
    assert w.registration == "REGISTERED"
    assert w.node("a") == "LICENSED"
    w.upload(license_id=OTHER_ID, issued_at=T0_S + 2, replace=True)  # that issue was never taken


@pytest.mark.parametrize("how", ["recovering", "restarted", "expired"])
def test_R2_a_registration_that_waits_for_its_nodes_or_a_reissue_is_not_ended_unasked(how: str) -> None:
    w = licensed().register("a")
    changes: dict[str, Any] = {"license_id": OTHER_ID, "expires_at": T0_S + 3 * YEAR_S}
    if how == "recovering":
        w.silent("a")
    elif how == "restarted":
        w.restart()
    else:
        w.until(T0_S + YEAR_S)
    before = w.registration
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(**changes)
    assert "the registration of" in caught[0].message
    assert w.registration == before == {"expired": "EXPIRED"}.get(how, "RECOVERING")


def test_R2_one_seat_of_many_is_asked_about_and_named_alone() -> None:
    w = licensed(max_nodes=3).register("old", "new")
    w.upload(issued_at=T0_S + 1, max_nodes=3)
    w.evict("old")
    w.drained("old")
    w.join("old-2", version="10.0.1")
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(issued_at=T0_S + 2, min_version="10.0.5", max_nodes=3)
    assert "1 seat: old-2." in caught[0].message
    assert caught[0].effect is not None
    assert [node.name for node in caught[0].effect.nodes_rejected] == ["old-2"]
    assert [str(each.reason) for each in caught[0].effect.nodes_rejected[0].failures] == ["VERSION_MISMATCH"]


def test_R2_a_reissue_for_whose_recertification_the_registration_is_too_old_needs_replace() -> None:
    w = licensed().register("a")
    w.later(40 * DAY_S * SECOND)
    with refused("WOULD_END_REGISTRATION"):
        w.upload(issued_at=T0_S + 40 * DAY_S, recertify_days=30)
    w.upload(issued_at=T0_S + 40 * DAY_S, recertify_days=50)
    w.upload(issued_at=T0_S + 40 * DAY_S + 1, recertify_days=30, replace=True)
    w.later(SECOND)
    assert w.registration == "UNREGISTERED"


def test_R2_the_way_of_those_who_wait_is_asked_about_too() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.join("c", version="10.0.2")
    assert w.node("c") == "WAITING"
    change: dict[str, Any] = {"issued_at": T0_S + 1, "max_nodes": 2, "min_version": "10.0.3"}
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(**change)
    assert "the way to a seat of 1 node: c" in caught[0].message
    w.silent("c")  # forgotten
    w.upload(**change)


def test_R2_the_way_of_those_who_may_come_back_is_asked_about_too() -> None:
    w = licensed(max_nodes=2).register("a", "c")
    w.silent("c")  # lost, it may resume
    change: dict[str, Any] = {"issued_at": T0_S + 1, "max_nodes": 2, "min_version": "10.0.20"}
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(**change)
    assert "the way to a seat of 1 node: c" in caught[0].message


@pytest.mark.parametrize("change", [{"name": "etl"}, {"version": "9"}, {"content": ""}, {"min_version": "10.1"}])
def test_R2_the_way_to_a_registration_is_not_closed_unasked(change: dict[str, Any]) -> None:
    w = licensed()
    w.upload(license_id=OTHER_ID, **change, replace=True)  # nobody is connected: nothing to lose
    w.upload(license_id=LICENSE.license_id)
    w.join("a")
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(license_id=OTHER_ID, **change)
    assert "the way to a seat of 1 node: a" in caught[0].message
    w.register()
    assert w.node("a") == "LICENSED"


def test_R2_fewer_nodes_than_are_connected_close_the_way_to_a_registration() -> None:
    w = licensed(max_nodes=2)
    w.join("a")
    w.join("b")
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(license_id=OTHER_ID, max_nodes=1)
    assert "the way to a registration" in caught[0].message
    w.join("c")
    w.upload(license_id=OTHER_ID, max_nodes=1)  # too many for either


FREE: dict[str, tuple[License | None, dict[str, Any]]] = {
    "the first license": (None, {}),
    "the first license, for no node that is connected": (None, {"name": "etl"}),
    "another license while nothing is registered": (LICENSE, {"license_id": OTHER_ID}),
    "a license that fits, after one that did not": (license_of(name="etl"), {"license_id": OTHER_ID}),
    "one that fits none, after one that fitted none": (
        license_of(name="etl"),
        {"license_id": OTHER_ID, "version": "9"},
    ),
    "a reissue": (LICENSE, {**REISSUED, "max_nodes": 9}),
    "a reissue for a wider version": (LICENSE, {**REISSUED, "version": "10"}),
}


@pytest.mark.parametrize("what", FREE)
def test_R2_what_costs_nothing_is_not_asked_about(what: str) -> None:
    present, changes = FREE[what]
    w = World()
    if present is not None:
        w.upload(present)
    w.join("a")
    w.upload(**changes)
    assert w.state.license == license_of(**changes)


def test_R2_nobody_connected_registered_or_about_to_be_costs_nothing() -> None:
    w = licensed().register("a")
    w.leave("a")
    w.upload(license_id=OTHER_ID, name="etl")
    assert w.registration == "UNREGISTERED"


def test_R2_a_license_after_one_that_has_expired_costs_nothing() -> None:
    w = licensed()
    w.join("a")
    w.until(T0_S + YEAR_S)
    w.upload(license_id=OTHER_ID, name="etl", expires_at=T0_S + 2 * YEAR_S)


def test_R2_replace_overrules_no_other_refusal() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    with refused("SEATS_IN_USE"):
        w.upload(max_nodes=1, issued_at=T0_S + 1, replace=True)
    with refused("LICENSE_OLDER"):
        w.upload(issued_at=T0_S - 1, replace=True)
    with refused("LICENSE_REFUSED"):
        w.upload(license_id=OTHER_ID, issued_at=T0_S + DAY_S, replace=True)
    with refused("LICENSE_REFUSED"):
        w.upload(certificate_content_incorrect(), replace=True)
    assert w.nodes("a", "b") == "LICENSED LICENSED"


def test_R2_many_names_do_not_make_a_message_longer_than_a_header_bears() -> None:
    names = [f"报表服务器-{number}-{'长' * 200}" for number in range(60)]
    w = licensed(max_nodes=60).register(*names)
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(license_id=OTHER_ID)
    assert "60 seats: 报表服务器-0" in caught[0].message
    assert len(caught[0].message) < 800
    with refused("SEATS_IN_USE") as caught:
        w.upload(issued_at=T0_S + 1, max_nodes=1)
    assert len(caught[0].message) < 800


# A dry run


def test_R2_a_dry_run_tells_what_changes_and_what_would_block_and_leaves_nothing() -> None:
    w = licensed(max_nodes=3).register("report-1", "report-2")
    w.join("old", version="9.0")
    effect = w.try_upload(license_id=OTHER_ID, name="etl", max_nodes=2)
    assert effect.license == license_of(license_id=OTHER_ID, name="etl", max_nodes=2)
    assert effect.ends_registration
    assert effect.seats_lost == 2
    assert [(node.name, node.session_id) for node in effect.nodes_rejected] == [
        (name, name) for name in ("report-1", "report-2", "old")
    ]
    assert [str(each.reason) for each in effect.nodes_rejected[2].failures] == [
        "APPLICATION_NAME_MISMATCH", "VERSION_MISMATCH",
    ]  # fmt: skip
    assert reasons(effect) == [
        "MAX_AUTHORIZATIONS_REACHED",
        "APPLICATION_NAME_MISMATCH",
        "APPLICATION_NAME_MISMATCH",
        "APPLICATION_NAME_MISMATCH",
        "VERSION_MISMATCH",
    ]


def test_R2_a_dry_run_of_a_reissue_tells_that_nothing_is_lost() -> None:
    w = licensed().register("a")
    effect = w.try_upload(issued_at=T0_S + 1, max_nodes=9)
    assert (effect.ends_registration, effect.seats_lost, effect.nodes_rejected, effect.failures) == (False, 0, (), ())
    assert w.try_upload() == Effect(license_of(), False, 0, (), ())


def test_R2_a_dry_run_before_the_first_node_tells_that_nobody_is_there() -> None:
    assert reasons(World().try_upload()) == ["NO_NODES_CONNECTED"]


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("LICENSE_REFUSED", {"method": "OTHER"}),
        ("LICENSE_REFUSED", {"expires_at": T0_S}),
        ("LICENSE_REFUSED", {"issued_at": T0_S + 601}),
        ("LICENSE_OLDER", {"issued_at": T0_S - 1}),
        ("LICENSE_OLDER", {"max_nodes": 9}),
        ("SEATS_IN_USE", {"issued_at": T0_S + 1, "max_nodes": 1}),
    ],
)
def test_R2_a_dry_run_is_refused_as_the_upload_would_be(reason: str, changes: dict[str, Any]) -> None:
    w = licensed().register("a", "b")
    with refused(reason) as tried:
        w.try_upload(**changes)
    with refused(reason) as done:
        w.upload(**changes)
    assert (tried[0].message, tried[0].failures) == (done[0].message, done[0].failures)


# The date of issue


@pytest.mark.parametrize("ahead", [1, 20, 600])
def test_R2_a_license_dated_ahead_by_up_to_10_minutes_works_to_the_end(ahead: int) -> None:
    w = World()
    w.upload(issued_at=T0_S + ahead)
    assert w.state.effective == T0_S * 1000
    w.register("a")
    assert w.node("a") == "LICENSED"
    w.upload(issued_at=T0_S + ahead + 1, max_nodes=5) if ahead < 600 else None
    w.later(MINUTE)
    assert w.state.effective == T0_S * 1000 + MINUTE


def test_R2_a_license_dated_further_ahead_is_refused_naming_both_times() -> None:
    w = World()
    with refused("LICENSE_REFUSED") as caught:
        w.upload(issued_at=T0_S + 100 * DAY_S)
    (failure,) = caught[0].failures
    for said in (failure.detail, caught[0].message):
        assert "2024-02-22 22:13:20 UTC" in said
        assert "2023-11-14 22:13:20 UTC" in said
    assert "Set the clock of the leader daemon's machine right" in failure.remedy
    assert "ask Vendor Ltd <licenses@vendor.example>" in failure.remedy
    assert w.state.effective == T0_S * 1000
    assert w.registration == "UNLICENSED"


def test_R2_a_reissue_dated_ahead_is_refused_and_the_vendors_correction_is_taken() -> None:
    w = licensed().register("a")
    with refused("LICENSE_REFUSED"):
        w.upload(issued_at=T0_S + 100 * DAY_S, expires_at=T0_S + 2 * YEAR_S)
    assert w.registration == "REGISTERED"
    assert w.node("a") == "LICENSED"
    w.later(MINUTE)
    w.upload(issued_at=T0_S + 60, expires_at=T0_S + 2 * YEAR_S)
    assert w.state.license is not None
    assert w.state.license.issued_at == T0_S + 60
    assert w.registration == "REGISTERED"


def test_R2_the_refused_license_is_taken_once_the_leaders_clock_is_right() -> None:
    w = World()
    with refused("LICENSE_REFUSED"):
        w.upload(issued_at=T0_S + 3 * DAY_S)
    w.later(3 * DAY_S * SECOND)
    w.upload(issued_at=T0_S + 3 * DAY_S)


def test_R2_while_the_clock_is_in_doubt_the_remedy_is_the_doubts() -> None:
    w = licensed()
    w.do(c.JudgeLeaderClock(DOUBT))
    with refused("LICENSE_REFUSED") as caught:
        w.upload(issued_at=T0_S + DAY_S)
    assert caught[0].failures[0].remedy == "Set it right, or confirm it. Then upload the license again."


# All reasons at once


def test_R1_a_refused_file_is_told_every_reason_at_once_each_node_named() -> None:
    w = World()
    w.join("a")
    w.join("b", version="9.0")
    with refused("LICENSE_REFUSED") as caught:
        w.upload(method="OTHER", expires_at=T0_S - 1, issued_at=T0_S + DAY_S, name="etl", version="11")
    assert [(str(each.reason), each.node_name) for each in caught[0].failures] == [
        ("CERTIFICATE_TYPE_MISMATCH", ""),
        ("CERTIFICATE_EXPIRED", ""),
        ("CLOCK_UNTRUSTED", ""),
        ("APPLICATION_NAME_MISMATCH", "a"),
        ("VERSION_MISMATCH", "a"),
        ("APPLICATION_NAME_MISMATCH", "b"),
        ("VERSION_MISMATCH", "b"),
    ]
    assert w.state.license is None


def test_R1_what_a_file_is_instead_stands_in_the_remedy_and_never_in_the_detail() -> None:
    failure = certificate_content_incorrect("This file is empty: download it again.")
    assert (failure.title, failure.detail) == ("The content of the certificate is incorrect", "")
    assert failure.remedy == "This file is empty: download it again."


# An end that is past, while the clock can't say so


def test_R2_an_end_that_is_past_by_a_clock_in_doubt_is_asked_about() -> None:
    w = licensed().register("a")
    w.later(MINUTE)
    w.do(c.JudgeLeaderClock(DOUBT))
    past = dataclasses.replace(LICENSE, issued_at=T0_S + 1, expires_at=T0_S + 30)
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(past)
    assert "1 seat: a" in caught[0].message
    assert caught[0].effect is not None
    assert reasons(caught[0].effect) == ["CERTIFICATE_EXPIRED", "CLOCK_UNTRUSTED"]
    assert w.node("a") == "LICENSED"
    w.leave("a")
    with refused("WOULD_END_REGISTRATION") as caught:
        w.upload(past)
    assert "the way to a registration" in caught[0].message
    w.upload(past, replace=True)
    assert w.registration == "EXPIRED"


# The license as it was signed (R37)


def test_R37_a_license_that_was_kept_without_its_signature_is_uploaded_again_and_keeps_the_registration() -> None:
    w = licensed().register("report-1")
    assert (w.state.license, w.state.container_lic) == (LICENSE, "")
    signed = c.UploadLicense(LICENSE, "LOCAL_CONTAINER", "ab" * 16, container_lic="header.claims.signature")
    w.do(signed)
    assert w.state.container_lic == "header.claims.signature"
    assert w.state.registration is not None
    before = w.state
    assert w.do(signed) == ()
    assert w.state.container_lic == before.container_lic
