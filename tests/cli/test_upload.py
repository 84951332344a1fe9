"""R2: `licd upload` asks before it costs something, and `--dry-run` only shows what it would."""

import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from cli.scripted_daemon import Daemon, Licd, refusing
from cli.terminal import sitting
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1 import registration_service_pb2 as pb
from licd.v1.failure_pb2 import Failure

UPLOAD = "RegistrationService/UploadLicense"
LICENSE = pb.License(
    company="ACME",
    max_nodes=3,
    application=pb.LicensedApplication(name="etl", version="2.0", min_version="2.0.3"),
    expires_at=Timestamp(seconds=1_811_536_000),
)
NAME = Failure(
    reason="FAILURE_REASON_APPLICATION_NAME_MISMATCH", title="Application name does not match", node_name="report-1"
)
EFFECT = pb.UploadEffect(
    license=LICENSE,
    ends_registration=True,
    seats_lost=2,
    nodes_rejected=[pb.RejectedNode(name="report-1", failures=[NAME]), pb.RejectedNode(name="report-2")],
    failures=[NAME],
)
REGISTERED = pb.Registration(state="REGISTRATION_STATE_REGISTERED", license=LICENSE, max_nodes=3)
UNREGISTERED = pb.Registration(state="REGISTRATION_STATE_UNREGISTERED", license=LICENSE, max_nodes=3)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "Container.lic"
    file.write_bytes(b"a.b.c")
    return file


@pytest.fixture(autouse=True)
def costly(daemon: Daemon) -> None:
    """The daemon has something to lose."""
    refuse = refusing(grpc.StatusCode.FAILED_PRECONDITION, "WOULD_END_REGISTRATION", {"effect": "{}"})

    def answer(request: Any, context: grpc.ServicerContext) -> Any:
        if request.dry_run:
            return pb.UploadLicenseResponse(registration=REGISTERED, effect=EFFECT)
        if request.replace:
            return pb.UploadLicenseResponse(registration=UNREGISTERED, effect=EFFECT)
        return refuse(request, context)

    daemon.answers[UPLOAD] = answer
    daemon.answers["RegistrationService/CreateChallenge"] = pb.CreateChallengeResponse(
        challenge=pb.Challenge(challenge_id="00ff", qr_text="QR")
    )


def sent(daemon: Daemon) -> list[tuple[bool, bool]]:
    """(dry_run, replace) of each request."""
    return [(request.dry_run, request.replace) for request in daemon.requests(UPLOAD)]


def test_R2_a_dry_run_shows_who_loses_what_and_what_would_stand_in_the_way(
    licd: Licd, daemon: Daemon, file: Path
) -> None:
    result = licd("upload", "--dry-run", file)
    assert result.exit_code == 0, result.output
    for said in (
        "ACME, etl 2.0 (at least 2.0.3), 3 nodes, until 2027-05-28",
        "would end; the cluster would need another scan",
        "2 would be lost",
        "report-1, report-2",
        "A registration would be refused now:",
        "Application name does not match (node report-1)",
    ):
        assert said in result.stdout, said
    assert sent(daemon) == [(True, False)]
    assert not daemon.requests("RegistrationService/CreateChallenge")


def test_R2_a_dry_run_of_what_costs_nothing_says_so(licd: Licd, daemon: Daemon, file: Path) -> None:
    daemon.answers[UPLOAD] = pb.UploadLicenseResponse(registration=REGISTERED, effect=pb.UploadEffect(license=LICENSE))
    shown = licd("upload", "--dry-run", file).stdout
    for said in ("would go on", "none would be lost", "Nothing would block a registration."):
        assert said in shown
    daemon.answers[UPLOAD] = pb.UploadLicenseResponse(effect=pb.UploadEffect(license=LICENSE))
    assert "Registration  none" in licd("upload", "--dry-run", file).stdout


def test_R2_a_dry_run_as_json_is_the_answer_with_its_defaults(licd: Licd, daemon: Daemon, file: Path) -> None:
    told = json.loads(licd("upload", "--dry-run", "--output", "json", file).stdout)
    assert told["registration"]["state"] == "REGISTRATION_STATE_REGISTERED"
    assert told["effect"]["ends_registration"] is True
    assert told["effect"]["nodes_rejected"][1] == {"name": "report-2", "session_id": "", "failures": []}


def test_R2_without_a_terminal_a_costly_upload_is_refused_and_names_replace(
    licd: Licd, daemon: Daemon, file: Path
) -> None:
    result = licd("upload", file)
    assert result.exit_code == 1
    assert "[WOULD_END_REGISTRATION]" in result.stderr
    assert "licd upload --replace FILE" in result.stderr
    assert sent(daemon) == [(False, False)]


def test_R2_replace_goes_on_and_says_what_stands_in_the_way_of_the_registration(
    licd: Licd, daemon: Daemon, file: Path
) -> None:
    result = licd("upload", "--replace", file)
    assert result.exit_code == 0, result.output
    assert sent(daemon) == [(False, True)]
    assert "The license is accepted: ACME, 3 nodes" in result.stdout
    assert "A registration would be refused now:" in result.stdout
    assert "licd submit CODE" in result.stdout


def test_R2_a_refused_dry_run_is_refused(licd: Licd, daemon: Daemon, file: Path) -> None:
    daemon.answers[UPLOAD] = refusing(grpc.StatusCode.FAILED_PRECONDITION, "LICENSE_OLDER")
    result = licd("upload", "--dry-run", file)
    assert (result.exit_code, "[LICENSE_OLDER]" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("key", "exit_code", "asked"),
    [("n\n", 1, [(False, False), (True, False)]), ("\n", 1, [(False, False), (True, False)]),
     ("y\n", 0, [(False, False), (True, False), (False, True)])],
)  # fmt: skip
def test_R2_on_a_terminal_a_costly_upload_is_a_question(
    daemon: Daemon, file: Path, key: str, exit_code: int, asked: list[tuple[bool, bool]]
) -> None:
    with sitting(daemon, "upload", str(file)) as screen:
        screen.shows("would end; the cluster would need another scan")
        screen.shows("2 would be lost")
        screen.shows("Go on? [y/N]")
        screen.types(key)
        assert screen.ends() == exit_code
    assert sent(daemon) == asked


def test_R2_on_a_terminal_another_refusal_is_no_question(daemon: Daemon, file: Path) -> None:
    daemon.answers[UPLOAD] = refusing(grpc.StatusCode.FAILED_PRECONDITION, "SEATS_IN_USE")
    with sitting(daemon, "upload", str(file)) as screen:
        screen.shows("[SEATS_IN_USE]")
        assert screen.ends() == 1
