"""Commands in front of terminals and files of every kind: no traceback, and the exit code that it is."""

import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import zxingcpp
from cli.scripted_daemon import Daemon, Licd
from cli.terminal import sitting
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import registration_service_pb2 as registering
from licd.v1 import token_service_pb2 as tokens
from licd_daemon.cli.qr_picture import plain_picture
from licd_daemon.operations.qr import draw

LAST = Timestamp(seconds=253_402_300_799)  # 9999-12-31T23:59:59Z
FIRST = Timestamp(seconds=-62_135_596_800)  # 0001-01-01T00:00:00Z
ZONES = [
    "UTC",
    "Asia/Shanghai",
    "America/Los_Angeles",
    "Pacific/Kiritimati",
    "Nowhere/None",
    ":",
    "",
    "UTC+25:00",
    "<\x1b>5",
]


def registration(**fields: Any) -> registering.Registration:
    license_ = registering.License(
        company="帆软客户有限公司", project="Übersicht", expires_at=LAST, vendor_name="Vendör", recertify_days=36_500
    )
    return registering.Registration(
        state="REGISTRATION_STATE_REGISTERED", license=license_, registered_at=LAST, max_nodes=3, **fields
    )


@pytest.fixture
def answering(daemon: Daemon) -> Daemon:
    """A daemon whose names are of many scripts, and whose times are the last that there are."""
    node = cluster.Node(name="报表一号 ü", session_id="s1", joined_at=LAST, last_heartbeat_at=FIRST)
    node.clock_offset.CopyFrom(Duration(seconds=315_576_000_000))
    node.clock_error.CopyFrom(Duration(seconds=1))
    event = cluster.Event(kind="seat_granted", node_name="报表一号", at=LAST)
    challenge = registering.Challenge(
        challenge_id="1", url="https://p.example", qr_text=draw("x").text, expires_at=LAST
    )
    daemon.answers = {
        "RegistrationService/GetRegistration": registering.GetRegistrationResponse(registration=registration()),
        "RegistrationService/CheckRegistration": registering.CheckRegistrationResponse(),
        "RegistrationService/CreateChallenge": registering.CreateChallengeResponse(challenge=challenge),
        "ClusterService/ListNodes": cluster.ListNodesResponse(nodes=[node]),
        "ClusterService/ListEvents": cluster.ListEventsResponse(events=[event]),
    }
    return daemon


@pytest.mark.parametrize(
    ("command", "encoding", "shown"),
    [
        ("status", "latin-1", "Project      Übersicht".encode("latin-1")),
        ("nodes", "cp1252", b"\\u62a5\\u8868"),
        ("events", "ascii", "报表一号".encode()),
        ("qr", "latin-1", b"This encoding has no QR"),
    ],
)
def test_a_command_writes_in_every_encoding(answering: Daemon, command: str, encoding: str, shown: bytes) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "licd_daemon", command, "--insecure", "--address", answering.address],
        check=False,
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0", "TZ": "Asia/Shanghai"},
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert shown in ran.stdout


def test_a_terminal_without_blocks_shows_a_qr_in_spaces(answering: Daemon) -> None:
    with sitting(answering, "qr", environment={"PYTHONIOENCODING": "latin-1"}) as screen:
        screen.shows("\x1b[48;5;231m  ")
        screen.shows("Scan it with a phone, then type the code that it shows.")
        screen.process.send_signal(signal.SIGINT)
        screen.ends()


def test_a_qr_in_spaces_scans() -> None:
    rows = []
    for line in plain_picture(draw("https://portal.example/Q/ABC").text).splitlines():
        cells = re.findall("\x1b\\[48;5;(16|231)m  ", line)
        assert len(cells) * len("\x1b[48;5;16m  ") <= len(line)
        rows += [bytes(255 if cell == "231" else 0 for cell in cells for _ in range(8))] * 8
    pixels = memoryview(b"".join(rows)).cast("B", (len(rows), len(rows[0])))
    found = zxingcpp.read_barcode(pixels)
    assert found is not None
    assert found.text == "https://portal.example/Q/ABC"


@pytest.mark.parametrize("zone", ZONES)
def test_every_date_of_a_license_is_shown_in_every_time_zone(
    licd: Licd, answering: Daemon, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for command in ("status", "check", "nodes", "events"):
            for form in ("text", "json"):
                result = licd(command, "--output", form)
                assert result.exit_code == 0, result.output
                assert "\x1b" not in result.stdout
        assert "Expires      9999-12-31 " in licd("status").stdout
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/Los_Angeles"])
@pytest.mark.parametrize(
    ("option", "code"),
    [
        (["--expires-in", "999999999999h"], 2),
        (["--expires-in", "36501d"], 2),
        (["--expires-in", "1e308s"], 2),
        (["--expires-in", "inf"], 2),
        (["--expires-at", "9999-12-31"], 0),
        (["--expires-at", "9999-12-31T23:59:59-14:00"], 0),
        (["--name", "\udcff"], 2),
    ],
)
def test_every_span_and_date_that_is_asked_for_is_taken_or_refused_in_words(
    licd: Licd, daemon: Daemon, monkeypatch: pytest.MonkeyPatch, zone: str, option: list[str], code: int
) -> None:
    made = tokens.CreateTokenResponse(secret="x" * 40, token=tokens.Token(token_id="t1"))
    daemon.answers["TokenService/CreateToken"] = made
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        result = licd("token", "create", "viewer", *option)
    finally:
        monkeypatch.setenv("TZ", "UTC")
        time.tzset()
    assert result.exit_code == code, result.output
    assert code == 0 or "Error: " in result.stderr
