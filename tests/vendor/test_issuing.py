"""R29 as the vendor uses it: a saved mail in, Container.lic and its answer out, by file or by SMTP."""

import email
import email.policy
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import Result
from vendor.commands import CONTRACT, Run, read_license
from vendor.conftest import WHO, no_passphrase
from vendor.deployment import Clock
from vendor.test_application_mail import mail
from vendor.test_mail_forms import FORM, rows

from licd_vendor import issuing, keys
from licd_vendor.domain.issue import Request
from licd_vendor.domain.model import Terms
from licd_vendor.errors import RefusedError
from licd_vendor.store import records
from licd_vendor.store.database import Database
from vendor import smtp_server

SIGNED = [*CONTRACT, "--signed-on", "2024-03-01", "--recertify-days", "90"]
OTHER = "Other company registration official authorization document"
TABLE_OF_CELLS = rows("\t")
CHINESE_LABELS = (
    "公司名称：ACME\n项目名称：Finance\n合同签订日期：2024年3月1日\n注册方式：本地容器认证\n最大注册数：３\n"
)
Answer = Callable[..., Result]


@pytest.fixture
def answer(run: Run, tmp_path: Path) -> Answer:
    """A vendor with a contract that was signed, and how it answers a mail."""
    assert (
        run("keygen", "--no-passphrase", "--vendor-name", "V", "--vendor-email", "licenses@vendor.example").exit_code
        == 0
    )
    assert run(*SIGNED).output == "1\n"

    def answering(content: bytes, *options: str) -> Result:
        (tmp_path / "application.eml").write_bytes(content)
        return run(
            "issue", "--request", str(tmp_path / "application.eml"), "--days", "30",
            "--portal-url", "http://127.0.0.1:8600", "--out", str(tmp_path / "Container.lic"),
            "--mail", str(tmp_path / "answer.eml"), *options,
        )  # fmt: skip

    return answering


def test_r29_a_mail_is_answered_from_its_contract(answer: Answer, run: Run, tmp_path: Path) -> None:
    done = answer(mail())
    assert done.exit_code == 0, done.output
    license_ = read_license(tmp_path)
    assert (license_.company, license_.project, license_.max_nodes) == ("ACME", "Finance", 3)
    assert license_.recertify_days == 90
    message = email.message_from_bytes((tmp_path / "answer.eml").read_bytes(), policy=email.policy.default)
    assert (message["To"], message["In-Reply-To"]) == ("ops@acme.example", "<one@acme.example>")
    (entry,) = [one for one in json.loads(run("audit", "--output", "json").output) if one["act"] == "issued"]
    assert (entry["who"][:4], entry["license_id"], entry["contract_id"]) == ("cli:", license_.license_id, 1)


@pytest.mark.parametrize("form", [FORM, TABLE_OF_CELLS, CHINESE_LABELS], ids=["lines", "tabs", "chinese"])
def test_r29_the_form_of_the_vendors_table_gets_a_license(answer: Answer, tmp_path: Path, form: str) -> None:
    title = "ACME company registration FineReport official authorization document"
    done = answer(mail(title=title, text=form))
    assert done.exit_code == 0, done.output
    license_ = read_license(tmp_path)
    assert (license_.company, license_.project, license_.max_nodes) == ("ACME", "Finance", 3)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (mail(sender="stranger@acme.example"), "R29: the mail must come from a contract's address"),
        (mail(project_name="Sales"), "R29: the project must be the contract's, 'Finance'"),
        (mail(contract_signing_date="2024-03-02"), "the contract signing date must be the contract's, '2024-03-01'"),
        (mail(maximum_number="4"), "R29: 4 nodes asked for; contract 1 allows 1 to 3; ask for no more"),
        (mail(sender="ops＠acme.example"), "From: not a mail address"),
        (mail(way_to_register="Private Cloud Authentication"), "way to register must be LOCAL_CONTAINER; write `Way"),
        (mail(title="Hello"), "R29: the title must be"),
        (mail(title=OTHER, company_name="Other"), "R29: the company must be the contract's"),
    ],
    ids=range(8),
)  # fmt: skip
def test_r29_refusal_names_the_rule_and_writes_nothing(
    answer: Answer, run: Run, tmp_path: Path, content: bytes, word: str
) -> None:
    refused = answer(content)
    assert refused.exit_code == 1
    assert word in refused.stderr
    assert not (tmp_path / "Container.lic").exists()
    assert json.loads(run("list", "--output", "json").output) == []


def test_r29_one_mail_gets_one_license(answer: Answer, tmp_path: Path) -> None:
    assert answer(mail(maximum_number="1")).exit_code == 0
    again = answer(mail(maximum_number="1"))
    assert again.exit_code == 1
    assert f"--reissue {read_license(tmp_path).license_id}" in again.stderr
    assert answer(mail(maximum_number="2"), "--reissue", read_license(tmp_path).license_id).exit_code == 0


def test_r29_of_several_contracts_the_one_that_the_mail_names(answer: Answer, run: Run, tmp_path: Path) -> None:
    other = [part if part != "Finance" else "Sales" for part in CONTRACT]
    assert run(*other).output == "2\n"
    assert answer(mail(project_name="Sales")).exit_code == 0
    assert read_license(tmp_path).project == "Sales"
    assert run(*other).output == "3\n"
    refused = answer(mail(project_name="Sales").replace(b"<one@", b"<two@"))
    assert "2 contracts of" in refused.stderr
    assert answer(mail(project_name="Sales").replace(b"<one@", b"<two@"), "--contract", "3").exit_code == 0


@pytest.mark.parametrize("options", [["--from", "a@b"], ["--company", "ACME"], ["--nodes", "2"]], ids=str)
def test_r29_the_mail_and_options_are_not_mixed(answer: Answer, options: list[str]) -> None:
    assert answer(mail(), *options).exit_code == 2


def test_r29_the_contract_bounds_the_sum_of_its_live_licenses(answer: Answer, run: Run, tmp_path: Path) -> None:
    assert answer(mail(maximum_number="2")).exit_code == 0
    first = read_license(tmp_path).license_id
    second = mail(maximum_number="2").replace(b"<one@", b"<two@")
    refused = answer(second)
    assert refused.exit_code == 1
    assert "2 nodes asked for; contract 1 allows 3, and its other live licenses have 2" in refused.stderr
    assert answer(mail(maximum_number="3"), "--reissue", first).exit_code == 0, "a reissue counts once"
    assert answer(mail(maximum_number="1"), "--reissue", first).exit_code == 0
    assert "have 3" in answer(second).stderr, "the customer may still upload the issue before"
    assert run("revoke", first).exit_code == 0
    assert answer(second).exit_code == 0


def test_r29_two_issues_at_once_keep_to_the_sum(home: Path, database: Database, clock: Clock) -> None:
    with database.writing() as connection:
        terms = Terms("ACME", "ops@acme.example", "Finance", 5, "app", "10.0", "", "2021-10-30", 2)
        contract_id = records.add_contract(connection, terms, clock())
    portal_key = keys.load_portal(home, no_passphrase).public_key().public_bytes_raw()
    signing, vendor = keys.load_signing(home, no_passphrase), keys.load_vendor(home)
    request = Request("ops@acme.example", "ACME", 2, clock() + 86_400)
    order = issuing.Order(contract_id, request, vendor, "https://portal.example", portal_key, None)
    gate = threading.Barrier(4)

    def issue(_: int) -> bool:
        gate.wait(10)
        try:
            issuing.issue_license(database, order, signing, WHO, clock(), lambda _: None)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(issue, range(4))) == 2
    clock.now += 86_400
    with database.reading() as connection:
        assert records.live_nodes(connection, contract_id, clock(), None) == 0, "an expired license frees its nodes"


def test_r29_the_answer_is_sent_with_starttls_and_a_password(
    answer: Answer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LICD_VENDOR_SMTP_PASSWORD", "right")
    with smtp_server.serving(tmp_path / "tls") as mailbox:
        to = (
            "--smtp",
            f"127.0.0.1:{mailbox.port}",
            "--smtp-user",
            "vendor",
            "--smtp-ca",
            str(tmp_path / "tls" / "ca.crt"),
        )
        sent = answer(mail(), *to)
    assert sent.exit_code == 0, sent.output
    assert (mailbox.over_tls, mailbox.logins) == ([True], ["|vendor|right"])
    assert mailbox.recipients == ["rcpt TO:<ops@acme.example>"]
    message = email.message_from_bytes(mailbox.messages[0], policy=email.policy.default)
    (attachment,) = message.iter_attachments()
    assert attachment.get_content() == (tmp_path / "Container.lic").read_bytes()
    assert "mailed" in run("audit").output


@pytest.mark.parametrize(
    ("password", "ca", "refuses", "word"),
    [
        ("wrong-secret", True, False, "refused with 535"),
        ("right", False, False, "TLS failed (CERTIFICATE_VERIFY_FAILED)"),
        ("right", True, True, "refused ops@acme.example with 550"),
    ],
)
def test_r29_a_mail_that_is_not_sent_is_kept_and_told(
    answer: Answer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, password: str, ca: bool, refuses: bool, word: str
) -> None:
    (tmp_path / "password").write_text(password)
    monkeypatch.delenv("LICD_VENDOR_SMTP_PASSWORD", raising=False)
    with smtp_server.serving(tmp_path / "tls", refuses=refuses) as mailbox:
        to = ["--smtp", f"127.0.0.1:{mailbox.port}", "--smtp-user", "vendor"]
        to += ["--smtp-password-file", str(tmp_path / "password")]
        refused = answer(mail(), *to, *(["--smtp-ca", str(tmp_path / "tls" / "ca.crt")] if ca else []))
    assert refused.exit_code == 1
    assert word in refused.stderr
    assert f"send {tmp_path / 'answer.eml'}" in refused.stderr
    assert password not in refused.stderr
    assert (tmp_path / "answer.eml").exists()
    assert mailbox.messages == []


def test_r29_no_password_without_tls_and_no_mail_over_an_open_network(answer: Answer, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("right")
    with smtp_server.serving(tmp_path / "tls", offers_tls=False) as mailbox:
        plain = ["--smtp", f"127.0.0.1:{mailbox.port}"]
        refused = answer(mail(), *plain, "--smtp-user", "vendor", "--smtp-password-file", str(tmp_path / "password"))
        assert "no password is sent without STARTTLS" in refused.stderr
        assert mailbox.logins == []
        assert (
            answer(mail().replace(b"<one@", b"<two@"), *plain, "--reissue", read_license(tmp_path).license_id).exit_code
            == 0
        )
    assert mailbox.over_tls == [False]
    gone = answer(mail().replace(b"<one@", b"<six@"), *plain, "--reissue", read_license(tmp_path).license_id)
    assert "Connection refused" in gone.stderr
    assert answer(mail(), "--smtp-user", "vendor").exit_code == 2
