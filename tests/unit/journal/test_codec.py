"""A snapshot's bytes give exactly the state back, or are refused."""

import json
import subprocess
import sys
import time

import msgspec
import pytest
from immutables import Map

from licd_daemon.core.model import (
    Application,
    Challenge,
    EndCause,
    EndedRegistration,
    EndReason,
    Failure,
    Lockout,
    Registration,
    Release,
    Role,
    Seat,
    Session,
    SessionStatus,
    State,
    Tally,
    Token,
)
from licd_daemon.core.reasons import FailureReason
from licd_daemon.journal import chain
from licd_daemon.journal.codec import decode_state, encode_state
from licd_daemon.journal.port import JournalCorrupt, Record
from licd_formats.license import License, LicensedApplication, Portal, Vendor

FAILURE = Failure(FailureReason.CLOCK_DRIFT, "Server clocks do not agree", "Node ä is ahead", "Set its clock", "ä")
LICENSE = License(
    license_id="6f1d0e2a-8a53-4d5e-9a57-1d2f3a4b5c6d",
    issuer="https://vendor.example",
    company="Company \u2603",
    issued_at=1_700_000_000,
    expires_at=2_000_000_000,
    project="project",
    auth_method="LOCAL_CONTAINER",
    application=LicensedApplication("report", "10.0", "content", "2021-10-30"),
    max_nodes=3,
    portal=Portal("https://portal.example", "AAAA"),
    vendor=Vendor("Vendor", "help@vendor.example"),
    key_id="2026",
    recertify_days=None,
)


def session(number: int, **changes: object) -> Session:
    values: dict[str, object] = {
        "session_id": f"{number:032x}",
        "number": number,
        "node_name": f"report-{number}",
        "instance_id": f"{number:016x}",
        "secret_hash": f"{number:064x}",
        "application": Application("report", "10.0.19", "2024-01-01", "content"),
        "joined_at": 1_700_000_000_000 + number,
    }
    return Session(**(values | changes))  # type: ignore[arg-type]


FULL = State(
    epoch=7,
    effective=1_700_000_000_123,
    served=99,
    longest_lease_ms=15_000,
    project_key="ab" * 16,
    license=LICENSE,
    warned_days=30,
    newest_issue=Map({LICENSE.license_id: 1_700_000_000}),
    registration=Registration(5, "0011223344556677", recovering_since=9, copied=True),
    holders=((1, "report-1"), (2, "ä")),
    last_registration=EndedRegistration(8, EndCause.WINDOW_OVER, 5, ("report-1", "ä")),
    predecessor="0011223344556677",
    challenge=Challenge("8899aabbccddeeff", "HTTPS://PORTAL.EXAMPLE/Q/AAAA", 3, 4, used=True),
    past_challenges=("a", "b"),
    lockout=Lockout(6, 1, True, 0),
    release=Release(LICENSE.license_id, "HTTPS://PORTAL.EXAMPLE/R/AAAA", 8),
    last_failures=(FAILURE, msgspec.structs.replace(FAILURE, at=4)),
    clock_untrusted=FAILURE,
    sessions=Map({
        "1": session(1, seat=Seat.HELD, holder=True, clock=FAILURE),
        "2": session(2, status=SessionStatus.ENDED, ended=EndReason.COPIED, since=0, line=-1),
    }),
    instances=Map({"i": "1"}),
    next_number=3,
    line=Map({-1: "2", 0: "1", 10: "3"}),
    line_head=-1,
    line_tail=11,
    tally=Tally(1, 1, 1, 1, 0),
    tokens=Map({"t": Token("t", Role.ADMIN, "first", "00" * 32, 1)}),
)  # fmt: skip


@pytest.mark.parametrize("state", [State(), FULL], ids=["empty", "full"])
def test_a_state_survives_exactly(state: State) -> None:
    back = decode_state(encode_state(state))
    assert back == state
    assert encode_state(back) == encode_state(state)
    assert all(type(place) is int for place in back.line)


def test_equal_states_give_equal_bytes_whatever_the_process() -> None:
    script = (
        "from immutables import Map; from licd_daemon.core.model import State;"
        "from licd_daemon.journal.codec import encode_state;"
        "print(encode_state(State(instances=Map({str(n): 'x' for n in range(50)}))).hex())"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_ten_thousand_sessions_take_less_than_two_seconds() -> None:
    sessions = Map({f"{number:032x}": session(number, line=number) for number in range(10_000)})
    state = State(sessions=sessions, line=Map({number: f"{number:032x}" for number in range(10_000)}))
    started = time.process_time()
    assert decode_state(encode_state(state)) == state
    assert time.process_time() - started < 2


def changed(**values: object) -> bytes:
    document = json.loads(encode_state(FULL))
    document["state"].update(values)
    return json.dumps(document, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()


def test_the_untouched_document_is_read() -> None:
    assert decode_state(changed()) == FULL


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        b"null",
        encode_state(FULL)[:-1],
        encode_state(FULL) + b" ",
        changed(field_of_a_newer_version=1),
        changed(line={"first": "1"}),
        changed(line={"01": "1"}),
        changed(sessions={"1": {}}),
        changed(epoch="7"),
        changed(epoch=7.0),
        encode_state(FULL).replace(b'"line_head":-1,', b""),
    ],
)
def test_what_this_version_would_not_write_is_refused(content: bytes) -> None:
    with pytest.raises(JournalCorrupt):
        decode_state(content)


def test_another_version_is_refused_by_its_number() -> None:
    content = encode_state(FULL).replace(b'"version":1', b'"version":2')
    with pytest.raises(JournalCorrupt, match="version 2"):
        decode_state(content)


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"position":"\xff"}', b'{"x":' + b"[" * 100_000, b"null"])
def test_an_entry_that_is_garbage_is_named(body: bytes) -> None:
    with pytest.raises(JournalCorrupt, match="entry 7 can't be read"):
        chain.decode(Record(7, 1, "time_marked", body, bytes(32)))
