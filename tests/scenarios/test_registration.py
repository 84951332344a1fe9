"""From Container.lic to a registered cluster and back (R2, R10, R11, R13, R17), over raw gRPC."""

import dataclasses
import time

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import DAY, TestVendor

from licd.v1 import node_service_pb2 as node_pb

FAILED = grpc.StatusCode.FAILED_PRECONDITION


def state_of(answer: node_pb.JoinResponse | node_pb.ResumeResponse) -> str:
    return node_pb.NodeState.Name(answer.state).removeprefix("NODE_STATE_")


def test_main_job_three_seats_the_fourth_waits_and_gets_the_first_one_freed(daemon: Daemon, admin: Admin, vendor):
    assert admin.state == "UNLICENSED"
    assert state_of(RawNode(daemon.stubs("node"), "early").join()) == "PENDING"
    early = RawNode(daemon.stubs("node"), "report-1").joined()
    admin.upload(vendor.lic())
    assert admin.state == "UNREGISTERED"
    second = RawNode(daemon.stubs("node"), "report-2").joined()
    registration = admin.register()
    assert admin.state == "REGISTERED"
    assert (registration.nodes_connected, registration.nodes_licensed, registration.max_nodes) == (3, 3, 3)
    early.stream.until_state("LICENSED")
    second.stream.until_state("LICENSED")

    fourth = RawNode(daemon.stubs("node"), "report-4")
    answer = fourth.join()
    assert state_of(answer) == "WAITING"
    assert [f.title for f in answer.failures] == ["The maximum number of authorizations has been reached"]
    fourth.open().until_state("WAITING")
    early.leave()
    fourth.stream.until_state("LICENSED")
    assert admin.nodes() == {"early": "LICENSED", "report-2": "LICENSED", "report-4": "LICENSED"}


def test_R11_four_nodes_connected_before_a_license_for_three_are_refused(daemon: Daemon, admin: Admin, vendor):
    admin.upload(vendor.lic())
    nodes = [RawNode(daemon.stubs("node"), f"report-{n}").joined() for n in range(4)]
    challenge = admin.challenge()
    code = vendor.code(challenge.url)
    with refused(FAILED, "REGISTRATION_REFUSED") as refusal:
        admin.submit(challenge, code)
    assert refusal.reasons == ["MAX_AUTHORIZATIONS_REACHED"]
    nodes[0].leave()
    assert admin.submit(challenge, code).nodes_licensed == 3, "R8: the code stays usable once the reason is gone"


def test_R5_two_wrong_things_at_once_are_both_told_with_their_nodes(daemon: Daemon, admin: Admin, vendor):
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node"), "old", version="9.4", build_date="2020-01-01").join()
    RawNode(daemon.stubs("node"), "other", content="hr").join()
    with refused(FAILED, "REGISTRATION_REFUSED") as refusal:
        admin.register()
    assert [(f.node_name, f.title, f.detail) for f in refusal.failures] == [
        ("old", "Version mismatch", "Certified application version: 10.0 Local application version: 9.4"),
        ("old", "The report server's build is too old", "Build 2020-01-01, needs 2021-10-30 or later"),
        ("other", "Project content does not match", "Certification project content: sales Local project content: hr"),
    ]
    assert admin.nodes() == {"old": "REJECTED", "other": "REJECTED"}
    assert all(failure.remedy for failure in refusal.failures)


def test_registration_needs_a_node(admin: Admin, vendor):
    admin.upload(vendor.lic())
    with refused(FAILED, "REGISTRATION_REFUSED") as refusal:
        admin.register()
    assert refusal.reasons == ["NO_NODES_CONNECTED"]


def test_R12_a_node_that_does_not_match_is_rejected_and_healed_by_a_license_that_fits(
    daemon: Daemon, admin: Admin, vendor: TestVendor
):
    license = vendor.license()
    admin.upload(vendor.lic(license))
    RawNode(daemon.stubs("node"), "fits").joined()
    newer = RawNode(daemon.stubs("node"), "newer", version="11.0").joined()
    newer.stream.until_state("REJECTED")
    newer.leave()
    admin.register()
    newer = RawNode(daemon.stubs("node"), "newer", version="11.0").joined()
    newer.stream.until_state("REJECTED")
    application = dataclasses.replace(license.application, version="11.0")
    reissue = dataclasses.replace(license, issued_at=license.issued_at + 1, application=application)
    admin.upload(vendor.lic(reissue), replace=True)
    newer.stream.until_state("LICENSED")
    assert admin.nodes()["fits"] == "REJECTED"


def test_R2_a_refused_upload_changes_nothing(admin: Admin, vendor: TestVendor):
    license = vendor.license()
    admin.upload(vendor.lic(license))
    before = admin.registration()
    for content in (b"", b"garbage", vendor.lic(license)[:-4], vendor.lic(license) + b"x", TestVendor().lic(license)):
        with refused(FAILED, "LICENSE_REFUSED") as refusal:
            admin.upload(content)
        assert refusal.reasons == ["CERTIFICATE_CONTENT_INCORRECT"]
        assert refusal.failures[0].detail == ""
    with refused(FAILED, "LICENSE_REFUSED") as refusal:
        admin.upload(vendor.lic(issued_at=int(time.time()) - 2 * DAY, expires_at=int(time.time()) - DAY))
    assert refusal.reasons == ["CERTIFICATE_EXPIRED"]
    after = admin.registration()
    assert after.license == before.license
    assert after.state == before.state


def test_R2_an_older_issue_is_refused_also_after_another_license(admin: Admin, vendor: TestVendor):
    license = vendor.license()
    newer = dataclasses.replace(license, issued_at=license.issued_at + 10, max_nodes=5)
    admin.upload(vendor.lic(newer))
    with refused(FAILED, "LICENSE_OLDER"):
        admin.upload(vendor.lic(license))
    admin.upload(vendor.lic())
    with refused(FAILED, "LICENSE_OLDER"):
        admin.upload(vendor.lic(license))
    assert admin.upload(vendor.lic(newer)).license.license_id == license.license_id


def test_R2_a_reissue_keeps_the_registration_and_one_for_fewer_nodes_names_those_seated(
    daemon: Daemon, admin: Admin, vendor: TestVendor
):
    license = vendor.license(max_nodes=2)
    admin.upload(vendor.lic(license))
    for name in ("report-1", "report-2"):
        RawNode(daemon.stubs("node"), name).joined()
    admin.register()
    waiting = RawNode(daemon.stubs("node"), "report-3").joined()
    waiting.stream.until_state("WAITING")
    fewer = dataclasses.replace(license, issued_at=license.issued_at + 1, max_nodes=1)
    with refused(FAILED, "SEATS_IN_USE") as refusal:
        admin.upload(vendor.lic(fewer))
    assert "report-1" in refusal.message
    assert "report-2" in refusal.message
    more = dataclasses.replace(license, issued_at=license.issued_at + 2, max_nodes=3)
    assert admin.upload(vendor.lic(more)).nodes_licensed == 3
    waiting.stream.until_state("LICENSED")


def test_R17_when_all_nodes_have_left_the_registration_resets_and_the_license_stays(
    daemon: Daemon, admin: Admin, vendor
):
    admin.upload(vendor.lic())
    nodes = [RawNode(daemon.stubs("node"), f"report-{n}").joined() for n in range(2)]
    admin.register()
    nodes[0].leave()
    assert admin.state == "REGISTERED"
    nodes[1].leave()
    assert admin.state == "UNREGISTERED"
    assert admin.registration().license.company == "Acme Ltd"
    late = RawNode(daemon.stubs("node"), "late")
    assert state_of(late.join()) == "PENDING"


def test_another_license_replaces_the_first_and_needs_a_new_registration(daemon: Daemon, admin: Admin, vendor):
    admin.upload(vendor.lic())
    node = RawNode(daemon.stubs("node")).joined()
    admin.register()
    node.stream.until_state("LICENSED")
    admin.upload(vendor.lic(company="Other Ltd"), replace=True)
    node.stream.until_state("PENDING")
    assert admin.state == "UNREGISTERED"
    admin.register()
    node.stream.until_state("LICENSED")


@pytest.mark.parametrize("method", [0, 99])
def test_an_unset_authentication_method_is_an_invalid_field(admin: Admin, vendor, method: int):
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD") as refusal:
        admin.upload(vendor.lic(), auth_method=method)
    assert refusal.metadata["field"] == "auth_method"
