"""R28: a copied deployment is found out, and nobody honest is taken for one."""

from vendor.conftest import WHO
from vendor.deployment import Clock, Deployment, Phone
from vendor.test_portal import alert_kinds, scan_and_register

from licd_formats.license import License
from licd_vendor import service, views
from licd_vendor.store import alerts
from licd_vendor.store.database import Database


def test_r28_registering_again_and_again_is_no_copy(phone: Phone, deployment: Deployment, database: Database) -> None:
    for _ in range(4):
        assert phone.tap(deployment.qr()).status == 200  # refreshed before its code was typed
        assert scan_and_register(phone, deployment).status == 200
    assert alert_kinds(database) == []


def test_r28_copied_deployment_is_found(phone: Phone, deployment: Deployment, database: Database) -> None:
    scan_and_register(phone, deployment)
    copied = deployment.copy()
    scan_and_register(phone, deployment)
    scan_and_register(phone, deployment)
    page = scan_and_register(phone, copied)
    assert page.title == "This installation was copied or restored"
    assert page.status == 409
    assert page.digits == []
    assert alert_kinds(database) == ["copied"]
    assert scan_and_register(phone, deployment).status == 200


def test_r28_two_copies_do_not_take_turns(phone: Phone, deployment: Deployment, database: Database) -> None:
    scan_and_register(phone, deployment)
    copied = deployment.copy()
    assert scan_and_register(phone, deployment).status == 200
    assert scan_and_register(phone, copied).status == 200  # under the same head: not yet to be told apart
    assert scan_and_register(phone, deployment).status == 200
    assert scan_and_register(phone, copied).status == 409
    assert alert_kinds(database) == ["copied"]


def test_r28_page_of_a_superseded_qr_raises_no_alert(
    phone: Phone, deployment: Deployment, database: Database, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    stale = deployment.qr()
    phone.tap(stale)
    scan_and_register(phone, deployment)
    scan_and_register(phone, deployment)
    clock.now += 301
    assert phone.tap(stale).status == 410
    assert alert_kinds(database) == []


def test_r28_an_old_qr_is_scanned_for_the_first_time_after_others_were_used(
    phone: Phone, deployment: Deployment, database: Database, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    photo = deployment.qr()
    for _ in range(3):
        clock.now += 60
        assert scan_and_register(phone, deployment).status == 200
    assert phone.tap(photo).title == "This QR code is too old"
    assert alert_kinds(database) == []
    assert scan_and_register(phone, deployment).status == 200


def unknown_predecessors(database: Database, license_: License, clock: Clock) -> int:
    """What `licd-vendor show` counts."""
    with database.reading() as connection:
        return int(views.one_license(connection, license_.license_id, clock())["unknown_predecessors"])


def moved_on(phone: Phone, deployment: Deployment, clock: Clock) -> None:
    """Register until the portal has forgotten what was shown before."""
    for _ in range(3):
        clock.now += 10
        assert scan_and_register(phone, deployment).status == 200


def test_r28_a_copy_whose_clock_is_behind_is_found_at_its_second_qr(
    phone: Phone, deployment: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    copied = deployment.copy()
    copied.clock_offset = -500
    moved_on(phone, deployment, clock)
    first = copied.qr()
    assert [phone.tap(first).status for _ in range(3)] == [410] * 3
    assert (alert_kinds(database), unknown_predecessors(database, license_, clock)) == ([], 1)
    clock.now += 60
    second = copied.qr()
    assert [phone.tap(second).title for _ in range(2)] == ["This installation was copied or restored"] * 2
    assert (alert_kinds(database), unknown_predecessors(database, license_, clock)) == (["copied"], 2)
    assert phone.tap(first).status == 410, "the same challenge gets the same answer"
    assert scan_and_register(phone, deployment).status == 200


def test_r28_each_unknown_predecessor_has_an_old_qr_of_its_own(
    phone: Phone, deployment: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    photos = []
    for _ in range(3):
        scan_and_register(phone, deployment)
        photos.append(deployment.qr())
        clock.now += 10
    moved_on(phone, deployment, clock)
    assert [phone.tap(photo).status for photo in photos] == [410] * 3
    assert (alert_kinds(database), unknown_predecessors(database, license_, clock)) == ([], 3)
    assert scan_and_register(phone, deployment).status == 200


def test_r28_an_old_qr_of_a_known_predecessor_does_not_count(
    phone: Phone, deployment: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    shown, never_scanned = deployment.qr(), deployment.qr()
    phone.tap(shown)
    clock.now += 301
    assert phone.tap(shown).status == 410, "shown more than 5 minutes ago"
    assert unknown_predecessors(database, license_, clock) == 0
    moved_on(phone, deployment, clock)
    assert phone.tap(never_scanned).status == 410, "the first that was scanned too late under this predecessor"
    assert (alert_kinds(database), unknown_predecessors(database, license_, clock)) == ([], 1)


def test_r28_a_new_binding_begins_with_no_old_qrs(
    phone: Phone, deployment: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    copied = deployment.copy()
    copied.clock_offset = -500
    moved_on(phone, deployment, clock)
    assert phone.tap(copied.qr()).status == 410
    service.unbind(database, license_.license_id, WHO, clock())
    moved_on(phone, deployment, clock)
    assert phone.tap(copied.qr()).status == 410
    assert alert_kinds(database) == []


def test_r28_a_code_that_is_never_typed_is_no_copy(
    phone: Phone, deployment: Deployment, database: Database, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    for _ in range(3):
        clock.now += 86_400
        assert phone.tap(deployment.qr()).status == 200
    assert scan_and_register(phone, deployment).status == 200
    assert alert_kinds(database) == []


def test_r28_a_restored_backup_that_nobody_went_past_is_no_copy(
    phone: Phone, deployment: Deployment, database: Database, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    backup = deployment.copy()
    clock.now += 86_400
    phone.tap(deployment.qr())  # its code is never typed, and the machine is lost
    for _ in range(2):
        assert scan_and_register(phone, backup).status == 200
    assert alert_kinds(database) == []


def test_r28_alert_is_raised_once_for_one_qr(phone: Phone, deployment: Deployment, database: Database) -> None:
    scan_and_register(phone, deployment)
    deployment.predecessor = b"restored"
    path = deployment.qr()
    assert [phone.tap(path).status for _ in range(3)] == [409] * 3
    with database.reading() as connection:
        assert [row["times"] for row in alerts.find(connection)] == [3]
