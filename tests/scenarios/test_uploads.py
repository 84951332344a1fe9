"""R1, R2: a license uploaded by people, over raw gRPC: asked about first, read as it comes, dated ahead."""

import dataclasses
import json
import textwrap
import time

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, Parse
from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import DAY, TestVendor

from licd.v1 import cluster_service_pb2 as cluster
from licd.v1 import registration_service_pb2 as pb

FAILED = grpc.StatusCode.FAILED_PRECONDITION


def other_application(vendor: TestVendor) -> bytes:
    license = vendor.license()
    application = dataclasses.replace(license.application, name="etl-server")
    return vendor.lic(dataclasses.replace(license, application=application))


def registered(daemon: Daemon, admin: Admin, vendor: TestVendor, *names: str) -> None:
    admin.upload(vendor.lic())
    for name in names:
        RawNode(daemon.stubs("node"), name).joined()
    admin.register()


def events(admin: Admin) -> list[str]:
    return [event.kind for event in admin.stubs.cluster.ListEvents(cluster.ListEventsRequest(page_size=1000)).events]


def test_R2_another_applications_license_uploaded_by_mistake_is_asked_about(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    registered(daemon, admin, vendor, "report-1", "report-2", "report-3")
    before = admin.registration()
    with refused(FAILED, "WOULD_END_REGISTRATION") as refusal:
        admin.upload(other_application(vendor))
    assert "would end the registration of " in refusal.message
    assert "3 seats: report-1, report-2, report-3" in refusal.message
    effect = Parse(refusal.metadata["effect"], pb.UploadEffect())
    assert (effect.ends_registration, effect.seats_lost) == (True, 3)
    assert [node.name for node in effect.nodes_rejected] == ["report-1", "report-2", "report-3"]
    assert [(failure.node_name, failure.title) for failure in refusal.failures] == [
        (f"report-{number}", "Application name does not match") for number in (1, 2, 3)
    ]
    assert effect.license.application.name == "etl-server"
    told = json.loads(refusal.metadata["effect"])
    assert told["seats_lost"] == 3
    assert told["nodes_rejected"][0]["failures"][0]["reason"] == "FAILURE_REASON_APPLICATION_NAME_MISMATCH"
    after = admin.registration()
    assert (after.state, after.license, after.nodes_licensed) == (before.state, before.license, 3)
    assert set(admin.nodes().values()) == {"LICENSED"}


def test_R2_with_replace_it_goes_on_and_the_answer_says_what_it_has_changed(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    registered(daemon, admin, vendor, "report-1", "report-2")
    request = pb.UploadLicenseRequest(
        content=other_application(vendor), auth_method=pb.AUTH_METHOD_LOCAL_CONTAINER, replace=True
    )
    answer = admin.stubs.registration.UploadLicense(request)
    assert (answer.effect.ends_registration, answer.effect.seats_lost) == (True, 2)
    assert len(answer.effect.failures) == 2
    assert admin.state == "UNREGISTERED"


def test_R2_a_dry_run_tells_only(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    registered(daemon, admin, vendor, "report-1")
    before, told = admin.registration(), events(admin)
    answer = admin.try_upload(other_application(vendor))
    assert answer.registration.state == pb.REGISTRATION_STATE_REGISTERED
    assert answer.registration.license == before.license
    assert (answer.effect.ends_registration, answer.effect.seats_lost) == (True, 1)
    assert [failure.node_name for failure in answer.effect.failures] == ["report-1"]
    defaults = MessageToDict(answer.effect, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert set(defaults) == {"license", "ends_registration", "seats_lost", "nodes_rejected", "failures"}
    for content in (b"", vendor.lic(issued_at=int(time.time()) + 3 * DAY)):
        with refused(FAILED, "LICENSE_REFUSED"):
            admin.try_upload(content)
    after = admin.registration()
    assert (after.license, list(after.last_failures)) == (before.license, [])
    assert [kind for kind in events(admin) if kind != "time_marked"] == [kind for kind in told if kind != "time_marked"]


def test_R2_what_many_nodes_would_lose_fits_into_the_refusal(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    admin.upload(vendor.lic(max_nodes=60))
    for number in range(60):
        RawNode(daemon.stubs("node"), f"报表服务器-{'长' * 100}-{number}").join()
    with refused(FAILED, "WOULD_END_REGISTRATION") as refusal:
        admin.upload(other_application(vendor))
    effect = Parse(refusal.metadata["effect"], pb.UploadEffect())
    assert effect.license.application.name == "etl-server"
    assert 0 < len(effect.nodes_rejected) < 60
    assert len(admin.try_upload(other_application(vendor)).effect.nodes_rejected) == 60


FORMS = {
    "line end": lambda lic: lic + b"\r\n",
    "byte order mark": lambda lic: b"\xef\xbb\xbf" + lic,
    "wrapped by a mail": lambda lic: "\r\n".join(textwrap.wrap(lic.decode(), 76)).encode(),
    "line ends turned into spaces": lambda lic: " ".join(textwrap.wrap(lic.decode(), 76)).encode(),
    "UTF-16": lambda lic: lic.decode().encode("utf-16"),
}


@pytest.mark.parametrize("form", FORMS)
def test_R1_what_a_mail_or_an_editor_does_to_the_file_changes_nothing(
    admin: Admin, vendor: TestVendor, form: str
) -> None:
    license = vendor.license()
    assert admin.upload(FORMS[form](vendor.lic(license))).license.license_id == license.license_id


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "This file is empty"),
        (b"<html>login</html>", "This is a web page, perhaps of a proxy that asks for a login"),
        (b"From: a\r\nSubject: b\r\n\r\nhello\r\n", "This is a whole mail"),
        (b"%PDF-1.7", "This is a PDF"),
    ],
)
def test_R1_another_file_is_named_and_the_title_and_detail_say_no_more_than_ever(
    admin: Admin, content: bytes, said: str
) -> None:
    with refused(FAILED, "LICENSE_REFUSED") as refusal:
        admin.upload(content)
    (failure,) = refusal.failures
    assert refusal.reasons == ["CERTIFICATE_CONTENT_INCORRECT"]
    assert (failure.title, failure.detail) == ("The content of the certificate is incorrect", "")
    assert failure.remedy.startswith(said)


@pytest.mark.parametrize("ahead", [20, 500])
def test_R2_a_license_dated_ahead_of_the_leaders_clock_can_be_registered(
    daemon: Daemon, admin: Admin, vendor: TestVendor, ahead: int
) -> None:
    RawNode(daemon.stubs("node")).joined()
    admin.upload(vendor.lic(issued_at=int(time.time()) + ahead))
    assert admin.register().nodes_licensed == 1
    assert admin.state == "REGISTERED"


def test_R2_a_reissue_dated_100_days_ahead_is_refused_and_the_correction_taken(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    license = vendor.license(issued_at=int(time.time()) - 60)
    admin.upload(vendor.lic(license))
    RawNode(daemon.stubs("node")).joined()
    admin.register()
    ahead = dataclasses.replace(license, issued_at=license.issued_at + 100 * DAY, max_nodes=5)
    with refused(FAILED, "LICENSE_REFUSED") as refusal:
        admin.upload(vendor.lic(ahead))
    (failure,) = refusal.failures
    for moment in (ahead.issued_at, int(time.time())):
        day = time.strftime("%Y-%m-%d", time.gmtime(moment))
        assert day in failure.detail
        assert day in refusal.message
    assert admin.state == "REGISTERED"
    correction = dataclasses.replace(license, issued_at=license.issued_at + 30, max_nodes=5)
    assert admin.upload(vendor.lic(correction)).max_nodes == 5
    assert admin.state == "REGISTERED"


def test_R1_a_file_that_expired_and_of_another_application_is_told_so_at_once(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    RawNode(daemon.stubs("node"), "report-1", version="9.4").joined()
    license = vendor.license(issued_at=int(time.time()) - 2 * DAY, expires_at=int(time.time()) - DAY)
    application = dataclasses.replace(license.application, name="etl-server")
    with refused(FAILED, "LICENSE_REFUSED") as refusal:
        admin.upload(vendor.lic(dataclasses.replace(license, application=application)))
    assert refusal.reasons == ["CERTIFICATE_EXPIRED", "APPLICATION_NAME_MISMATCH", "VERSION_MISMATCH"]
    assert [failure.node_name for failure in refusal.failures] == ["", "report-1", "report-1"]


def test_R5_a_node_below_the_lowest_version_is_rejected_until_it_is_updated(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    license = vendor.license()
    application = dataclasses.replace(license.application, min_version="10.0.5")
    answer = admin.upload(vendor.lic(dataclasses.replace(license, application=application)))
    assert answer.license.application.min_version == "10.0.5"
    node = RawNode(daemon.stubs("node"), "report-1", version="10.0.4").joined()
    assert node.stream is not None
    node.stream.until_state("REJECTED")
    with refused(FAILED, "REGISTRATION_REFUSED") as refusal:
        admin.register()
    assert [(failure.node_name, failure.detail) for failure in refusal.failures] == [
        (
            "report-1",
            "Certified application version: 10.0 Local application version: 10.0.4 Lowest application version: 10.0.5",
        )
    ]
    node.leave()
    RawNode(daemon.stubs("node"), "report-1", version="10.0.5").joined()
    assert admin.register().nodes_licensed == 1
