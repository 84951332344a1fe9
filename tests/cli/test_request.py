"""`licd request`: the application mail, as the vendor's side reads it (R29)."""

import email
import email.policy
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from cli.scripted_daemon import Daemon, Licd
from cli.test_commands import answer_status, registration
from hypothesis import example, given, settings
from hypothesis import strategies as st

from licd.v1 import registration_service_pb2 as registering
from licd_daemon.cli import request
from licd_vendor.domain import application_mail
from licd_vendor.domain.names import folded

ASKED = ("request", "--from", "ops@acme.example", "--signed-on", "2024-03-01")
NAMED = (
    "--to",
    "licenses@vendor.example",
    "--company",
    "宏图 Ltd",
    "--project",
    "Año",
    "--application",
    "Reports 10.0",
)


def test_r29_what_is_written_without_a_license_is_what_the_vendor_reads(
    licd: Licd, daemon: Daemon, tmp_path: Path
) -> None:
    answer_status(daemon, registering.Registration(state="REGISTRATION_STATE_UNLICENSED", nodes_connected=3))
    out = tmp_path / "application.eml"
    result = licd(*ASKED, *NAMED, "--out", out)
    assert result.exit_code == 0, result.output
    assert "for 3 nodes" in result.stdout
    read = application_mail.read(out.read_bytes())
    assert (read.sender, read.company, read.project) == ("ops@acme.example", "宏图 Ltd", "Año")
    assert (read.signed_on, read.max_nodes) == ("2024-03-01", 3)
    message = email.message_from_bytes(out.read_bytes(), policy=email.policy.default)
    assert message["To"] == "licenses@vendor.example"
    assert message["Subject"] == "宏图 Ltd company registration Reports 10.0 official authorization document"


def test_r29_the_form_of_the_vendors_table_is_written(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    answer_status(daemon, registering.Registration(state="REGISTRATION_STATE_UNLICENSED", nodes_connected=3))
    out = tmp_path / "application.eml"
    assert licd(*ASKED, *NAMED, "--out", out).exit_code == 0
    message = email.message_from_bytes(out.read_bytes(), policy=email.policy.default)
    assert (
        message.get_content()
        .replace("\r\n", "\n")
        .startswith(
            "Company Name: 宏图 Ltd\n"
            "Company Project name: Año\n"
            "Contract signing date: 2024 year 03 month 01 day\n"
            "Way to register: Local container authentication\n"
            "Maximum number of registrations: 3\n"
        )
    )


def test_r29_the_form_is_written_in_chinese_too(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    answer_status(daemon, registering.Registration(state="REGISTRATION_STATE_UNLICENSED", nodes_connected=3))
    out = tmp_path / "application.eml"
    company = "宏图（上海）有限公司"
    assert licd(*ASKED, *NAMED, "--company", company, "--language", "zh", "--out", out).exit_code == 0
    message = email.message_from_bytes(out.read_bytes(), policy=email.policy.default)
    assert message["Subject"] == "宏图（上海）有限公司注册Reports 10.0正式授权文件"
    assert "合同签署日期：2024年03月01日" in message.get_content()
    read = application_mail.read(out.read_bytes())
    assert (read.company, read.project, read.signed_on, read.max_nodes) == (
        "宏图(上海)有限公司",
        "Año",
        "2024-03-01",
        3,
    )


NAMES = st.text("ABx019 &.'()+-#|/é宏图公司（）", min_size=1, max_size=40).map(lambda name: " ".join(name.split()))
ASKED_FOR = st.tuples(NAMES.filter(bool), NAMES.filter(bool), st.integers(1, 1_000_000), st.sampled_from(["en", "zh"]))


@settings(max_examples=100, deadline=None)
@given(asked_for=ASKED_FOR)
@example(asked_for=("ACME*", "*A", 1, "en"))
@example(asked_for=("Company name", "Project name", 1, "en"))
def test_r29_whatever_is_asked_for_is_what_the_vendor_reads(asked_for: tuple[str, str, int, str]) -> None:
    company, project, nodes, language = asked_for
    asked = request._Asked("a@b.example", "v@c.example", company, project, "R 1", date(2024, 3, 1), nodes, language)
    read = application_mail.read(request.write(asked, registering.Registration(), datetime(2026, 1, 1, tzinfo=UTC)))
    assert (folded(read.company), folded(read.project)) == (folded(company), folded(project))
    assert (read.signed_on, read.max_nodes) == ("2024-03-01", nodes)


def test_r29_a_license_in_force_says_what_is_not_given(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    answer = registration("REGISTERED")
    answer.license.application.name, answer.license.application.version = "Reports", "10.0"
    answer_status(daemon, answer)
    out = tmp_path / "application.eml"
    assert licd(*ASKED, "--nodes", "9", "--out", out).exit_code == 0
    read = application_mail.read(out.read_bytes())
    assert (read.company, read.project, read.max_nodes) == ("ACME", "Reports", 9)
    assert b"License in force: 0b7d" in out.read_bytes()


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ((), "--to: no license in force names it"),
        ((*NAMED, "--company", "A\x1bB"), "--company: must be"),
        ((*NAMED, "--signed-on", "20240301"), "--signed-on: not a date"),
        ((*NAMED, "--from", "a@b, c@"), "not a mail address"),
        ((*NAMED, "--out", "/proc/none"), "--out /proc/none"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_for_is_usage(
    licd: Licd, daemon: Daemon, tmp_path: Path, more: tuple[str, ...], word: str
) -> None:
    answer_status(daemon, registering.Registration(state="REGISTRATION_STATE_UNLICENSED"))
    result = licd(*ASKED, "--out", tmp_path / "application.eml", *more)
    assert (result.exit_code, word in result.stderr) == (2, True), result.output
    assert not (tmp_path / "application.eml").exists()
