"""R2, R3, R19, R30: the license, its expiry, recertification and release."""

import pytest
from msgspec.structs import replace
from unit.core.world import DAY, HOUR, OTHER_ID, T0_S, YEAR_S, World, license_of, licensed, refused

from licd_daemon.core import commands as c
from licd_daemon.core.checks import certificate_content_incorrect

DAY_S = 86_400


def warnings(w: World, spans: range) -> list[tuple[int, int]]:
    """(days from the beginning, days warned of) as days go by."""
    found = []
    for day in spans:
        found += [(day, event.days) for event in w.until(T0_S + day * DAY_S) if type(event).__name__ == "ExpiryNear"]  # type: ignore[union-attr]
    return found


def test_R2_a_refused_upload_leaves_the_license_and_the_registration() -> None:
    w = licensed().register("a")
    with refused("LICENSE_REFUSED") as caught:
        w.upload(certificate_content_incorrect())
    assert [failure.title for failure in caught[0].failures] == ["The content of the certificate is incorrect"]
    with refused("LICENSE_REFUSED"):
        w.upload(method="OTHER", max_nodes=9, issued_at=T0_S + 1)
    assert w.state.license == license_of()
    assert w.registration == "REGISTERED"
    assert w.node("a") == "LICENSED"


def test_R2_every_fault_of_an_upload_is_told() -> None:
    w = World()
    with refused("LICENSE_REFUSED") as caught:
        w.upload(method="OTHER", expires_at=T0_S)
    assert [str(f.reason) for f in caught[0].failures] == ["CERTIFICATE_TYPE_MISMATCH", "CERTIFICATE_EXPIRED"]
    assert w.registration == "UNLICENSED"
    assert w.state.last_failures == tuple(replace(each, at=w.now.wall) for each in caught[0].failures)


def test_R2_a_license_of_another_id_needs_a_new_registration() -> None:
    w = licensed().register("a")
    key = w.state.project_key
    w.upload(license_id=OTHER_ID, replace=True)
    assert w.registration == "UNREGISTERED"
    assert w.node("a") == "PENDING"
    assert w.state.project_key == key
    assert w.state.challenge is None
    w.register()
    assert w.node("a") == "LICENSED"


def test_R2_a_later_reissue_keeps_the_registration_and_seats_those_who_wait() -> None:
    w = licensed(max_nodes=1).register("a")
    w.join("b")
    w.upload(max_nodes=2, issued_at=T0_S + 1, expires_at=T0_S + 2 * YEAR_S)
    assert w.registration == "REGISTERED"
    assert w.nodes("a", "b") == "LICENSED LICENSED"


def test_R2_an_older_issue_is_refused_for_ever() -> None:
    w = licensed(issued_at=T0_S + 10)
    for issued_at in (T0_S + 9, T0_S + 10):
        with refused("LICENSE_OLDER"):
            w.upload(issued_at=issued_at, max_nodes=9)
    w.upload(license_id=OTHER_ID)
    with refused("LICENSE_OLDER"):
        w.upload(issued_at=T0_S + 9)
    w.upload(issued_at=T0_S + 10)
    w.release()
    w.restart()
    with refused("LICENSE_OLDER"):
        w.upload(issued_at=T0_S + 9)
    w.upload(issued_at=T0_S + 10)


def test_R2_uploading_the_license_in_force_again_changes_nothing() -> None:
    w = licensed().register("a")
    w.upload()
    assert w.kinds() == []


def test_R2_a_reissue_for_fewer_nodes_than_hold_a_seat_is_refused_naming_them() -> None:
    w = licensed(max_nodes=3).register("a", "b", "c")
    with refused("SEATS_IN_USE") as caught:
        w.upload(max_nodes=2, issued_at=T0_S + 1)
    assert "a, b, c" in caught[0].message
    w.leave("b")
    w.upload(max_nodes=2, issued_at=T0_S + 1)
    assert w.nodes("a", "c") == "LICENSED LICENSED"


@pytest.mark.parametrize("how", ["draining", "recovering"])
def test_R2_draining_and_recovering_seats_count_against_a_reissue_for_fewer(how: str) -> None:
    w = licensed(max_nodes=2).register("a", "b")
    if how == "draining":
        w.evict("b")
    else:
        w.restart()
    with refused("SEATS_IN_USE") as caught:
        w.upload(max_nodes=1, issued_at=T0_S + 1)
    assert "a, b" in caught[0].message
    if how == "draining":
        w.drained("b")
    else:
        w.silent("b")
    w.upload(max_nodes=1, issued_at=T0_S + 1)


def test_R2_a_reissue_for_another_version_drains_the_seats_of_those_who_no_longer_match() -> None:
    w = licensed(max_nodes=2).register("a")
    w.join("b", version="11.0")
    assert w.nodes("a", "b") == "LICENSED REJECTED"
    w.upload(version="11.0", issued_at=T0_S + 1, max_nodes=1, replace=True)
    assert w.nodes("a", "b") == "REJECTED WAITING"
    w.drained("a")
    assert w.nodes("a", "b") == "REJECTED LICENSED"
    assert w.registration == "REGISTERED"


def test_R3_the_license_ends_at_its_instant() -> None:
    w = licensed().register("a")
    w.later(YEAR_S * 1000 - 1)
    assert w.registration == "REGISTERED"
    assert w.node("a") == "LICENSED"
    w.later(1)
    assert w.kinds()[0] == "LicenseExpired"
    assert w.registration == "EXPIRED"
    assert w.node("a") == "REJECTED"
    assert w.reasons("a") == ["CERTIFICATE_EXPIRED"]
    w.later(1)
    assert "LicenseExpired" not in w.kinds()


def test_R3_after_the_end_nobody_gets_a_seat_and_no_challenge_is_drawn() -> None:
    w = licensed().register("a")
    challenge_id = w.challenge()
    w.until(T0_S + YEAR_S)
    w.join("b")
    w.drained("a")
    assert w.nodes("a", "b") == "REJECTED REJECTED"
    with refused("REGISTRATION_REFUSED"):
        w.challenge()
    with refused("CHALLENGE_EXPIRED"):
        w.code(challenge_id)


def test_R3_a_reissue_after_the_end_seats_everyone_again() -> None:
    w = licensed(max_nodes=2).register("a", "b")
    w.until(T0_S + YEAR_S)
    w.drained("b")
    w.join("c")
    w.upload(issued_at=T0_S + YEAR_S, expires_at=T0_S + 2 * YEAR_S)
    assert w.registration == "REGISTERED"
    assert w.nodes("a", "b", "c") == "LICENSED LICENSED WAITING"


def test_R3_30_7_and_1_days_before_there_is_one_warning_each() -> None:
    w = licensed(expires_at=T0_S + 40 * DAY_S)
    w.register("a")
    assert warnings(w, range(40)) == [(10, 30), (33, 7), (39, 1)]


def test_R3_a_warning_is_not_repeated_after_a_restart() -> None:
    w = licensed(expires_at=T0_S + 40 * DAY_S)
    assert warnings(w, range(12)) == [(10, 30)]
    w.restart()
    assert warnings(w, range(12, 40)) == [(33, 7), (39, 1)]


def test_R3_a_reissue_warns_anew() -> None:
    w = licensed(expires_at=T0_S + 20 * DAY_S)
    assert warnings(w, range(2)) == [(0, 30)]
    w.upload(issued_at=T0_S + 1, expires_at=T0_S + 60 * DAY_S)
    assert warnings(w, range(2, 60)) == [(30, 30), (53, 7), (59, 1)]


def test_R19_a_registration_older_than_recertify_days_is_over_after_warnings() -> None:
    w = licensed(recertify_days=90).register("a")
    assert warnings(w, range(90)) == [(60, 30), (83, 7), (89, 1)]
    w.later(DAY - 1)
    assert w.registration == "REGISTERED"
    w.later(1)
    assert w.registration == "UNREGISTERED"
    assert w.node("a") == "PENDING"
    w.register()
    w.later(HOUR)
    assert w.node("a") == "LICENSED"


def test_R19_without_the_claim_a_registration_lives_on() -> None:
    w = licensed(expires_at=T0_S + 10 * YEAR_S).register("a")
    w.until(T0_S + 9 * YEAR_S)
    assert w.node("a") == "LICENSED"


def test_R30_a_release_ends_registration_seats_license_and_project_key() -> None:
    w = licensed().register("a")
    key = w.state.project_key
    w.release()
    assert w.registration == "UNLICENSED"
    assert w.node("a") == "PENDING"
    assert w.state.project_key is None
    assert w.state.predecessor == ""
    released = w.state.release
    assert released is not None
    assert released.url == "https://portal/R/X"
    with refused("NO_LICENSE"):
        w.do(c.CreateChallenge("c" * 16, OTHER_ID, "https://portal/Q/X"))
    w.restart()
    assert w.state.release == released
    w.challenges += 1
    w.upload(license_id=OTHER_ID)
    assert w.state.release is None
    assert w.state.project_key != key


def test_R30_a_released_seat_drains_before_the_next_registration_gives_it_to_another() -> None:
    w = licensed(max_nodes=1).register("a")
    w.release()
    w.evict("a")
    w.upload(license_id=OTHER_ID, max_nodes=1)
    w.register("b")
    assert w.node("b") == "WAITING"
    w.drained("a")
    assert w.node("b") == "LICENSED"
