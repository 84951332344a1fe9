"""R17, R4: a registration that ended says when and why, and refusals are kept, over raw gRPC."""

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import failure_pb2
from licd.v1 import registration_service_pb2 as pb

FAILED = grpc.StatusCode.FAILED_PRECONDITION


def registered(daemon: Daemon, admin: Admin, vendor: TestVendor, *names: str) -> list[RawNode]:
    """Nodes that hold seats of a registered cluster."""
    admin.upload(vendor.lic())
    nodes = [RawNode(daemon.stubs("node"), name).joined() for name in names]
    admin.register()
    for node in nodes:
        node.stream.until_state("LICENSED")
    return nodes


def cause(admin: Admin) -> str:
    last = admin.registration().last_registration
    return pb.EndCause.Name(last.cause).removeprefix("END_CAUSE_")


def test_R17_a_registration_that_ended_says_so_to_administrators_and_nodes_and_over_a_restart(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    first, second = registered(daemon, admin, vendor, "report-1", "report-2")
    refused_node = RawNode(daemon.stubs("node"), "report-9", version="9.0").joined()
    assert not admin.registration().HasField("last_registration")
    began = admin.registration().registered_at
    first.leave()
    second.leave()
    told = admin.registration()
    assert (admin.state, cause(admin)) == ("UNREGISTERED", "ALL_GONE")
    assert list(told.last_registration.nodes) == ["report-1", "report-2"]
    assert told.last_registration.registered_at == began
    assert told.last_registration.ended_at.ToMilliseconds() >= began.ToMilliseconds()
    assert not told.HasField("registered_at")

    refused_node.leave()
    answer = RawNode(daemon.stubs("node"), "report-3").join()
    (failure,) = answer.failures
    assert failure_pb2.FailureReason.Name(failure.reason) == "FAILURE_REASON_REGISTRATION_ENDED"
    assert failure.title == "The registration has ended"
    assert failure.at == told.last_registration.ended_at
    assert daemon.stop() == 0
    daemon.start()
    again = Admin(daemon.stubs("admin"), vendor)
    assert again.registration().last_registration == told.last_registration
    node = RawNode(daemon.stubs("node"), "report-4").joined()
    (failure,) = node.stream.until_state("PENDING").failures
    assert failure.remedy == "Ask the cluster administrator to create a QR code, scan it and submit the code."


def test_R17_the_node_that_loses_its_seat_is_told_why_at_once(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    (node,) = registered(daemon, admin, vendor, "report-1")
    admin.stubs.registration.ResetRegistration(pb.ResetRegistrationRequest())
    (failure,) = node.stream.until_state("PENDING").failures
    assert "because an administrator reset it" in failure.detail
    assert not admin.stubs.registration.CheckRegistration(pb.CheckRegistrationRequest()).failures
    admin.register()
    assert not node.stream.until_state("LICENSED").failures
    assert not admin.registration().HasField("last_registration")


@pytest.mark.parametrize("daemon", [("--lease-ttl", "6s", "--heartbeat-interval", "2s")], indirect=True)
def test_R17_recovering_says_since_when_and_until_when(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    registered(daemon, admin, vendor, "report-1")
    eventually(lambda: admin.state == "RECOVERING")
    told = admin.registration()
    window = told.recovery_deadline.ToMilliseconds() - told.recovering_since.ToMilliseconds()
    assert window == 5 * 60_000
    assert told.recovering_since.ToMilliseconds() > told.registered_at.ToMilliseconds()


def test_R4_refusals_are_kept_with_time_and_node(daemon: Daemon, admin: Admin, vendor: TestVendor) -> None:
    with refused(FAILED, "LICENSE_REFUSED"):
        admin.upload(b"holiday pictures")
    admin.upload(vendor.lic())
    old = RawNode(daemon.stubs("node"), "old", version="9.4").joined()
    with refused(FAILED, "REGISTRATION_REFUSED"):
        admin.register()
    newest, first = admin.registration().last_failures
    assert (newest.title, newest.node_name) == ("Version mismatch", "old")
    assert first.title == "The content of the certificate is incorrect"
    assert newest.at.ToMilliseconds() >= first.at.ToMilliseconds() > 0
    old.leave()
    RawNode(daemon.stubs("node"), "new").joined()
    assert not admin.register().last_failures
