"""R28: a copied deployment is found out, and nobody honest is taken for one."""

from vendor.deployment import Clock, Deployment, Phone
from vendor.test_portal import alert_kinds, scan_and_register

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
