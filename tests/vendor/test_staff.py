"""The staff's page: nothing without a login, nothing by another site's hand, every act under a name."""

import re
from urllib.parse import urlencode

import pytest
from vendor.commands import Run
from vendor.conftest import WHO
from vendor.deployment import Clock, Deployment, Page, Phone
from vendor.test_alerts import acts, open_alerts
from vendor.test_portal import bindings_in_force

from licd_formats.license import License
from licd_vendor import service
from licd_vendor.staff import passwords
from licd_vendor.store import staff
from licd_vendor.store.database import Database

PASSWORD = "a long enough password"
FORM = {"content-type": "application/x-www-form-urlencoded"}


class Browser:
    """A browser of the staff: keeps the cookie, fills forms in."""

    def __init__(self, page: Phone) -> None:
        self.page = page
        self.cookie = ""

    def look(self, path: str) -> Page:
        return self.page.ask("GET", path, headers={"cookie": self.cookie})

    def post(self, path: str, origin: str = "", /, **fields: str) -> Page:
        sent = {**FORM, "cookie": self.cookie, **({"origin": origin} if origin else {})}
        return self.page.ask("POST", path, urlencode(fields).encode(), sent)

    def log_in(self, password: str = PASSWORD, name: str = "ann") -> Page:
        answer = self.post("/login", name=name, password=password)
        self.cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        return answer

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', self.look("/").text)
        assert found
        return found[1]

    def act(self, path: str, **fields: str) -> Page:
        return self.post(path, csrf=self.csrf(), **fields)


@pytest.fixture(scope="session")
def hashed() -> str:
    return passwords.hash_password(PASSWORD)


@pytest.fixture
def browser(staff_page: Phone, database: Database, clock: Clock, hashed: str) -> Browser:
    with database.writing() as connection:
        staff.put(connection, "ann", hashed, clock())
    return Browser(staff_page)


def test_without_a_login_nothing_is_shown_or_done(browser: Browser, license_: License, database: Database) -> None:
    for path in ("/", "/alerts", "/audit", f"/licenses/{license_.license_id}", "/alerts?all"):
        page = browser.look(path)
        assert (page.status, page.headers["location"]) == (303, "/login")
        assert license_.license_id not in page.text
    assert browser.post(f"/licenses/{license_.license_id}/revoke", sure="yes").status == 303
    assert ("staff:ann", "revoked") not in acts(database)


def test_the_session_is_a_cookie_for_this_site_alone_and_ends(
    browser: Browser, clock: Clock, database: Database
) -> None:
    answer = browser.log_in()
    assert answer.status == 303
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-licd_staff=")
    assert {"httponly", "secure", "path=/", "samesite=strict"} <= {part.strip().lower() for part in cookie.split(";")}
    assert browser.look("/").status == 200
    with database.reading() as connection:
        kept = str(connection.exec_driver_sql("SELECT * FROM staff_sessions").all())
    assert browser.cookie.partition("=")[2] not in kept
    clock.now += 8 * 3600
    assert browser.look("/").status == 303


def test_a_wrong_password_is_refused_and_stands_in_the_audit_table(browser: Browser, database: Database) -> None:
    assert browser.log_in("wrong password").status == 403
    assert browser.log_in(name="my secret password").status == 403
    assert acts(database)[-2:] == [("staff:ann", "login_refused"), ("stranger", "login_refused")]
    with database.reading() as connection:
        assert "my secret" not in str(connection.exec_driver_sql("SELECT * FROM audit").all())


def test_ten_logins_a_minute_and_the_door_is_shut(browser: Browser, clock: Clock) -> None:
    statuses = [browser.post("/login", name="ann", password="x").status for _ in range(11)]
    assert statuses == [403] * 10 + [429]
    assert browser.log_in().status == 429
    clock.now += 60
    assert browser.log_in().status == 303


def test_another_sites_form_does_nothing(browser: Browser, license_: License, database: Database) -> None:
    browser.log_in()
    path = f"/licenses/{license_.license_id}/revoke"
    foreign = "https://evil.example"
    assert browser.post(path, sure="yes").status == 403
    assert browser.post(path, sure="yes", csrf="0" * 64).status == 403
    assert browser.post(path, foreign, sure="yes", csrf=browser.csrf()).status == 403
    assert browser.post(path, "null", sure="yes", csrf=browser.csrf()).status == 403
    assert browser.post("/login", foreign, name="ann", password=PASSWORD).status == 403
    assert browser.look(path).status == 405
    assert ("staff:ann", "revoked") not in acts(database)
    own = f"http://{browser.page.host}:{browser.page.port}"
    assert browser.post(path, own, sure="yes", csrf=browser.csrf()).status == 303


def test_what_cant_be_undone_asks_for_a_tick(browser: Browser, license_: License, database: Database) -> None:
    browser.log_in()
    refused = browser.act(f"/licenses/{license_.license_id}/revoke")
    assert (refused.status, "tick the box" in refused.text) == (409, True)
    assert ("staff:ann", "revoked") not in acts(database)


def test_licenses_are_shown_searched_unbound_and_revoked(
    browser: Browser, license_: License, deployment: Deployment, database: Database, clock: Clock
) -> None:
    service.register(database, deployment.draw(), clock())
    browser.log_in()
    path = f"/licenses/{license_.license_id}"
    assert license_.license_id in browser.look("/?q=ACm").text
    assert license_.license_id not in browser.look("/?q=100%25").text
    page = browser.look(path)
    assert all(word in page.text for word in ("ACME", "Finance", "bound", "0 of 2", "shown", "issued", "15 min"))
    assert deployment.project_key.hex() not in page.text
    assert browser.act(f"{path}/unbind", sure="yes").status == 303
    assert bindings_in_force(database, license_) == 0
    assert browser.act(f"{path}/unbind", sure="yes").status == 409
    assert browser.act(f"{path}/revoke", sure="yes").status == 303
    assert "revoked" in browser.look(path).text
    assert acts(database)[-2:] == [("staff:ann", "unbound"), ("staff:ann", "revoked")]
    assert browser.look("/licenses/none").status == 409


def test_r28_an_alert_is_settled_on_the_page(
    browser: Browser, deployment: Deployment, database: Database, clock: Clock
) -> None:
    service.register(database, deployment.draw(), clock())
    deployment.predecessor = b"restored"
    service.register(database, deployment.draw(), clock())
    (alert,) = open_alerts(database)
    browser.log_in()
    assert "Copied or restored deployment" in browser.look("/alerts").text
    assert "QRs from unknown records</dt><dd>1<" in browser.look(f"/licenses/{deployment.license.license_id}").text
    assert browser.act(f"/alerts/{alert}/settle").status == 409
    assert browser.act(f"/alerts/{alert}/settle", side="refused").status == 303
    assert "No alerts" in browser.look("/alerts").text
    assert "staff:ann" in browser.look("/alerts?all").text
    assert service.name_of(service.register(database, deployment.draw(), clock())) == "shown"


def test_a_name_in_a_license_is_text_and_no_markup(browser: Browser, license_: License, database: Database) -> None:
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE licenses SET company = '<script>alert(1)</script>'")
    browser.log_in()
    for path in ("/", f"/licenses/{license_.license_id}"):
        page = browser.look(path)
        assert "&lt;script&gt;" in page.text
        assert "<script" not in page.text
        assert "unsafe-inline" not in page.headers["content-security-policy"]
        assert page.headers["cache-control"] == "no-store"


def test_log_out_ends_the_session(browser: Browser) -> None:
    browser.log_in()
    cookie = browser.cookie
    assert browser.act("/logout").status == 303
    browser.cookie = cookie
    assert browser.look("/").status == 303


def test_strange_requests_are_refused_in_words(browser: Browser) -> None:
    browser.log_in()
    many = {f"f{at}": "x" for at in range(40)}
    assert browser.post("/login", **many).status == 400
    assert browser.post("/login", name="ann", password="x" * 5000).status == 413
    assert browser.post("/login", name="\udcff".encode(errors="replace").decode(), password="").status == 403
    assert browser.look("/alerts/1x/settle").status == 404
    assert browser.act("/alerts/99999999999999999999/settle", side="refused").status in (404, 409, 503)


def test_staff_is_kept_on_the_command_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LICD_VENDOR_STAFF_PASSWORD", "short")
    assert "12 to 256 characters" in run("staff", "add", "ann").stderr
    monkeypatch.setenv("LICD_VENDOR_STAFF_PASSWORD", PASSWORD)
    assert run("staff", "add", "Ann Lee").exit_code == 1
    assert run("staff", "add", "ann").output == "ann may log in\n"
    assert "logged out" in run("staff", "add", "ann").output
    assert "ann" in run("staff", "list").output
    assert run("staff", "remove", "ann").exit_code == 0
    assert run("staff", "remove", "ann").exit_code == 1
    assert run("staff", "list").output == "nobody\n"
    for act in ("staff_added", "staff_password_changed", "staff_removed"):
        assert act in run("audit").output
    monkeypatch.delenv("LICD_VENDOR_STAFF_PASSWORD")
    assert run("staff", "add", "bob").exit_code == 1
    assert WHO not in run("audit").output
