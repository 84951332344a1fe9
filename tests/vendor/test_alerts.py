"""R28, R30: an alert is settled with one command, for one of two installations; every act stands in the audit table."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from vendor.commands import CONTRACT, Run, read_license
from vendor.conftest import WHO
from vendor.deployment import Clock, Deployment, Phone
from vendor.test_portal import bindings_in_force, scan_and_register

from licd_formats.license import License
from licd_vendor import clock as vendor_clock
from licd_vendor import service, views
from licd_vendor.domain.settle import Side
from licd_vendor.errors import RefusedError
from licd_vendor.store import alerts, audit
from licd_vendor.store.database import Database, default_url, open_database


def open_alerts(database: Database) -> list[int]:
    with database.reading() as connection:
        return [row["scan_id"] for row in alerts.find(connection)]


def acts(database: Database) -> list[tuple[str, str]]:
    """Who did what, oldest first."""
    with database.reading() as connection:
        return [(one["who"], one["act"]) for one in reversed(audit.entries(connection, 100))]


@pytest.fixture
def copied(phone: Phone, deployment: Deployment) -> Deployment:
    """A copy that was left behind, and has been refused."""
    scan_and_register(phone, deployment)
    copy = deployment.copy()
    scan_and_register(phone, deployment)
    scan_and_register(phone, deployment)
    assert scan_and_register(phone, copy).status == 409
    return copy


def test_r28_settled_for_the_registered_one_nothing_changes(
    phone: Phone, deployment: Deployment, copied: Deployment, database: Database, clock: Clock
) -> None:
    (alert,) = open_alerts(database)
    service.settle(database, alert, Side.REGISTERED, WHO, clock())
    assert open_alerts(database) == []
    assert scan_and_register(phone, deployment).status == 200
    assert scan_and_register(phone, copied).status == 409
    assert len(open_alerts(database)) == 1, "the copy's next QR raises another"


def test_r28_settled_for_the_refused_one_it_goes_on_and_the_other_stops(
    phone: Phone, deployment: Deployment, copied: Deployment, database: Database, clock: Clock
) -> None:
    (alert,) = open_alerts(database)
    service.settle(database, alert, Side.REFUSED, WHO, clock())
    assert scan_and_register(phone, copied).status == 200
    assert scan_and_register(phone, deployment).status == 409
    assert scan_and_register(phone, copied).status == 200


def test_r28_an_old_qr_of_the_one_that_was_right_is_no_copys(
    phone: Phone, deployment: Deployment, database: Database, clock: Clock
) -> None:
    scan_and_register(phone, deployment)
    restored = deployment.copy()
    restored.clock_offset = -300
    for _ in range(3):
        scan_and_register(phone, deployment)
    assert [scan_and_register(phone, restored).status for _ in range(2)] == [410, 409]
    (alert,) = open_alerts(database)
    service.settle(database, alert, Side.REFUSED, WHO, clock())
    photo = restored.qr()
    for _ in range(3):
        assert scan_and_register(phone, restored).status == 200
    assert phone.tap(photo).status == 410
    assert open_alerts(database) == []


def test_r28_an_alert_is_settled_once(copied: Deployment, database: Database, clock: Clock) -> None:
    (alert,) = open_alerts(database)
    service.settle(database, alert, Side.REGISTERED, WHO, clock())
    with pytest.raises(RefusedError, match="settled before"):
        service.settle(database, alert, Side.REFUSED, WHO, clock())
    with pytest.raises(RefusedError, match="there is none"):
        service.settle(database, alert + 1000, Side.REFUSED, WHO, clock())


def test_r28_an_alert_of_a_binding_that_is_over_moves_nothing(
    copied: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    (alert,) = open_alerts(database)
    service.unbind(database, license_.license_id, WHO, clock())
    with pytest.raises(RefusedError, match="its binding has ended"):
        service.settle(database, alert, Side.REFUSED, WHO, clock())
    service.settle(database, alert, Side.REGISTERED, WHO, clock())


def test_r30_a_release_beyond_the_limit_is_granted(
    phone: Phone, license_: License, database: Database, clock: Clock
) -> None:
    for _ in range(2):
        mover = Deployment(license_, clock)
        phone.tap(mover.qr())
        assert phone.tap(mover.release_qr()).status == 200
    third = Deployment(license_, clock)
    phone.tap(third.qr())
    release = third.release_qr()
    assert phone.tap(release).status == 409
    with database.reading() as connection:
        shown = views.one_license(connection, license_.license_id, clock())
    assert (shown["self_releases"], shown["self_releases_per_year"]) == (2, 2), "R30: shown to the vendor"
    (alert,) = open_alerts(database)
    service.settle(database, alert, Side.REFUSED, WHO, clock())
    assert bindings_in_force(database, license_) == 0
    assert phone.tap(release).title == "The license is released"
    assert phone.tap(third.qr()).title == "This installation has released its license"
    assert phone.tap(Deployment(license_, clock).qr("777777")).digits == ["777777"]


def test_every_act_stands_in_the_audit_table(
    phone: Phone, deployment: Deployment, copied: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    (alert,) = open_alerts(database)
    service.settle(database, alert, Side.REGISTERED, "staff:ann", clock())
    phone.tap(deployment.release_qr())
    phone.tap(Deployment(license_, clock).qr())
    service.unbind(database, license_.license_id, "staff:ann", clock())
    service.revoke(database, license_.license_id, WHO, clock())
    assert acts(database) == [
        (WHO, "issued"),
        ("portal", "bound"),
        ("portal", "alert_raised"),
        ("staff:ann", "alert_settled"),
        ("portal", "released"),
        ("portal", "bound"),
        ("staff:ann", "unbound"),
        (WHO, "revoked"),
    ]


def test_what_is_rolled_back_stands_in_no_audit_table(database: Database, license_: License, clock: Clock) -> None:
    before = acts(database)
    with pytest.raises(RefusedError):
        service.unbind(database, license_.license_id, WHO, clock())
    assert acts(database) == before


def test_alerts_and_audit_on_the_command_line(run: Run, tmp_path: Path) -> None:
    assert run("keygen", "--no-passphrase", "--vendor-name", "V", "--vendor-email", "v@vendor.example").exit_code == 0
    run(*CONTRACT)
    issued = run(
        "issue", "--contract", "1", "--from", "ops@acme.example", "--company", "ACME", "--days", "30",
        "--portal-url", "http://127.0.0.1:8600", "--out", str(tmp_path / "Container.lic"),
        "--mail", str(tmp_path / "answer.eml"),
    )  # fmt: skip
    assert issued.exit_code == 0, issued.output
    deployment = Deployment(read_license(tmp_path), Clock(vendor_clock.now()))
    with closing(open_database(default_url(tmp_path / "home"))) as database:
        service.register(database, deployment.draw(), vendor_clock.now())
        deployment.predecessor = b"restored"
        service.register(database, deployment.draw(), vendor_clock.now())
    (alert,) = json.loads(run("alerts", "--output", "json").output)
    assert "copied" in run("alerts").output
    assert run("settle", str(alert["alert_id"])).exit_code == 2
    settled = run("settle", str(alert["alert_id"]), "--for", "registered")
    assert (settled.exit_code, "is settled" in settled.output) == (0, True)
    assert run("alerts").output == "no alerts\n"
    (shown,) = json.loads(run("alerts", "--all", "--output", "json").output)
    assert (shown["settled_for"], shown["settled_by"][:4]) == ("registered", "cli:")
    assert run("settle", str(alert["alert_id"]), "--for", "refused").exit_code == 1
    names = [one["act"] for one in json.loads(run("audit", "--limit", "3", "--output", "json").output)]
    assert names == ["alert_settled", "alert_raised", "bound"]
    assert "alert_settled" in run("audit", "--license", alert["license_id"].upper()).output
    assert json.loads(run("show", alert["license_id"], "--output", "json").output)["self_releases"] == 0
