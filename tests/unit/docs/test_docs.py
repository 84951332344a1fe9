"""The guides say what the code does: catalogues are complete, links lead somewhere.

A catalogue is a Markdown table. Its rows are compared with the enum, the options or the functions that they describe,
in both directions: nothing is missing, nothing is made up.
"""

import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.pages import generated

from licd_daemon.cli.serve.command import serve
from licd_daemon.core import checks, events
from licd_daemon.core.drift import Estimate
from licd_daemon.core.effective import SourceOffset, Times, doubts, failure_of, start_doubt
from licd_daemon.core.model import Application, EndCause, EndedRegistration, Failure, Now, State
from licd_daemon.core.reasons import FailureReason, Saying
from licd_daemon.core.refusal import Reason
from licd_daemon.journal import chain
from licd_daemon.rpc import event_message
from licd_daemon.rpc.errors import STATUS
from licd_daemon.rpc.server import POLLED, REGISTERED
from licd_formats.claims import to_claims
from licd_formats.file_kinds import named
from licd_formats.license import License, LicensedApplication, Portal, Vendor
from licd_vendor.domain.scan import Refusal, RefusedScan
from licd_vendor.portal import words
from node_client import NodeState

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *(ROOT / name for name in ("CHANGELOG.md", "README.md", "SECURITY.md"))])
LINK = re.compile(r"\[[^\]\n]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")

LICENSE = License(
    license_id="3f2b8c1e-6a4d-4e0b-9c57-2d1f0a9b8c7d",
    issuer="Example Vendor",
    company="ACME",
    issued_at=1_780_000_000,
    expires_at=1_811_536_000,
    project="Finance",
    auth_method="LOCAL_CONTAINER",
    application=LicensedApplication("Report Server", "10.0", "finance", "2022-01-31"),
    max_nodes=3,
    portal=Portal("https://portal.example", "eaYx7t4b-cmPEgMs3q3Q56B5OY_HhriMyEbsia-FpRo"),
    vendor=Vendor("Example Vendor", "licences@vendor.example"),
    key_id="k",
    recertify_days=90,
)
OTHER = Application("Other Server", "11.0", "2020-01-01", "sales")


def _section(page: str, heading: str) -> str:
    """The text under a heading, up to the next one of its level or above."""
    level, lines = heading.index(" "), (DOCS / page).read_text(encoding="utf-8").splitlines()
    start = lines.index(heading) + 1
    ends = (i for i, line in enumerate(lines[start:], start) if re.match(rf"#{{1,{level}}} ", line))
    return "\n".join(lines[start : next(ends, len(lines))])


def _rows(page: str, heading: str) -> list[list[str]]:
    """The cells of every row of the tables under a heading, their heads left out."""
    rows = []
    for table in re.findall(r"(?:^\|.*\n?)+", _section(page, heading), re.MULTILINE):
        rows += [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    return rows


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def _by_code(page: str, heading: str) -> dict[str, list[str]]:
    """The rows by the one piece of code in their first cell."""
    rows = _rows(page, heading)
    found = {_code(row[0])[0]: row[1:] for row in rows}
    assert len(found) == len(rows), f"a name stands twice in {page}, {heading}"
    return found


def _says(told: str, said: str) -> bool:
    """Whether a sentence is the one told, where words in braces stand for anything."""
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", re.escape(told)), said) is not None


def test_every_refusal_stands_in_the_catalogue_with_its_status() -> None:
    told = {name: row[0] for name, row in _by_code("errors.md", "## Refusals").items()}
    assert told == {reason.value: STATUS[reason].name for reason in Reason}


def test_the_table_of_failure_reasons_is_what_their_rows_say() -> None:
    assert generated("generate_reasons") == (DOCS / "errors.md").read_text(encoding="utf-8"), "run `make reasons`"


def _failures() -> Iterator[Failure]:
    yield checks.certificate_expired(LICENSE)
    yield checks.certificate_type_mismatch()
    yield checks.certificate_content_incorrect()
    yield checks.certificate_content_incorrect(named(b"<html>"))
    yield checks.maximum_reached(3)
    yield checks.no_nodes()
    now, limit = 1_700_000_000_000, 5_000
    for wall, ntp, most in (
        (now, SourceOffset("ntp.example", 83_000, 4), None),
        (now + 60_000, None, None),
        (now - 60_000, None, None),
        (now, None, Estimate(83_000, 4)),
    ):
        untrusted = failure_of(doubts(wall, Times(now, now), limit, ntp, most))
        assert untrusted is not None
        yield untrusted
    returned = failure_of(doubts(now - 60_000, Times(now, now - 60_000), limit, None, None))
    past = State(license=dataclasses.replace(LICENSE, expires_at=now // 1000))
    start = start_doubt(past, Now(wall=now, run=0, served=0, unconfirmed=60_000), now)
    assert returned is not None
    assert start is not None
    yield returned
    told = failure_of([start])
    assert told is not None
    yield told
    yield checks.clock_drift("report-2", 12_300, 3.2, 5_000)
    yield checks.clock_near("report-2", -3_300, 3.2, 5_000)
    ended = EndedRegistration(now, EndCause.ALL_GONE, now - limit, ("report-1",))
    yield checks.registration_ended(ended, licensed=True)
    yield checks.registration_ended(ended, licensed=False)
    yield from checks.judge_application(LICENSE, OTHER, "report-2")
    certified = dataclasses.replace(LICENSE.application, min_version="10.0.5")
    lower = Application("Report Server", "10.0.4", "2022-01-31", "finance")
    yield from checks.judge_application(dataclasses.replace(LICENSE, application=certified), lower, "report-2")
    ahead = checks.dated_ahead(LICENSE, Now(wall=now, run=0, served=0), None)
    assert ahead is not None
    yield ahead


def _is(failure: Failure, saying: Saying) -> bool:
    return _says(saying.detail, failure.detail) and _says(saying.remedy, failure.remedy)


@pytest.mark.parametrize("failure", list(_failures()), ids=lambda failure: failure.reason)
def test_detail_and_remedy_are_the_words_that_users_see(failure: Failure) -> None:
    assert any(_is(failure, saying) for saying in failure.reason.row.says.values()), failure


@pytest.mark.parametrize("reason", FailureReason)
def test_every_saying_of_a_reason_is_one_that_the_core_makes(reason: FailureReason) -> None:
    made = [failure for failure in _failures() if failure.reason is reason]
    never = {case for case, saying in reason.row.says.items() if not any(_is(failure, saying) for failure in made)}
    assert never == set(), f"make one of each in _failures(): {never}"


def test_every_event_stands_in_the_catalogue_with_what_is_shown_of_it() -> None:
    told = {name: (set(_code(row[1])), row[2] == "yes") for name, row in _by_code("events.md", "# Events").items()}
    secret = event_message._SECRET
    assert told == {
        str(kind.__struct_config__.tag): (
            set(kind.__struct_fields__) - secret,
            "session_id" in kind.__struct_fields__,
        )
        for kind in events.Event.__subclasses__()
    }


def test_the_secrets_left_out_of_events_are_named() -> None:
    text = " ".join(_section("events.md", "# Events").split())
    fields = {field for kind in events.Event.__subclasses__() for field in kind.__struct_fields__}
    hidden = (event_message._SECRET & fields) - {"session_id", "node_name", "actor"}
    sentence = text[text.index("Left out") : text.index("No secret")]
    assert set(_code(sentence)) == hidden


def test_a_tag_of_the_catalogue_is_the_kind_in_the_journal() -> None:
    assert chain.kind_of(events.SeatGranted("s")) in _by_code("events.md", "# Events")


def test_every_claim_of_a_license_is_described() -> None:
    claims: set[str] = set()
    application = dataclasses.replace(LICENSE.application, min_version="10.0.5")
    for name, value in to_claims(dataclasses.replace(LICENSE, application=application, outage_grace_seconds=0)).items():
        claims |= {f"{name}.{inner}" for inner in value} if isinstance(value, dict) else {name}
    assert set(_by_code("formats.md", "### Claims")) == claims


def test_the_fields_of_a_challenge_lie_side_by_side_in_59_bytes() -> None:
    offset = 0
    for row in _rows("formats.md", "### Content"):
        assert int(row[0]) == offset
        offset += int(row[1])
    assert offset == 59


def test_every_option_of_serve_stands_in_the_table_with_its_default() -> None:
    told = _by_code("operations.md", "## Options of licd serve")
    options = [option for option in serve.params if isinstance(option, click.Option)]
    assert set(told) == {option.opts[0] for option in options}
    for option in options:
        if isinstance(option.default, str) and option.default:
            assert _code(told[option.opts[0]][0]) == [option.default], option.opts[0]


def test_every_health_service_is_named() -> None:
    told = {name for row in _rows("operations.md", "## Health and polling") for name in _code(row[0])}
    assert told == {*POLLED, REGISTERED}


def test_every_node_state_is_described() -> None:
    assert set(_by_code("nodes.md", "### States")) == {state.value for state in NodeState}


def test_every_verdict_of_the_portal_is_told_with_its_status_and_title() -> None:
    told = _by_code("vendor.md", "### What the phone shows when it gets no code")
    assert set(told) == {kind.value for kind in Refusal}
    for kind in Refusal:
        said = words.of(RefusedScan(kind, clock_offset=-7200))
        status, title, _ = told[kind.value]
        assert int(status) == said.status
        assert _says(title, said.title)


def test_every_decision_record_stands_in_the_index() -> None:
    records = {path.name for path in (DOCS / "adr").glob("[0-9]*.md")}
    assert set(LINK.findall((DOCS / "adr" / "README.md").read_text(encoding="utf-8"))) == records


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    released = re.findall(r"^## (\S+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert released[0] == version


def _prose(page: Path) -> str:
    return CODE.sub("code", FENCE.sub("", page.read_text(encoding="utf-8")))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_each_threat_names_a_test_that_shows_what_is_done_about_it() -> None:
    page = (DOCS / "threat-model.md").read_text()
    tables = re.findall(r"^\| threat .*\n\|---.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(tables) == 3
    assert [row for row in rows if "](../tests/" not in row.rpartition(" | ")[2]] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(_prose(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), f"{link} leads out of the repository"
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in _anchors(target), f"{link} names no heading there"
