"""R24 to R28 and R30 as a phone meets them, on a real portal over HTTP."""

import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vendor.conftest import WHO
from vendor.deployment import Clock, Deployment, Page, Phone, logged_answers

from licd_formats.license import License
from licd_vendor import service
from licd_vendor.store import alerts, history
from licd_vendor.store.database import Database


def bindings_in_force(database: Database, license_: License) -> int:
    with database.reading() as connection:
        return sum(row["ended_at"] is None for row in history.bindings_of(connection, license_.license_id))


def alert_kinds(database: Database) -> list[str]:
    with database.reading() as connection:
        return [row["verdict"] for row in alerts.find(connection)]


def test_r25_tap_shows_the_digits_company_project_and_nodes(phone: Phone, deployment: Deployment) -> None:
    page = phone.tap(deployment.qr("042195"))
    assert page.status == 200
    assert page.digits == ["042195"]
    assert all(word in page.text for word in ("ACME", "Finance", "2 of at most 3"))


def test_r25_nothing_is_told_before_the_tap(phone: Phone, deployment: Deployment) -> None:
    page = phone.look(deployment.qr())
    assert page.status == 200
    assert page.digits == []
    assert '<form method="post">' in page.text
    assert "ACME" not in page.text
    assert "Finance" not in page.text


def test_r41_the_outage_grace_is_shown_after_the_tap(
    phone: Phone, deployment: Deployment, license_: License, database: Database
) -> None:
    assert "for</dt><dd>15 min<" in phone.tap(deployment.qr()).text
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE licenses SET outage_grace_seconds = 129600")
    path = deployment.qr()
    assert "1 d 12 h" not in phone.look(path).text
    assert "Programs run without the license daemon for</dt><dd>1 d 12 h<" in phone.tap(path).text
    chinese = {"accept-language": "zh"}
    assert "<dd>1 天 12 小时<" in phone.ask("POST", path, headers=chinese).text


def test_r26_previews_and_crawlers_bind_nothing(
    phone: Phone, deployment: Deployment, database: Database, license_: License
) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        for path in (deployment.qr(), deployment.release_qr()):
            assert phone.ask(method, path).status in (200, 405)
    assert bindings_in_force(database, license_) == 0


def test_paths_ignore_case(phone: Phone, deployment: Deployment) -> None:
    path = deployment.qr("042195")
    for folded in (path.lower(), path.upper(), path.swapcase()):
        assert phone.look(folded).status == 200
        assert phone.tap(folded).digits == ["042195"]


def test_r24_clock_behind_is_told_by_how_much(phone: Phone, deployment: Deployment) -> None:
    deployment.clock_offset = -(3 * 3600 + 12 * 60)
    page = phone.tap(deployment.qr())
    assert page.title == "Your server's clock is 3 h 12 min behind"
    assert page.status == 409
    assert page.digits == []


def test_r24_clock_ahead_is_told_and_binds_nothing(
    phone: Phone, deployment: Deployment, database: Database, license_: License
) -> None:
    deployment.clock_offset = 2 * 86_400 + 3600
    assert phone.tap(deployment.qr()).title == "Your server's clock is 2 d 1 h ahead"
    assert bindings_in_force(database, license_) == 0


def test_r25_reading_twice_shows_the_same_for_five_minutes(phone: Phone, deployment: Deployment, clock: Clock) -> None:
    path = deployment.qr("042195")
    assert phone.tap(path).digits == ["042195"]
    clock.now += 300
    assert phone.tap(path).digits == ["042195"]
    clock.now += 1
    late = phone.tap(path)
    assert late.status == 410
    assert late.digits == []
    assert "Refresh the QR" in late.text


def test_r26_another_project_gets_the_maximum_reached(phone: Phone, deployment: Deployment, license_: License) -> None:
    phone.tap(deployment.qr())
    page = phone.tap(Deployment(license_, deployment.clock).qr())
    assert page.title == "The maximum number of authorizations has been reached"
    assert page.status == 409
    assert page.digits == []


def test_r26_project_key_is_kept_as_a_hash_only(
    phone: Phone, deployment: Deployment, database: Database, license_: License
) -> None:
    phone.tap(deployment.qr("042195"))
    with database.reading() as connection:
        dump = "".join(str(row) for row in history.bindings_of(connection, license_.license_id))
        dump += "".join(str(row) for row in history.scans_of(connection, license_.license_id))
    assert deployment.project_key.hex() not in dump
    assert "042195" not in dump


def test_r26_two_first_scans_at_once_bind_one(
    phone: Phone, license_: License, database: Database, clock: Clock
) -> None:
    paths = [Deployment(license_, clock).qr() for _ in range(8)]
    gate = threading.Barrier(len(paths))

    def scan(path: str) -> Page:
        gate.wait(10)
        return phone.tap(path)

    with ThreadPoolExecutor(len(paths)) as pool:
        statuses = sorted(page.status for page in pool.map(scan, paths))
    assert statuses == [200] + [409] * 7
    assert bindings_in_force(database, license_) == 1


def test_r27_after_unbind_a_new_server_binds_and_the_old_one_does_not(
    phone: Phone, deployment: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    old_path = deployment.qr()
    phone.tap(old_path)
    service.unbind(database, license_.license_id, WHO, clock())
    assert phone.tap(old_path).status == 410
    assert phone.tap(Deployment(license_, clock).qr("777777")).digits == ["777777"]
    assert phone.tap(deployment.qr()).title == "The maximum number of authorizations has been reached"


def test_r27_after_unbind_the_same_server_starts_afresh(
    phone: Phone, deployment: Deployment, database: Database, license_: License, clock: Clock
) -> None:
    phone.tap(deployment.qr())
    service.unbind(database, license_.license_id, WHO, clock())
    deployment.predecessor = b"anything"
    assert phone.tap(deployment.qr("123123")).digits == ["123123"]
    assert alert_kinds(database) == []


def scan_and_register(phone: Phone, deployment: Deployment) -> Page:
    content = deployment.draw()
    page = phone.tap(f"/Q/{deployment.seal(content)}")
    if page.status == 200:
        deployment.registered_with(content)
    return page


def test_r30_release_frees_the_license_for_another_server(
    phone: Phone, deployment: Deployment, license_: License, clock: Clock
) -> None:
    phone.tap(deployment.qr())
    release = deployment.release_qr()
    assert "Release" in phone.look(release).text
    clock.now += 40 * 86_400
    assert phone.tap(release).title == "The license is released"
    assert phone.tap(Deployment(license_, clock).qr("777777")).digits == ["777777"]


def test_r30_release_scanned_again_harms_the_next_binding_not(
    phone: Phone, deployment: Deployment, license_: License, database: Database
) -> None:
    phone.tap(deployment.qr())
    release = deployment.release_qr()
    phone.tap(release)
    phone.tap(Deployment(license_, deployment.clock).qr())
    assert phone.tap(release).title == "The license is released"
    assert bindings_in_force(database, license_) == 1


def tap_and_hang_up(phone: Phone, path: str) -> None:
    """A tap whose answer never comes."""
    with socket.create_connection((phone.host, phone.port), timeout=10) as hasty:
        hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        hasty.sendall(f"POST {path} HTTP/1.1\r\nHost: portal\r\nContent-Length: 0\r\n\r\n".encode())
        hasty.recv(1, socket.MSG_PEEK)  # it was carried out


def test_lost_answers_strand_no_license(
    phone: Phone, deployment: Deployment, license_: License, database: Database, clock: Clock
) -> None:
    path = deployment.qr()
    tap_and_hang_up(phone, path)
    assert bindings_in_force(database, license_) == 1
    assert phone.tap(path).digits == ["042195"]
    tap_and_hang_up(phone, deployment.qr())
    clock.now += 3600
    assert scan_and_register(phone, deployment).status == 200
    release = deployment.release_qr()
    tap_and_hang_up(phone, release)
    assert phone.tap(release).title == "The license is released"
    tap_and_hang_up(phone, Deployment(license_, clock).qr())
    assert bindings_in_force(database, license_) == 1
    assert alert_kinds(database) == []


def test_r30_released_project_key_never_binds_again(phone: Phone, deployment: Deployment) -> None:
    phone.tap(deployment.qr())
    phone.tap(deployment.release_qr())
    page = phone.tap(deployment.qr())
    assert page.title == "This installation has released its license"
    assert page.digits == []


def test_r30_stranger_releases_nothing(
    phone: Phone, deployment: Deployment, license_: License, database: Database
) -> None:
    phone.tap(deployment.qr())
    assert phone.tap(Deployment(license_, deployment.clock).release_qr()).title == "Nothing to release"
    assert bindings_in_force(database, license_) == 1


def test_r30_third_move_in_a_year_is_the_vendors_to_decide(
    phone: Phone, license_: License, clock: Clock, database: Database
) -> None:
    for _ in range(2):
        mover = Deployment(license_, clock)
        phone.tap(mover.qr())
        assert phone.tap(mover.release_qr()).status == 200
    third = Deployment(license_, clock)
    phone.tap(third.qr())
    assert phone.tap(third.release_qr()).title == "Ask your vendor to move this license"
    assert alert_kinds(database) == ["release_limit"]
    assert bindings_in_force(database, license_) == 1
    clock.now += 365 * 86_400
    assert phone.tap(third.release_qr()).status == 200


def test_r25_revoked_and_expired_get_no_code(
    phone: Phone, deployment: Deployment, license_: License, database: Database, clock: Clock
) -> None:
    clock.now = license_.expires_at
    assert phone.tap(deployment.qr()).title == "The certificate has expired"
    service.revoke(database, license_.license_id, WHO, clock())
    assert phone.tap(deployment.qr()).title == "This license was revoked"


def test_purposes_are_not_exchanged(phone: Phone, deployment: Deployment) -> None:
    assert phone.tap(deployment.qr().replace("/Q/", "/R/")).status == 404
    assert phone.tap(deployment.release_qr().replace("/R/", "/Q/")).status == 404


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_mutated_token_is_unreadable_and_never_500(phone: Phone, deployment: Deployment, data: st.DataObject) -> None:
    path = deployment.qr()
    at = data.draw(st.integers(3, len(path) - 1))
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567189_-.~%").filter(lambda c: c != path[at]))
    for method in ("GET", "POST"):
        page = phone.ask(method, path[:at] + other + path[at + 1 :])
        assert page.status == 404
        assert page.digits == []


STRANGE_PATHS = [
    "/",
    "/Q",
    "/Q/",
    "/Q/%00",
    "/Q/%FF%FE",
    "/R/x/y",
    "/static/../app.py",
    "/static/%2e%2e/app.py",
    "/static/none.css",
    "//",
    "/Q/A?x=1",
    "/Q/%F0%9F%92%A9",
    "/Q/" + "A" * 9000,
]


def test_strange_paths_are_refused_in_words(phone: Phone) -> None:
    for path in STRANGE_PATHS:
        for method in ("GET", "POST", "HEAD"):
            assert phone.ask(method, path).status in (404, 405), (method, path)


def test_large_bodies_are_turned_away_unread(phone: Phone, deployment: Deployment) -> None:
    for name, value in (("content-length", "100000000"), ("transfer-encoding", "chunked"), ("content-length", "4097")):
        assert phone.ask("POST", deployment.qr(), headers={name: value}).status == 413


def test_every_answer_is_private(phone: Phone, deployment: Deployment) -> None:
    for page in (phone.look(deployment.qr()), phone.tap(deployment.qr()), phone.tap("/Q/x"), phone.look("/none")):
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "unsafe-inline" not in page.headers["content-security-policy"]
        assert "<script" not in page.text
        assert "style=" not in page.text
        assert "server" not in page.headers or "uvicorn" not in page.headers["server"]


def test_database_that_fails_is_503_in_words(phone: Phone, deployment: Deployment, database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE scans RENAME TO gone")
    page = phone.tap(deployment.qr())
    assert page.status == 503
    assert page.title == "The portal can't answer right now"
    assert page.digits == []
    assert "scans" not in page.text


def test_r25_log_has_the_license_and_verdict_only(phone: Phone, deployment: Deployment) -> None:
    path = deployment.qr("042195")
    with structlog.testing.capture_logs() as entries:
        phone.tap(path)
        phone.look(path)
        phone.look(path + "?token=secret")
        answers = logged_answers(entries, 3)
    assert [(e["license_id"], e["verdict"]) for e in entries if "verdict" in e] == [
        (deployment.license.license_id, "shown")
    ]
    answered = [(e["route"], e["method"], e["status"], e["client"]) for e in answers]
    assert answered == [("register", method, 200, "127.0.0.1") for method in ("POST", "GET", "GET")]
    written = str(entries)
    assert all(
        secret not in written
        for secret in (path[3:20], path[3:20].lower(), "042195", deployment.project_key.hex(), "secret")
    )


def test_what_is_allowed_is_named(phone: Phone, deployment: Deployment) -> None:
    page = phone.ask("PUT", deployment.qr())
    assert page.status == 405
    assert {name.strip() for name in page.headers["allow"].split(",")} == {"GET", "HEAD", "POST"}


def test_healthz(phone: Phone) -> None:
    assert phone.look("/healthz").status == 200
