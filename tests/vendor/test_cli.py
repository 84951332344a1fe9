"""`licd-vendor` as a vendor uses it: R27, R29, exit codes, and what is on disk afterwards."""

import email
import email.message
import email.policy
import json
import signal
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import Result
from vendor.commands import CONTRACT, Run, read_license, serving
from vendor.deployment import Clock, Deployment

from licd_vendor import clock


@pytest.fixture
def vendor(run: Run) -> Run:
    """A vendor with keys and contract 1."""
    made = run("keygen", "--no-passphrase", "--vendor-name", "Vendor", "--vendor-email", "licenses@vendor.example")
    assert made.exit_code == 0, made.output
    assert run(*CONTRACT).output == "1\n"
    return run


@pytest.fixture
def issue(vendor: Run, tmp_path: Path) -> Run:
    def invoke(**changes: str | None) -> Result:
        options: dict[str, str | None] = {
            "contract": "1",
            "from": "ops@acme.example",
            "company": "ACME",
            "days": "30",
            "portal-url": "http://127.0.0.1:8600",
            "out": str(tmp_path / "Container.lic"),
            "mail": str(tmp_path / "answer.eml"),
        }
        options |= changes
        given = [part for name, value in options.items() if value is not None for part in (f"--{name}", value)]
        return vendor("issue", *given)

    return invoke


def mail_text(tmp_path: Path) -> str:
    """What the customer reads in the answer."""
    message = email.message_from_bytes((tmp_path / "answer.eml").read_bytes(), policy=email.policy.default)
    body = message.get_body()
    assert isinstance(body, email.message.EmailMessage)
    return str(body.get_content())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keygen_keeps_secrets_to_their_owner(vendor: Run, tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert mode(home) == 0o700
    assert {name: mode(home / name) for name in ("signing.key", "portal.key", "licd-vendor.db")} == {
        "signing.key": 0o600,
        "portal.key": 0o600,
        "licd-vendor.db": 0o600,
    }
    assert "private" not in (home / "vendor-keys.json").read_text()


def test_keygen_never_writes_over_a_key(vendor: Run, tmp_path: Path) -> None:
    before = (tmp_path / "home" / "signing.key").read_bytes()
    again = vendor("keygen", "--no-passphrase")
    assert again.exit_code == 1
    assert "never written over" in again.stderr
    assert (tmp_path / "home" / "signing.key").read_bytes() == before


@pytest.mark.parametrize("missing", ["signing.key", "portal.key"])
def test_issue_without_keys_names_the_remedy(issue: Run, tmp_path: Path, missing: str) -> None:
    (tmp_path / "home" / missing).unlink()
    refused = issue()
    assert refused.exit_code == 1
    assert "licd-vendor keygen" in refused.stderr


def test_r29_issue_writes_the_license_and_the_mail_that_carries_it(issue: Run, tmp_path: Path) -> None:
    assert issue().exit_code == 0
    license_ = read_license(tmp_path)
    assert (license_.company, license_.project, license_.max_nodes) == ("ACME", "Finance", 1)
    assert (license_.vendor.name, license_.vendor.email) == ("Vendor", "licenses@vendor.example")
    message = email.message_from_bytes((tmp_path / "answer.eml").read_bytes(), policy=email.policy.default)
    assert message["To"] == "ops@acme.example"
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "Container.lic"
    assert attachment.get_content() == (tmp_path / "Container.lic").read_bytes()


def test_r29_company_and_sender_match_whatever_their_case(issue: Run, tmp_path: Path) -> None:
    assert issue(**{"from": "OPS@Acme.example", "company": " acme "}).exit_code == 0
    assert read_license(tmp_path).company == "ACME"


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"from": "stranger@acme.example"}, "R29: the mail must come from the contract's address"),
        ({"company": ""}, "R29: the mail must name the company"),
        ({"company": "Other"}, "R29: the company must be the contract's"),
        ({"nodes": "4"}, "R29: 4 nodes asked for; contract 1 allows 1 to 3"),
        ({"nodes": "0"}, "R29: 0 nodes asked for"),
        ({"days": None, "expires": "2020-01-01"}, "R29: the license would have expired"),
        ({"days": None, "expires": "2031-02-30"}, "expires: not a date"),
        ({"contract": "9"}, "contract 9: there is none"),
        ({"portal-url": "https://portal.example/path"}, "portal url: not http(s)://host[:port]"),
        ({"portal-url": "https://" + "a" * 60}, "portal url: not 1 to 59 characters long"),
        ({"reissue": "3f2b8c1e-6a4d-4e0b-9c57-2d1f0a9b8c7d"}, "there is none"),
    ],
    ids=str,
)
def test_r29_refusal_names_the_rule_and_writes_nothing(
    issue: Run, vendor: Run, tmp_path: Path, changes: dict[str, str | None], word: str
) -> None:
    refused = issue(**changes)
    assert refused.exit_code == 1
    assert word in refused.stderr
    assert not (tmp_path / "Container.lic").exists()
    assert json.loads(vendor("list", "--output", "json").output) == []


@pytest.mark.parametrize(
    "changes", [{"days": None}, {"expires": "2031-01-01"}, {"days": "0"}, {"company": None}], ids=str
)
def test_usage_is_exit_code_2(issue: Run, changes: dict[str, str | None]) -> None:
    assert issue(**changes).exit_code == 2


def test_r29_file_that_cannot_be_written_leaves_no_license_behind(issue: Run, vendor: Run, tmp_path: Path) -> None:
    assert issue(mail=str(tmp_path / "no" / "such" / "folder.eml")).exit_code == 1
    assert json.loads(vendor("list", "--output", "json").output) == []


@pytest.fixture(params=["UTC", "America/Los_Angeles", "Asia/Shanghai", "Pacific/Kiritimati", "Etc/GMT+12"])
def vendors_zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The time zone of the machine that issues."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield request.param
    time.tzset()


def test_r3_a_license_lasts_through_its_last_day_in_every_time_zone(
    issue: Run, tmp_path: Path, vendors_zone: str
) -> None:
    zone = vendors_zone
    assert issue(days=None, expires="2099-12-31").exit_code == 0
    ends = datetime.fromtimestamp(read_license(tmp_path).expires_at, ZoneInfo(zone))
    assert ends >= datetime(2100, 1, 1, tzinfo=ZoneInfo(zone))
    assert clock.iso(read_license(tmp_path).expires_at) == "2100-01-01T12:00:00Z"
    assert "until 2100-01-01 12:00 UTC" in mail_text(tmp_path)


def test_a_license_may_end_with_the_calendar(issue: Run, tmp_path: Path) -> None:
    assert issue(days=None, expires="9999-12-31").exit_code == 0
    assert clock.iso(read_license(tmp_path).expires_at) == "9999-12-31T23:59:59Z"
    assert "until 9999-12-31 23:59 UTC" in mail_text(tmp_path)


def test_r3_a_last_day_may_be_today_and_not_yesterday(issue: Run) -> None:
    today = datetime.now(UTC).date()
    assert issue(days=None, expires=str(today)).exit_code == 0
    refused = issue(days=None, expires=str(today - timedelta(days=1)))
    assert (refused.exit_code, "would have expired" in refused.stderr) == (1, True)


def test_r41_the_outage_grace_is_the_contracts_unless_the_vendor_chooses_another(
    issue: Run, vendor: Run, tmp_path: Path
) -> None:
    assert "for 1 node until" in issue().output
    assert read_license(tmp_path).outage_grace_seconds == 900
    assert "programs may run for 15 min while" in mail_text(tmp_path)
    assert vendor(*CONTRACT, "--outage-grace", "24h").output == "2\n"
    assert issue(contract="2").exit_code == 0
    license_ = read_license(tmp_path)
    assert license_.outage_grace_seconds == 86_400
    assert "programs may run for 1 d while" in mail_text(tmp_path)
    assert "1 d" in vendor("contract", "list").output
    assert json.loads(vendor("contract", "show", "2", "--output", "json").output)["outage_grace_seconds"] == 86_400
    assert json.loads(vendor("show", license_.license_id, "--output", "json").output)["outage_grace_seconds"] == 86_400
    assert issue(contract="2", reissue=license_.license_id, **{"outage-grace": "0"}).exit_code == 0
    assert read_license(tmp_path).outage_grace_seconds == 0
    assert "programs may run for 0 s while" in mail_text(tmp_path)
    assert json.loads(vendor("show", license_.license_id, "--output", "json").output)["outage_grace_seconds"] == 0


@pytest.mark.parametrize(
    ("span", "seconds"),
    [("90s", 90), ("90", 90), ("15m", 900), ("15 min", 900), ("2H", 7200), ("7d", 604_800), ("0", 0)],
)
def test_r41_the_outage_grace_is_a_duration(issue: Run, tmp_path: Path, span: str, seconds: int) -> None:
    assert issue(**{"outage-grace": span}).exit_code == 0
    assert read_license(tmp_path).outage_grace_seconds == seconds


@pytest.mark.parametrize(
    ("span", "code"), [("soon", 2), ("-1", 2), ("1.5h", 2), ("7d1s", 2), ("8d", 1), ("604801s", 1)]
)
def test_r41_an_outage_grace_beyond_7_days_is_refused(issue: Run, run: Run, span: str, code: int) -> None:
    for refused in (issue(**{"outage-grace": span}), run(*CONTRACT, "--outage-grace", span)):
        assert refused.exit_code == code
        assert "outage" in refused.stderr
        assert "grace" in refused.stderr


def test_r5_the_lowest_version_is_the_contracts_unless_the_vendor_chooses_another(
    issue: Run, vendor: Run, tmp_path: Path
) -> None:
    assert issue().exit_code == 0
    assert read_license(tmp_path).application.min_version == ""
    assert vendor(*CONTRACT, "--min-version", "10.0.19").output == "2\n"
    assert issue(contract="2").exit_code == 0
    license_ = read_license(tmp_path)
    assert license_.application.min_version == "10.0.19"
    assert "Application: report-server 10.0, at least 10.0.19" in mail_text(tmp_path)
    assert "10.0.19" in vendor("contract", "list").output
    assert json.loads(vendor("contract", "show", "2", "--output", "json").output)["min_version"] == "10.0.19"
    assert json.loads(vendor("show", license_.license_id, "--output", "json").output)["min_version"] == "10.0.19"
    assert issue(contract="2", **{"min-version": ""}).exit_code == 0
    assert read_license(tmp_path).application.min_version == ""


@pytest.mark.parametrize("version", ["11", "10.1", "10.1.3", "x" * 65, "1\x1b"])
def test_r5_a_lowest_version_that_admits_none_is_refused(issue: Run, run: Run, version: str) -> None:
    for refused in (issue(**{"min-version": version}), run(*CONTRACT, "--min-version", version)):
        assert refused.exit_code == 1
        assert "min version" in refused.stderr


def test_r2_reissue_keeps_the_id_and_is_later(issue: Run, vendor: Run, tmp_path: Path) -> None:
    issue()
    first = read_license(tmp_path)
    assert issue(reissue=first.license_id, nodes="3", days="60").exit_code == 0
    second = read_license(tmp_path)
    assert second.license_id == first.license_id
    assert second.issued_at > first.issued_at
    assert second.max_nodes == 3
    (listed,) = json.loads(vendor("list", "--output", "json").output)
    assert listed["max_nodes"] == 3
    shown = json.loads(vendor("show", first.license_id, "--output", "json").output)
    assert [one["max_nodes"] for one in shown["issues"]] == [3, 1]


def test_r2_reissue_of_a_revoked_or_foreign_license_is_refused(issue: Run, vendor: Run, tmp_path: Path) -> None:
    issue()
    license_id = read_license(tmp_path).license_id
    vendor(*CONTRACT)
    assert "is of contract 1" in issue(reissue=license_id, contract="2").stderr
    assert vendor("revoke", license_id).exit_code == 0
    assert vendor("revoke", license_id).exit_code == 0
    assert "was revoked" in issue(reissue=license_id).stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--email", "nobody"),
        ("--company", "a\x1b[2Jb"),
        ("--max-nodes", "0"),
        ("--min-build-date", "20211030"),
        ("--self-releases", "-1"),
    ],
)
def test_contract_that_no_license_could_come_from_is_refused(run: Run, option: str, value: str) -> None:
    refused = run(*CONTRACT, option, value)
    assert refused.exit_code == 1
    assert option.strip("-").replace("-", " ") in refused.stderr


def test_contracts_are_listed_and_shown(vendor: Run) -> None:
    assert json.loads(vendor("contract", "list", "--output", "json").output)[0]["company"] == "ACME"
    assert json.loads(vendor("contract", "show", "1", "--output", "json").output)["self_releases_per_year"] == 2
    assert "ops@acme.example" in vendor("contract", "list").output
    assert vendor("contract", "show", "7").exit_code == 1


def test_unknown_license_is_refused(vendor: Run) -> None:
    for command in ("show", "unbind", "revoke"):
        refused = vendor(command, "3f2b8c1e-6a4d-4e0b-9c57-2d1f0a9b8c7d")
        assert refused.exit_code == 1
        assert "there is none" in refused.stderr


def test_the_whole_story_with_a_portal_process(issue: Run, vendor: Run, tmp_path: Path) -> None:
    issue()
    license_ = read_license(tmp_path)
    deployment = Deployment(license_, Clock(clock.now()))
    path = deployment.qr("042195")
    with serving(tmp_path / "home") as (process, phone):
        assert phone.tap(path).digits == ["042195"]
        (listed,) = json.loads(vendor("list", "--output", "json").output)
        assert listed["state"] == "bound"
        deployment.predecessor = b"restored"
        assert phone.tap(deployment.qr()).status == 409
        (alert,) = json.loads(vendor("alerts", "--output", "json").output)
        assert (alert["kind"], alert["license_id"], alert["company"]) == ("copied", license_.license_id, "ACME")
        assert "copied" in vendor("alerts").output
        assert vendor("unbind", license_.license_id).exit_code == 0
        assert vendor("unbind", license_.license_id).exit_code == 1
        assert phone.tap(Deployment(license_, deployment.clock).qr("777777")).digits == ["777777"]
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert license_.license_id in log
    assert all(secret not in log for secret in (path[3:30], "042195", deployment.project_key.hex(), "Traceback"))
    shown = vendor("show", license_.license_id)
    assert "bound_at" in shown.output
    assert [
        one["verdict"] for one in json.loads(vendor("show", license_.license_id, "--output", "json").output)["scans"]
    ]


def test_portal_that_cannot_listen_says_so(vendor: Run, tmp_path: Path) -> None:
    with serving(tmp_path / "home") as (_, phone):
        refused = vendor("portal", "serve", "--listen", f"127.0.0.1:{phone.port}")
    assert refused.exit_code == 1
    assert "--listen" in refused.stderr


@pytest.mark.parametrize("listen", ["8600", ":8600", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_listen_that_is_no_address_is_usage(vendor: Run, listen: str) -> None:
    assert vendor("portal", "serve", "--listen", listen).exit_code == 2
