"""The leader's own clock (R22, R23), skewed by libfaketime: this machine's clock is never touched."""

from pathlib import Path

import grpc
import libfaketime
from support.admin import Admin
from support.daemon import running
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor
from support.waiting import eventually

from licd.v1 import registration_service_pb2 as pb


def faked(folder: Path, offset: str) -> dict[str, str]:
    """The environment of a process whose wall clock follows a file."""
    clock = folder / "clock"
    clock.write_text(offset)
    library = next(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def test_R23_a_clock_set_back_is_untrusted_told_and_healed(make_daemon, vendor: TestVendor, tmp_path: Path):
    with running(make_daemon(env=faked(tmp_path, "+0s"))) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic())
        node = RawNode(daemon.stubs("node")).joined()
        (tmp_path / "clock").write_text("-3600s")

        def reasons() -> list[str]:
            answer = admin.stubs.registration.CheckRegistration(pb.CheckRegistrationRequest())
            return [failure.title for failure in answer.failures]

        eventually(lambda: reasons() == ["The leader's clock is not to be trusted"])
        with refused(grpc.StatusCode.FAILED_PRECONDITION, "REGISTRATION_REFUSED") as refusal:
            admin.register()
        assert refusal.reasons == ["CLOCK_UNTRUSTED"]
        (tmp_path / "clock").write_text("+0s")
        eventually(lambda: reasons() == [])
        assert admin.register().nodes_licensed == 1
        node.stream.until_state("LICENSED")


def test_R23_setting_the_clock_back_makes_no_license_longer(make_daemon, vendor: TestVendor, tmp_path: Path):
    license = vendor.license()
    env = faked(tmp_path, f"+{364 * 24}h")
    with running(make_daemon(env=env)) as daemon:
        admin = Admin(daemon.stubs("admin"), vendor)
        admin.upload(vendor.lic(license))
        RawNode(daemon.stubs("node")).joined()
        admin.register()
        (tmp_path / "clock").write_text(f"+{366 * 24}h")
        eventually(lambda: admin.state == "EXPIRED")
        (tmp_path / "clock").write_text("+0s")
        assert admin.state == "EXPIRED"
        daemon.kill()
        daemon.start()
        assert Admin(daemon.stubs("admin"), vendor).state == "EXPIRED"
