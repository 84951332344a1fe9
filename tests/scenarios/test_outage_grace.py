"""What the daemon tells nodes of the outage's grace (R41), over raw gRPC."""

import dataclasses

from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import RawNode
from support.vendor import TestVendor


def test_R41_join_and_resume_carry_the_grace_of_the_license_in_force(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    node = RawNode(daemon.stubs("node"))
    answer = node.join()
    assert answer.HasField("outage_grace")
    assert answer.outage_grace.seconds == 0
    admin.upload(vendor.lic())
    assert node.resume().outage_grace.seconds == 900
    assert node.join().outage_grace.seconds == 900


def test_R41_a_node_that_joined_before_the_license_is_told_the_grace_with_its_seat(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    node = RawNode(daemon.stubs("node")).joined()
    assert node.stream.until_state("PENDING").outage_grace.seconds == 0
    admin.upload(vendor.lic(outage_grace_seconds=86_400))
    admin.register()
    assert node.stream.until_state("LICENSED").outage_grace.seconds == 86_400


def test_R41_a_reissue_with_another_grace_reaches_a_licensed_node_at_once(
    daemon: Daemon, admin: Admin, vendor: TestVendor
) -> None:
    node = RawNode(daemon.stubs("node")).joined()
    license = vendor.license(outage_grace_seconds=0)
    admin.upload(vendor.lic(license))
    admin.register()
    assert node.stream.until_state("LICENSED").outage_grace.seconds == 0
    admin.upload(vendor.lic(dataclasses.replace(license, issued_at=license.issued_at + 1, outage_grace_seconds=600)))
    assert node.stream.until_state("LICENSED").outage_grace.seconds == 600
