"""The license that nodes verify themselves, as the daemon hands it on (R37), over raw gRPC."""

import dataclasses
import pathlib
from typing import Any

from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import APPLICATION, RawNode
from support.vendor import TestVendor
from support.waiting import eventually

import node_client
from licd.v1 import cluster_service_pb2
from licd.v1 import node_service_pb2 as pb


def test_R37_join_and_resume_carry_the_license_in_force_for_a_node_that_wants_it(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    node = RawNode(daemon.stubs("node"))
    assert node.join(wants_license=True).license == b""
    content = vendor.lic()
    admin.upload(b"\xef\xbb\xbf" + content + b"\r\n")
    assert node.join(wants_license=True).license == content
    assert node.resume(wants_license=True).license == content
    assert (node.join().license, node.resume().license) == (b"", b"")


def test_R37_a_reissue_reaches_the_streams_that_want_the_license_and_no_other(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    verifying, plain = (RawNode(daemon.stubs("node"), name) for name in ("report-1", "report-2"))
    verifying.join()
    verifying.open(wants_license=True)
    plain.joined()
    license = vendor.license()
    admin.upload(vendor.lic(license))
    admin.register()
    told: list[pb.StateChange] = []
    while not told or told[-1].state != pb.NODE_STATE_LICENSED:
        told.append(verifying.stream.until("state"))
    assert [change.license for change in told if change.license] == [vendor.lic(license)]
    plain.stream.until_state("LICENSED")
    reissue = vendor.lic(dataclasses.replace(license, issued_at=license.issued_at + 1))
    admin.upload(reissue)
    assert verifying.stream.until_state("LICENSED").license == reissue
    assert plain.stream.until_state("LICENSED").license == b""


def test_R37_the_license_outlives_a_restart_and_is_not_in_the_list_of_events(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    content = vendor.lic()
    admin.upload(content)
    events = admin.stubs.cluster.ListEvents(cluster_service_pb2.ListEventsRequest()).events
    assert any(event.kind == "license_installed" for event in events)
    assert content.decode() not in str(events)
    daemon.stop()
    daemon.start()
    node = RawNode(daemon.stubs("node"))
    assert node.join(wants_license=True).license == content


def test_R37_a_node_that_verifies_is_licensed_through_a_reissue_and_one_with_other_keys_never(
    daemon: Daemon, admin: Admin, vendor: TestVendor, tmp_path: pathlib.Path
) -> None:
    application = node_client.Application(**APPLICATION)
    keys, others = vendor.write_keys(tmp_path / "keys"), TestVendor().write_keys(tmp_path / "others")
    options: dict[str, Any] = {
        "application": application,
        "token": daemon.token("node"),
        "ca": daemon.data_dir / "tls" / "ca.crt",
    }
    with (
        node_client.connect(daemon.address, vendor_keys=keys, **options) as node,
        node_client.connect(daemon.address, vendor_keys=others, node_name="other", **options) as other,
    ):
        license = vendor.license()
        eventually(lambda: len(admin.nodes()) == 2)
        admin.upload(vendor.lic(license))
        admin.register()
        assert node.wait_licensed(20)
        assert not other.wait_licensed(0.5)
        assert [failure.reason for failure in other.failures] == ["LICENSE_UNTRUSTED"]
        reissue = vendor.lic(dataclasses.replace(license, issued_at=license.issued_at + 1))
        admin.upload(reissue)
        eventually(lambda: node.license() == reissue)
        assert node.is_licensed()
