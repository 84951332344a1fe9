"""A retry after a lost answer is never a second act: Join, SubmitCode, UploadLicense (FINDINGS: jetcd 0.8.2)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon, Stubs
from support.proxy import NO_DELAY, Delay, Network, Proxy
from support.raw_node import APPLICATION, RawNode
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import cluster_service_pb2, node_service_pb2
from licd.v1 import registration_service_pb2 as pb

LATE_S = 5


@dataclass
class Way:
    """A way to the daemon whose answers can be lost."""

    daemon: Daemon
    link: Proxy

    def stubs(self, role: str) -> Stubs:
        direct, self.daemon.address = self.daemon.address, self.link.address
        try:
            return self.daemon.stubs(role)
        finally:
            self.daemon.address = direct

    @contextmanager
    def losing_answers(self) -> Iterator[None]:
        self.link.cut(up=False)
        try:
            yield
        finally:
            self.link.restore(up=False)


@pytest.fixture
def way(daemon: Daemon, network: Network) -> Way:
    return Way(daemon, network.proxy(daemon.address))


def count(admin: Admin, kind: str) -> int:
    request = cluster_service_pb2.ListEventsRequest(page_size=100, kinds=[kind])
    return len(admin.stubs.cluster.ListEvents(request).events)


def lost(way: Way, call: Callable[[], object], done: Callable[[], bool]) -> None:
    """The call is carried out, and its answer is lost."""
    with way.losing_answers():
        with pytest.raises(grpc.RpcError) as error:
            call()
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        eventually(done)


def test_R13_a_join_whose_answer_was_lost_is_the_same_join(way: Way, admin: Admin) -> None:
    node = RawNode(way.stubs("node"))
    request = node_service_pb2.JoinRequest(
        node_name="report-1", instance_id=node.instance_id, resume_secret=node.secret,
        application=node_service_pb2.Application(**APPLICATION),
    )  # fmt: skip
    RawNode(node.stubs, "first").join()
    lost(way, lambda: node.stubs.nodes.Join(request, timeout=1.5), lambda: count(admin, "session_joined") == 2)
    first = node.stubs.nodes.Join(request, timeout=10, wait_for_ready=True)
    again = node.stubs.nodes.Join(request, timeout=10)
    assert again.stream > first.stream, "each answer allows a stream of its own (R16)"
    again.stream = first.stream
    assert again == first
    assert count(admin, "session_joined") == 2
    assert len(admin.nodes()) == 2


def test_R8_a_code_whose_answer_was_lost_is_counted_and_registers_once(
    way: Way, admin: Admin, vendor: TestVendor
) -> None:
    admin.upload(vendor.lic())
    RawNode(way.daemon.stubs("node")).join()
    far = Admin(way.stubs("admin"), vendor)
    challenge = far.challenge()
    request = pb.SubmitCodeRequest(challenge_id=challenge.challenge_id, code=vendor.code(challenge.url))
    submit = far.stubs.registration.SubmitCode
    lost(way, lambda: submit(request, timeout=1.5), lambda: count(admin, "registered") == 1)
    again = submit(request, timeout=10, wait_for_ready=True).registration
    assert again.state == pb.REGISTRATION_STATE_REGISTERED
    assert (count(admin, "registered"), count(admin, "code_attempted")) == (1, 1)


def test_R9_a_wrong_code_whose_answer_was_lost_is_counted_each_time_it_is_compared(
    way: Way, admin: Admin, vendor: TestVendor
) -> None:
    admin.upload(vendor.lic())
    far = Admin(way.stubs("admin"), vendor)
    challenge = far.challenge()
    request = pb.SubmitCodeRequest(challenge_id=challenge.challenge_id, code=far.wrong_code(challenge))
    submit = far.stubs.registration.SubmitCode
    lost(way, lambda: submit(request, timeout=1.5), lambda: count(admin, "code_rejected") == 1)
    assert count(admin, "code_attempted") == 1


def test_R2_an_upload_whose_answer_was_lost_installs_once(way: Way, admin: Admin, vendor: TestVendor) -> None:
    far = Admin(way.stubs("admin"), vendor)
    assert far.state == "UNLICENSED"
    request = pb.UploadLicenseRequest(content=vendor.lic(), auth_method=pb.AUTH_METHOD_LOCAL_CONTAINER)
    upload = far.stubs.registration.UploadLicense
    # The daemon takes the beginning of a message and then asks for the rest (R36): its question has to arrive, and its
    # answer, which takes as long again, too late.
    way.link.slow(up=NO_DELAY, down=Delay(LATE_S))
    with pytest.raises(grpc.RpcError) as error:
        upload(request, timeout=1.8 * LATE_S)
    assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    eventually(lambda: count(admin, "license_installed") == 1)
    way.link.slow(up=NO_DELAY, down=NO_DELAY)
    assert upload(request, timeout=10, wait_for_ready=True).registration.state == pb.REGISTRATION_STATE_UNREGISTERED
    assert count(admin, "license_installed") == 1
    assert count(admin, "project_key_drawn") == 1
