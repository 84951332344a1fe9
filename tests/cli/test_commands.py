"""What each command asks of the daemon and says about the answer."""

import json
import os
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cli.scripted_daemon import Daemon, Licd, refusing
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from licd.v1 import clock_service_pb2 as clock
from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import leadership_service_pb2 as leadership
from licd.v1 import registration_service_pb2 as registering
from licd.v1 import token_service_pb2 as tokens
from licd.v1.failure_pb2 import Failure

NOW = datetime.now(UTC)
VERSION = Failure(
    reason="FAILURE_REASON_VERSION_MISMATCH",
    title="Version mismatch",
    detail="Local 10.1",
    remedy="Install 10.0.",
    node_name="report-1",
)


def at(**later: float) -> Timestamp:
    """A wall time that much later than now."""
    moment = Timestamp()
    moment.FromDatetime(NOW + timedelta(**later))
    return moment


def registration(state: str, **fields: Any) -> registering.Registration:
    """A registration of a cluster with a license."""
    license_ = registering.License(
        license_id="0b7d", company="ACME", project="Reports", max_nodes=3, expires_at=at(days=100, hours=1)
    )
    license_.vendor_name, license_.vendor_email = "Vendor", "lic@vendor.example"
    values = {"license": license_, "max_nodes": 3, "nodes_connected": 2, "nodes_licensed": 2, **fields}
    return registering.Registration(state=f"REGISTRATION_STATE_{state}", **values)


def granting(**grace: float) -> registering.Registration:
    """A registration whose license gives that much outage grace (R41)."""
    answer = registration("REGISTERED")
    answer.license.outage_grace.FromTimedelta(timedelta(**grace))
    return answer


CHALLENGE = registering.Challenge(
    challenge_id="00ff", url="https://portal.example/Q/AB", qr_png=b"PNG", qr_svg="<svg/>", qr_text=" ▀▄█ \n █▄▀ \n"
)
CHALLENGE.expires_at.CopyFrom(at(minutes=5))


def answer_status(daemon: Daemon, answer: registering.Registration) -> None:
    """Has the daemon tell this registration, and that nothing stands in the way of another."""
    daemon.answers["RegistrationService/GetRegistration"] = registering.GetRegistrationResponse(registration=answer)
    daemon.answers["RegistrationService/CheckRegistration"] = registering.CheckRegistrationResponse()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (registering.Registration(state="REGISTRATION_STATE_UNLICENSED"), "licd upload Container.lic"),
        (registration("UNREGISTERED"), "To do: Scan the QR with a phone and type the code: licd qr"),
        (registration("REGISTERED"), "All is well"),
        (registration("REGISTERED"), "(in 100 days)"),
        (registration("REGISTERED"), "Outage grace none"),
        (granting(seconds=900), "Outage grace 15 min\n"),
        (granting(days=7), "Outage grace 7 days\n"),
        (granting(days=1, hours=1, seconds=30), "Outage grace 1 day 1 h 30 s\n"),
        (registration("REGISTERED", nodes_waiting=1), "ask Vendor <lic@vendor.example> for more"),
        (registration("RECOVERING", recovery_deadline=at(hours=4, minutes=50)), "(in 4 h)"),
        (registration("EXPIRED"), "Ask Vendor <lic@vendor.example> for a new Container.lic"),
        (registration("UNREGISTERED", lockout={"locked": True, "locked_until": at(minutes=9)}), "Too many wrong codes"),
        (registration("UNREGISTERED", lockout={"wrong_codes": 2, "attempts_left": 4}), "2, 4 attempts left"),
        (registration("UNREGISTERED", last_failures=[VERSION]), "- Version mismatch (node report-1): Local 10.1"),
        (registration("UNREGISTERED", last_failures=[VERSION]), "  Install 10.0."),
        (registration("UNREGISTERED", release={"released_at": at()}), "its QR: licd release"),
        (registration("REGISTERED", leader={"address": "a:1", "epoch": 7}), "a:1, epoch 7"),
        (
            registration("REGISTERED", nodes_connected=4, nodes_licensed=3),
            "without a seat, nor waiting for one: 1; see why: licd nodes",
        ),
        (registering.Registration(state=99), "99"),  # type: ignore[arg-type]
    ],
)
def test_status_says_how_it_stands_and_what_to_do(
    licd: Licd, daemon: Daemon, answer: registering.Registration, told: str
) -> None:
    answer_status(daemon, answer)
    result = licd("status")
    assert result.exit_code == 0
    assert told in result.stdout


def test_a_license_that_ends_soon_is_to_be_renewed(licd: Licd, daemon: Daemon) -> None:
    answer = registration("REGISTERED")
    answer.license.expires_at.CopyFrom(at(days=29))
    answer_status(daemon, answer)
    assert "To do: The license expires soon: ask Vendor" in licd("status").stdout


UNTRUSTED = Failure(
    reason="FAILURE_REASON_CLOCK_UNTRUSTED",
    title="The leader's clock is not to be trusted",
    detail="jumped ahead by 90 s",
    remedy="Set the clock right (NTP).",
)
DRIFTED = Failure(
    reason="FAILURE_REASON_CLOCK_DRIFT",
    title="Server clocks do not agree",
    detail="12 s ahead",
    remedy="Set that clock right.",
    node_name="report-2",
)
TOO_MANY = Failure(
    reason="FAILURE_REASON_MAX_AUTHORIZATIONS_REACHED", title="The maximum", detail="", remedy="Stop some."
)
WELL = "All is well: there is nothing to do."


@pytest.mark.parametrize("failure", [UNTRUSTED, DRIFTED, VERSION], ids=["R22", "R21", "R12"])
def test_R4_what_is_wrong_in_a_registered_cluster_is_not_all_well(licd: Licd, daemon: Daemon, failure: Failure) -> None:
    answer_status(daemon, registration("REGISTERED"))
    daemon.answers["RegistrationService/CheckRegistration"] = registering.CheckRegistrationResponse(
        failures=[failure, TOO_MANY]
    )
    result = licd("status")
    assert result.exit_code == 0
    assert "Needs attention:" in result.stdout
    assert failure.title in result.stdout
    assert failure.remedy in result.stdout
    assert "The maximum" not in result.stdout, "a node that waits is no fault of a registered cluster"
    assert "To do: Fix what needs attention" in result.stdout
    assert WELL not in result.stdout


def test_R4_of_many_faults_the_first_are_shown(licd: Licd, daemon: Daemon) -> None:
    answer_status(daemon, registration("REGISTERED"))
    many = registering.CheckRegistrationResponse(failures=[DRIFTED] * 25)
    daemon.answers["RegistrationService/CheckRegistration"] = many
    shown = licd("status").stdout
    assert shown.count("Server clocks do not agree") == 20
    assert "... and 5 more: licd check" in shown


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (registration("EXPIRED", clock_untrusted=UNTRUSTED), "Set the clock right (NTP)."),
        (
            registering.Registration(state="REGISTRATION_STATE_UNLICENSED", clock_untrusted=UNTRUSTED),
            "jumped ahead by 90 s",
        ),
        (registration("REGISTERED", journal_unavailable=True), "To do: Make room on the daemon's disk"),
    ],
)
def test_R22_R33_a_clock_in_doubt_and_a_full_disk_are_told_in_every_state(
    licd: Licd, daemon: Daemon, answer: registering.Registration, told: str
) -> None:
    answer_status(daemon, answer)
    result = licd("status")
    assert result.exit_code == 0
    assert told in result.stdout
    assert WELL not in result.stdout


@pytest.mark.parametrize(("age_days", "well"), [(10, True), (61, False)])
def test_R19_a_registration_that_must_be_renewed_soon_is_told(
    licd: Licd, daemon: Daemon, age_days: int, well: bool
) -> None:
    answer = registration("REGISTERED", registered_at=at(days=-age_days))
    answer.license.recertify_days = 90
    answer_status(daemon, answer)
    shown = licd("status").stdout
    assert (WELL in shown) == well
    assert ("To do: Renew the registration before" in shown) != well


def ended(cause: str, *nodes: str) -> registering.EndedRegistration:
    return registering.EndedRegistration(
        ended_at=at(hours=-3, minutes=-5), cause=f"END_CAUSE_{cause}", nodes=nodes, registered_at=at(days=-9)
    )


@pytest.mark.parametrize(
    ("cause", "why"),
    [
        ("ALL_GONE", "(3 h ago) after every node that held a seat had left or been evicted"),
        ("WINDOW_OVER", "(3 h ago) after no node that held a seat had come back within the recovery window"),
        ("RECERTIFY", "(3 h ago) because it was older than the license allows"),
        ("ADMIN", "(3 h ago) because an administrator reset it"),
        ("REPLACED", "(3 h ago) because another license was uploaded"),
        ("RELEASED", "(3 h ago) because the license was released"),
    ],
)
def test_R17_status_says_since_when_and_why_there_is_no_registration(
    licd: Licd, daemon: Daemon, cause: str, why: str
) -> None:
    answer_status(daemon, registration("UNREGISTERED", last_registration=ended(cause, "report-1", "report-\x1b[2J")))
    shown = licd("status").stdout
    assert why in shown
    assert "seats were held by report-1, report-\\x1b[2J" in shown
    assert "To do: Scan the QR with a phone and type the code: licd qr" in shown


def test_R17_many_nodes_and_a_cause_of_a_newer_daemon_are_no_obstacle(licd: Licd, daemon: Daemon) -> None:
    told = ended("ADMIN", *(f"n{number}" for number in range(12)))
    told.cause = 77  # type: ignore[assignment]
    answer_status(daemon, registration("UNREGISTERED", last_registration=told))
    shown = licd("status").stdout
    assert "n9 and 2 more" in shown
    assert "(3 h ago) (77)" in shown


def test_R17_recovering_says_since_when_until_when_and_what_must_happen(licd: Licd, daemon: Daemon) -> None:
    answer = registration("RECOVERING", recovering_since=at(hours=-2), recovery_deadline=at(hours=3, minutes=50))
    answer_status(daemon, answer)
    shown = licd("status").stdout
    assert "(in 3 h), then the registration ends" in shown
    assert "no node that held a seat has been connected since" in shown
    assert "(2 h ago)" in shown
    assert "To do: Bring back a process that held a seat before the recovery deadline" in shown


def test_R4_refusals_are_shown_with_their_times_the_newest_with_its_remedies(licd: Licd, daemon: Daemon) -> None:
    def at_minute(failure: Failure, minute: int) -> Failure:
        dated = Failure()
        dated.CopyFrom(failure)
        dated.at.CopyFrom(at(minutes=minute))
        return dated

    refusals = [at_minute(VERSION, -1), at_minute(DRIFTED, -1), at_minute(VERSION, -60)]
    answer_status(daemon, registration("UNREGISTERED", last_failures=refusals))
    lines = licd("status").stdout.splitlines()
    heading = next(line for line in lines if line.startswith("The last upload or registration that was refused ("))
    newest = lines[lines.index(heading) + 1 :]
    assert newest[0].startswith("- Version mismatch (node report-1)")
    assert newest[2].startswith("- Server clocks do not agree (node report-2)")
    earlier = newest[newest.index("Refused before:") + 1]
    assert earlier.startswith("- 20")
    assert earlier.endswith("Version mismatch (node report-1)")


def test_R17_a_recovering_cluster_is_not_told_that_its_seats_are_full(licd: Licd, daemon: Daemon) -> None:
    recovering = {"nodes_connected": 3, "nodes_licensed": 0, "nodes_waiting": 3}
    answer_status(daemon, registration("RECOVERING", **recovering, recovery_deadline=at(minutes=4)))
    told = licd("status").stdout
    assert "To do: Bring back a process that held a seat" in told
    assert "stop or evict others" not in told


def test_R34_status_and_check_report_the_servers_certificate(licd: Licd, daemon: Daemon) -> None:
    warning = Failure(title="The server certificate ends soon", detail="It ends within 7 days", remedy="Replace it.")
    answer_status(daemon, registration("REGISTERED", warnings=[warning]))
    daemon.answers["RegistrationService/CheckRegistration"] = registering.CheckRegistrationResponse()
    told, checked = licd("status").stdout, licd("check")
    assert "Needs attention:\n- The server certificate ends soon: It ends within 7 days\n  Replace it." in told
    assert "All is well" not in told
    assert (checked.exit_code, "Warning: The server certificate ends soon." in checked.stderr) == (0, True)


def test_status_as_json_is_the_registration_with_its_defaults(licd: Licd, daemon: Daemon) -> None:
    answer_status(daemon, registration("REGISTERED"))
    told = json.loads(licd("status", "--output", "json").stdout)
    assert (told["state"], told["max_nodes"], told["nodes_waiting"]) == ("REGISTRATION_STATE_REGISTERED", 3, 0)
    assert told["last_failures"] == []
    assert told["license"]["vendor_email"] == "lic@vendor.example"


@pytest.mark.parametrize(("failures", "exit_code"), [([], 0), ([VERSION], 1)])
def test_check_tells_by_its_exit_code(licd: Licd, daemon: Daemon, failures: list[Failure], exit_code: int) -> None:
    answer_status(daemon, registration("UNREGISTERED"))
    answer = registering.CheckRegistrationResponse(failures=failures)
    daemon.answers["RegistrationService/CheckRegistration"] = answer
    text, as_json = licd("check"), licd("check", "--output", "json")
    assert (text.exit_code, as_json.exit_code) == (exit_code, exit_code)
    assert len(json.loads(as_json.stdout)["failures"]) == exit_code
    assert ("Install 10.0." in text.stderr) == bool(exit_code)
    assert ("Can be fixed by: anyone who installs the report server on report-1" in text.stderr) == bool(exit_code)


def test_a_lock_stands_in_the_way_of_a_registration(licd: Licd, daemon: Daemon) -> None:
    answer_status(daemon, registration("UNREGISTERED", lockout={"locked": True, "locked_until": at(minutes=9)}))
    text, as_json = licd("check"), licd("check", "--output", "json")
    assert (text.exit_code, as_json.exit_code) == (1, 1)
    assert "Too many wrong codes: locked until" in text.stderr


def test_status_says_what_stands_in_the_way_before_a_code_is_spent(licd: Licd, daemon: Daemon) -> None:
    answer_status(daemon, registration("UNREGISTERED", last_failures=[VERSION]))
    daemon.answers["RegistrationService/CheckRegistration"] = registering.CheckRegistrationResponse(failures=[VERSION])
    told = licd("status").stdout
    assert told.count("Version mismatch") == 1
    assert "A registration would be refused now:" in told
    assert "To do: Fix what stands in the way; then scan the QR" in told


def test_R5_status_shows_the_lowest_version_where_a_license_has_one(licd: Licd, daemon: Daemon) -> None:
    answer = registration("REGISTERED")
    answer.license.application.name, answer.license.application.version = "report-server", "10.0"
    answer_status(daemon, answer)
    assert "report-server 10.0\n" in licd("status").stdout
    answer.license.application.min_version = "10.0.5"
    answer_status(daemon, answer)
    assert "report-server 10.0 (at least 10.0.5)\n" in licd("status").stdout


def test_upload_shows_the_qr_and_the_next_step(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "Container.lic"
    file.write_bytes(b"a.b.c")
    uploaded = registering.UploadLicenseResponse(registration=registration("UNREGISTERED"))
    daemon.answers["RegistrationService/UploadLicense"] = uploaded
    daemon.answers["RegistrationService/CreateChallenge"] = registering.CreateChallengeResponse(challenge=CHALLENGE)
    result = licd("upload", file)
    assert result.exit_code == 0, result.output
    for told in ("ACME, 3 nodes", " ▀▄█ \n █▄▀ ", "https://portal.example/Q/AB", "00ff", "licd submit CODE"):
        assert told in result.stdout
    assert "\x1b" not in result.stdout
    (request,) = daemon.requests("RegistrationService/UploadLicense")
    assert (request.content, request.auth_method) == (b"a.b.c", registering.AUTH_METHOD_LOCAL_CONTAINER)
    told_json = json.loads(licd("upload", "-", "--output", "json", input=b"a.b.c").stdout)
    assert (told_json["challenge"]["challenge_id"], told_json["challenge"]["qr_text"]) == ("00ff", "")


def test_a_reissue_that_keeps_the_registration_has_no_qr(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "Container.lic"
    file.write_bytes(b"a.b.c")
    uploaded = registering.UploadLicenseResponse(registration=registration("REGISTERED"))
    daemon.answers["RegistrationService/UploadLicense"] = uploaded
    result = licd("upload", file)
    assert (result.exit_code, "stays registered" in result.stdout) == (0, True)


def test_an_upload_of_a_huge_file_sends_just_enough_to_be_refused(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    file = tmp_path / "huge"
    file.write_bytes(b"x" * 1_000_000)
    daemon.answers["RegistrationService/UploadLicense"] = refusing(
        grpc.StatusCode.FAILED_PRECONDITION, "LICENSE_REFUSED", failures=(Failure(title="The content is incorrect"),)
    )
    result = licd("upload", file)
    assert (result.exit_code, "- The content is incorrect" in result.stderr) == (1, True)
    assert len(daemon.requests("RegistrationService/UploadLicense")[0].content) == 64 * 1024 + 1
    assert licd("upload", tmp_path / "none").exit_code == 2
    assert licd("upload", file, "--auth-method", "OTHER").exit_code == 2


def test_submit_takes_the_current_challenge_or_a_named_one(licd: Licd, daemon: Daemon) -> None:
    answer_status(daemon, registration("UNREGISTERED", challenge=CHALLENGE))
    accepted = registering.SubmitCodeResponse(registration=registration("REGISTERED", nodes_waiting=1))
    daemon.answers["RegistrationService/SubmitCode"] = accepted
    result = licd("submit", "012345")
    assert (result.exit_code, result.stdout) == (0, "The cluster is registered: 2 of 3 seats held, 1 waiting.\n")
    assert json.loads(licd("submit", "012345", "--challenge", "aa", "--output", "json").stdout)["nodes_licensed"] == 2
    asked = [(each.challenge_id, each.code) for each in daemon.requests("RegistrationService/SubmitCode")]
    assert asked == [("00ff", "012345"), ("aa", "012345")]


def test_submit_without_a_challenge_says_to_draw_one(licd: Licd, daemon: Daemon) -> None:
    answer_status(daemon, registration("UNREGISTERED"))
    result = licd("submit", "012345")
    assert (result.exit_code, "licd qr" in result.stderr) == (1, True)


def test_a_wrong_code_tells_the_attempts_left(licd: Licd, daemon: Daemon) -> None:
    wrong = refusing(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_CODE", {"attempts_left": "4"})
    daemon.answers["RegistrationService/SubmitCode"] = wrong
    result = licd("submit", "012345", "--challenge", "aa")
    assert (result.exit_code, "Attempts left: 4" in result.stderr) == (1, True)


def test_reset_and_release(licd: Licd, daemon: Daemon) -> None:
    over = registration("UNREGISTERED", release={"url": "https://portal.example/R/AB"})
    daemon.answers["RegistrationService/ResetRegistration"] = registering.ResetRegistrationResponse(registration=over)
    daemon.answers["RegistrationService/ReleaseLicense"] = registering.ReleaseLicenseResponse(
        registration=over, qr_text="▄▄"
    )
    assert "licd qr" in licd("reset", "--yes").stdout
    assert json.loads(licd("reset", "--output", "json").stdout)["state"] == "REGISTRATION_STATE_UNREGISTERED"
    released = licd("release", "-y").stdout
    assert "▄▄\n" in released
    assert "https://portal.example/R/AB" in released


def test_nodes_of_all_pages_with_their_reasons_and_clocks(licd: Licd, daemon: Daemon) -> None:
    first = cluster.Node(name="report-1[/b]\x1b[2J", session_id="s1", state="NODE_STATE_LICENSED", address="10.0.0.5:1")
    first.clock_offset.CopyFrom(Duration(nanos=-12_300_000))
    first.clock_error.CopyFrom(Duration(nanos=400_000))
    second = cluster.Node(name="report-2", session_id="s2", state="NODE_STATE_REJECTED", failures=[VERSION])

    def page(request: cluster.ListNodesRequest, _: object) -> cluster.ListNodesResponse:
        if request.page_token == "":
            return cluster.ListNodesResponse(nodes=[first], next_page_token="more")
        return cluster.ListNodesResponse(nodes=[second])

    daemon.answers["ClusterService/ListNodes"] = page
    lines = licd("nodes").stdout.splitlines()
    assert lines[0].split()[:3] == ["NAME", "STATE", "WHY"]
    assert "report-1[/b]\\x1b[2J" in lines[1]
    assert "-12.3 ms ± 0.4 ms" in lines[1]
    assert "REJECTED  Version mismatch: Local 10.1" in lines[2]
    assert lines[2].rstrip().endswith("s2")
    told = json.loads(licd("nodes", "--output", "json").stdout)
    assert [node["session_id"] for node in told["nodes"]] == ["s1", "s2"]
    assert told["next_page_token"] == ""


def test_evict(licd: Licd, daemon: Daemon) -> None:
    daemon.answers["ClusterService/EvictNode"] = cluster.EvictNodeResponse()
    assert licd("evict", "s1").exit_code == 0
    assert daemon.requests("ClusterService/EvictNode")[0].session_id == "s1"
    daemon.answers["ClusterService/EvictNode"] = refusing(grpc.StatusCode.NOT_FOUND, "NO_SUCH_SESSION")
    assert licd("evict", "s9").exit_code == 1


def list_events(request: cluster.ListEventsRequest, _: object) -> cluster.ListEventsResponse:
    """Five events, newest first, in pages."""
    newest = int(request.page_token or 5)
    oldest = max(newest - request.page_size, 0)
    shown = [
        cluster.Event(position=each, kind="seat_granted", node_name="report-1", attributes={"seat": "1", "by": "x\n"})
        for each in range(newest, oldest, -1)
    ]
    return cluster.ListEventsResponse(events=shown, next_page_token=str(oldest or ""))


def test_events_are_the_newest_ones_oldest_first(licd: Licd, daemon: Daemon) -> None:
    daemon.answers["ClusterService/ListEvents"] = list_events
    told = json.loads(licd("events", "--limit", "3", "--output", "json").stdout)
    assert [event["position"] for event in told["events"]] == ["3", "4", "5"]
    lines = licd("events", "--limit", "0", "--kind", "seat_granted").stdout.splitlines()
    assert len(lines) == 5
    assert " ".join(lines[0].split()[-4:]) == "seat_granted report-1 by=x\\n seat=1"
    assert list(daemon.requests("ClusterService/ListEvents")[-1].kinds) == ["seat_granted"]


@pytest.mark.parametrize(
    ("actor", "said"),
    [
        ({"kind": "ACTOR_KIND_TOKEN", "name": "ops", "id": "ab"}, "by ops (admin, ::1)"),
        ({"kind": "ACTOR_KIND_TOKEN", "id": "ab"}, "by ab (admin, ::1)"),
        ({"kind": "ACTOR_KIND_CONSOLE", "name": "an\x1bna", "id": "ab"}, "by an\\x1bna (admin at the console, ::1)"),
        ({"kind": "ACTOR_KIND_CERTIFICATE", "name": "CN=a", "id": "ab"}, "by CN=a (admin by certificate, ::1)"),
    ],
)
def test_R35_events_say_who_caused_them(licd: Licd, daemon: Daemon, actor: dict[str, Any], said: str) -> None:
    by = cluster.Actor(role=tokens.ROLE_ADMIN, address="::1", **actor)
    event = cluster.Event(kind="registration_reset", actor=by, attributes={"reason": "ADMIN"})
    daemon.answers["ClusterService/ListEvents"] = cluster.ListEventsResponse(events=[event])
    assert licd("events").stdout.rstrip().endswith(f"  {said}  reason=ADMIN")
    (told,) = json.loads(licd("events", "--output", "json").stdout)["events"]
    assert (told["actor"]["id"], told["actor"]["role"]) == ("ab", "ROLE_ADMIN")


def test_events_follow_after_the_last_one_listed(licd: Licd, daemon: Daemon) -> None:
    def watch(request: cluster.WatchEventsRequest, context: grpc.ServicerContext) -> Any:
        for position in (request.after_position + 1, request.after_position + 2):
            yield cluster.WatchEventsResponse(event=cluster.Event(position=position))
        refusing(grpc.StatusCode.UNAVAILABLE, "STOPPING")(request, context)

    daemon.answers["ClusterService/ListEvents"] = list_events
    daemon.answers["ClusterService/WatchEvents"] = watch
    result = licd("events", "-f", "--limit", "1", "--output", "json")
    assert result.exit_code == 3
    assert [json.loads(line)["event"]["position"] for line in result.stdout.splitlines()] == ["5", "6", "7"]


def test_R23_the_clock_is_confirmed_after_a_question_that_shows_it(licd: Licd, daemon: Daemon) -> None:
    times = clock.ConfirmClockResponse(
        wall_clock=Timestamp(seconds=1_800_000_000),
        effective_time=Timestamp(seconds=1_799_000_000),
        confirmed_time=Timestamp(seconds=1_798_000_000),
    )
    daemon.answers["ClockService/ConfirmClock"] = times
    unasked = licd("clock", "confirm")
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    assert [request.dry_run for request in daemon.requests("ClockService/ConfirmClock")] == [True]
    done = licd("clock", "confirm", "--yes")
    assert done.exit_code == 0, done.output
    for shown in ("2027-01-15 08:00:00", "2027-01-03 18:13:20", "2026-12-23 04:26:40", "Confirmed"):
        assert shown in done.stdout
    assert [request.dry_run for request in daemon.requests("ClockService/ConfirmClock")] == [True, True, False]


def test_R23_a_clock_that_stays_in_doubt_is_refused_with_the_remedy(licd: Licd, daemon: Daemon) -> None:
    doubt = Failure(detail="set back by 60 s", remedy="Set the clock right.")
    daemon.answers["ClockService/ConfirmClock"] = clock.ConfirmClockResponse(clock_untrusted=doubt)
    result = licd("clock", "confirm", "--yes")
    assert result.exit_code == 1
    assert "set back by 60 s" in result.stderr
    assert "Set the clock right." in result.stderr


def test_a_token_is_printed_once_or_written_for_its_owner_only(licd: Licd, daemon: Daemon, tmp_path: Path) -> None:
    made = tokens.CreateTokenResponse(token=tokens.Token(token_id="ab"), secret="the-secret")
    daemon.answers["TokenService/CreateToken"] = made
    printed = licd("token", "create", "node", "--name", "report servers")
    assert (printed.stdout, "ab" in printed.stderr) == ("the-secret\n", True)
    request = daemon.requests("TokenService/CreateToken")[0]
    assert (request.role, request.name) == (tokens.ROLE_NODE, "report servers")
    out = tmp_path / "node.token"
    written = licd("token", "create", "node", "--out", out)
    assert "the-secret" not in written.output
    assert out.read_text() == "the-secret\n"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_no_token_is_made_that_cannot_be_written_and_no_file_without_one(
    licd: Licd, daemon: Daemon, tmp_path: Path
) -> None:
    daemon.answers["TokenService/CreateToken"] = refusing(grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE")
    there = tmp_path / "there"
    there.write_text("kept")
    assert licd("token", "create", "node", "--out", there).exit_code == 2
    assert (there.read_text(), daemon.requests("TokenService/CreateToken")) == ("kept", [])
    assert licd("token", "create", "node", "--out", tmp_path / "new").exit_code == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("option", "field", "expected"),
    [
        (("--expires-in", "90d"), "expires_in", 90 * 86_400),
        (("--expires-in", "12h"), "expires_in", 12 * 3600),
        (("--expires-at", "2027-01-31T18:00:00Z"), "ends_at", 1_801_418_400),
        (("--expires-at", "2027-01-31"), "ends_at", 1_801_440_000),  # through that day
    ],
)
def test_a_token_may_have_an_end(
    licd: Licd, daemon: Daemon, option: tuple[str, str], field: str, expected: int
) -> None:
    daemon.answers["TokenService/CreateToken"] = tokens.CreateTokenResponse(secret="the-secret")
    assert licd("token", "create", "node", *option).exit_code == 0
    request = daemon.requests("TokenService/CreateToken")[0]
    assert (request.WhichOneof("end"), getattr(request, field).seconds) == (field, expected)


@pytest.mark.parametrize(
    "options",
    [
        ("--expires-in", "1w"),
        ("--expires-at", "soon"),
        ("--expires-at", "2027-02-30"),
        ("--expires-in", "1h", "--expires-at", "2027-01-31"),
    ],
)
def test_an_end_that_is_none_is_named(licd: Licd, daemon: Daemon, options: tuple[str, ...]) -> None:
    result = licd("token", "create", "node", *options)
    assert (result.exit_code, "--expires" in result.stderr) == (2, True)
    assert daemon.requests("TokenService/CreateToken") == []


def test_a_rotated_tokens_secret_is_printed_once_and_the_overlap_told(licd: Licd, daemon: Daemon) -> None:
    rotated = tokens.RotateTokenResponse(token=tokens.Token(token_id="ab", former_ends_at={"seconds": 2**31}))
    rotated.secret = "the-secret"
    daemon.answers["TokenService/RotateToken"] = rotated
    result = licd("token", "rotate", "ab", "--overlap", "2d")
    assert (result.stdout, "works until 2038-01-19" in result.stderr) == ("the-secret\n", True)
    request = daemon.requests("TokenService/RotateToken")[0]
    assert (request.token_id, request.overlap.seconds, request.take_back) == ("ab", 2 * 86_400, False)
    licd("token", "rotate", "ab")
    assert daemon.requests("TokenService/RotateToken")[1].overlap.seconds == 86_400


@pytest.mark.parametrize(
    ("command", "void"), [(["create", "node"], "RevokeToken"), (["rotate", "ab"], "RotateToken")], ids=str
)
def test_a_secret_that_could_not_be_handed_over_is_void(daemon: Daemon, command: list[str], void: str) -> None:
    token = tokens.Token(token_id="ab")
    daemon.answers["TokenService/CreateToken"] = tokens.CreateTokenResponse(token=token, secret="the-secret")
    daemon.answers["TokenService/RotateToken"] = tokens.RotateTokenResponse(token=token, secret="the-secret")
    daemon.answers["TokenService/RevokeToken"] = tokens.RevokeTokenResponse()
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as nobody:
        program = [sys.executable, "-m", "licd_daemon", "token", *command, "--insecure", "--address", daemon.address]
        result = subprocess.run(program, check=False, stdout=nobody, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (result.returncode, "void" in result.stderr, "the-secret" in result.stderr) == (1, True, False)
    last = daemon.requests(f"TokenService/{void}")[-1]
    assert last.token_id == "ab"
    assert void == "RevokeToken" or last.take_back


def test_tokens_are_listed_and_revoked(run: Licd, daemon: Daemon) -> None:
    listed = tokens.ListTokensResponse(tokens=[tokens.Token(token_id="ab", role="ROLE_VIEWER", name="grafana")])
    daemon.answers["TokenService/ListTokens"] = listed
    daemon.answers["TokenService/RevokeToken"] = tokens.RevokeTokenResponse()
    for place in (["--address", daemon.address, "--insecure", "token"], ["token", "--address", daemon.address]):
        extra = [] if "--insecure" in place else ["--insecure"]
        result = run(*place, "list", *extra)
        assert result.stdout.splitlines()[1].split()[:3] == ["ab", "viewer", "grafana"], result.output
        told = json.loads(run(*place, "list", *extra, "--output", "json").stdout)
        assert told["tokens"][0]["role"] == "ROLE_VIEWER"
        assert run(*place, "revoke", "ab", *extra).exit_code == 0
    daemon.answers["TokenService/RevokeToken"] = refusing(grpc.StatusCode.FAILED_PRECONDITION, "LAST_ADMIN_TOKEN")
    result = run("token", "revoke", "ab", "--insecure", "--address", daemon.address)
    assert (result.exit_code, "licd token create admin" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("leader", "told"), [("b:7443", "The daemon at b:7443 leads now."), ("", "Given up; one will")]
)
def test_the_lead_is_moved_and_the_successor_named_if_there_is_one(
    licd: Licd, daemon: Daemon, leader: str, told: str
) -> None:
    daemon.answers["LeadershipService/TransferLeadership"] = leadership.TransferLeadershipResponse(leader=leader)
    result = licd("leader", "transfer")
    assert (result.exit_code, result.stdout.startswith(told)) == (0, True)
