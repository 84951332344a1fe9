"""`licd qr`: the picture can be scanned, and the code is taken at the same screen (on a real pseudo-terminal)."""

import json
import re
import signal
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
import zxingcpp
from cli.scripted_daemon import Daemon, Licd, refusing
from cli.terminal import sitting

from licd.v1 import registration_service_pb2 as registering
from licd.v1.failure_pb2 import Failure
from licd_daemon.cli.qr_picture import picture
from licd_daemon.operations.qr import draw

URL = "https://portal.example/Q/" + "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 5
CREATE = "RegistrationService/CreateChallenge"
SUBMIT = "RegistrationService/SubmitCode"
REGISTERED = registering.SubmitCodeResponse(registration=registering.Registration(nodes_licensed=2, max_nodes=3))


def challenge(number: int = 1, life: timedelta = timedelta(minutes=5)) -> registering.CreateChallengeResponse:
    """A fresh challenge, made by a daemon whose clock is an hour off."""
    pictures = draw(URL)
    made = registering.Challenge(
        challenge_id=f"challenge-{number}", url=URL, qr_text=pictures.text, qr_png=pictures.png, qr_svg=pictures.svg
    )
    now = datetime.now(UTC) - timedelta(hours=1)
    made.created_at.FromDatetime(now)
    made.expires_at.FromDatetime(now + life)
    return registering.CreateChallengeResponse(challenge=made)


def seen(drawn: str) -> bytes:
    """What a phone sees of a coloured picture: grey values, 8 pixels a module."""
    rows: list[bytes] = []
    for line in drawn.splitlines():
        styled = re.fullmatch("\x1b\\[38;5;(16;48;5;231|231;48;5;16)m(.*)\x1b\\[0m", line)
        assert styled is not None
        ink, paper = (0, 255) if styled[1].startswith("16;") else (255, 0)
        upper = bytes(ink if each in "▀█" else paper for each in styled[2] for _ in range(8))
        lower = bytes(ink if each in "▄█" else paper for each in styled[2] for _ in range(8))
        rows += [upper] * 8 + [lower] * 8
    return b"".join(rows)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_picture_scans_whatever_the_terminals_colours(inverted: bool) -> None:
    blocks = draw(URL).text
    if inverted:
        blocks = blocks.translate(str.maketrans("█▀▄\u00a0 ", "\u00a0▄▀██"))
    drawn = picture(blocks, colours=True)
    pixels = seen(drawn)
    width = 8 * len(re.sub("\x1b\\[[0-9;]*m", "", drawn.splitlines()[0]))
    view: Any = memoryview(pixels).cast("B", (len(pixels) // width, width))
    (found,) = zxingcpp.read_barcodes(view, try_invert=False)
    assert found.text == URL


def test_a_picture_carries_no_escape_sequence_of_the_daemons() -> None:
    assert "\x1b" not in picture("█▀\x1b[2J█\n", colours=False)


def test_without_a_terminal_the_qr_is_printed_once(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    daemon.answers[CREATE] = challenge()
    png = tmp_path / "qr.png"
    result = licd("qr", "--png", png)
    assert result.exit_code == 0, result.output
    assert draw(URL).text.strip("\n") in result.stdout
    for told in (URL, "challenge-1", "Expires", "licd submit CODE"):
        assert told in result.stdout
    assert png.read_bytes() == draw(URL).png
    assert licd("qr", "--png", tmp_path / "none" / "qr.png").exit_code == 2


def test_as_json_it_is_the_challenge_without_pictures(licd: Licd, daemon: Daemon) -> None:
    daemon.answers[CREATE] = challenge()
    told = json.loads(licd("qr", "--output", "json").stdout)
    assert (told["challenge_id"], told["url"], told["qr_png"]) == ("challenge-1", URL, "")


def test_without_a_license_there_is_no_qr(licd: Licd, daemon: Daemon) -> None:
    daemon.answers[CREATE] = refusing(grpc.StatusCode.FAILED_PRECONDITION, "NO_LICENSE")
    result = licd("qr")
    assert (result.exit_code, result.stdout, "NO_LICENSE" in result.stderr) == (1, "", True)


def test_the_code_is_taken_at_the_screen(daemon: Daemon) -> None:
    daemon.answers |= {CREATE: challenge(), SUBMIT: REGISTERED}
    with sitting(daemon, "qr") as screen:
        screen.shows("\x1b[38;5;231;48;5;16m█")
        screen.shows(URL)
        screen.shows("Code: ______  4:5")
        screen.types("12\r")
        screen.shows("The code has six digits.")
        screen.types("9x\x7f3 456789")
        screen.shows("Code: 123456")
        screen.types("\n")
        screen.shows("The cluster is registered: 2 of 3 seats held.")
        assert screen.ends() == 0
    (request,) = daemon.requests(SUBMIT)
    assert (request.challenge_id, request.code) == ("challenge-1", "123456")


def test_wrong_codes_go_on_until_the_lock(daemon: Daemon) -> None:
    wrong = refusing(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_CODE", {"attempts_left": "5"})
    daemon.answers |= {CREATE: challenge(), SUBMIT: wrong}
    with sitting(daemon, "qr") as screen:
        screen.shows("left")
        screen.types("000000\r")
        screen.shows("attempts left before the lock: 5")
        screen.shows("Code: ______")
        daemon.answers[SUBMIT] = refusing(
            grpc.StatusCode.RESOURCE_EXHAUSTED, "LOCKED_OUT", {"locked_until": "1000000000"}
        )
        screen.types("000001\r")
        screen.shows("Locked until: 2001-09-09")
        assert screen.ends() == 1


def test_a_right_code_whose_checks_fail_is_kept_for_the_next_enter(daemon: Daemon) -> None:
    failures = (Failure(title="No node is connected", remedy="Start a report server."),)
    refused = refusing(grpc.StatusCode.FAILED_PRECONDITION, "REGISTRATION_REFUSED", failures=failures)
    daemon.answers |= {CREATE: challenge(), SUBMIT: refused}
    with sitting(daemon, "qr") as screen:
        screen.shows("left")
        screen.types("123456\r")
        screen.shows("Start a report server.")
        screen.shows("Code: 123456")
        daemon.answers[SUBMIT] = REGISTERED
        screen.types("\r")
        screen.shows("The cluster is registered")
        assert screen.ends() == 0


def test_an_expired_qr_is_refreshed_by_hand_only(daemon: Daemon) -> None:
    numbers = count(1)
    lives = iter([timedelta(seconds=0), timedelta(minutes=5)])
    daemon.answers |= {CREATE: lambda *_: challenge(next(numbers), next(lives)), SUBMIT: REGISTERED}
    with sitting(daemon, "qr") as screen:
        screen.shows("challenge-1")
        screen.shows("The QR has expired: press r for a new one.")
        screen.types("123456\r")
        screen.shows("The QR has expired: press r for a new one.")
        screen.types("r")
        screen.shows("challenge-2")
        screen.types("123456\r")
        screen.shows("The cluster is registered")
        assert screen.ends() == 0
    assert [request.challenge_id for request in daemon.requests(SUBMIT)] == ["challenge-2"]


def test_a_challenge_that_the_daemon_has_ended_is_expired_here_too(daemon: Daemon) -> None:
    daemon.answers |= {
        CREATE: challenge(),
        SUBMIT: refusing(grpc.StatusCode.FAILED_PRECONDITION, "CHALLENGE_EXPIRED"),
    }
    with sitting(daemon, "qr") as screen:
        screen.shows("left")
        screen.types("123456\r")
        screen.shows("The QR has expired")
        screen.shows("expired")
        screen.process.send_signal(signal.SIGINT)
        assert screen.ends() == 1
