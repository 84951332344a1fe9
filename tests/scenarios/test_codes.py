"""The challenge and its code (R6-R9), over raw gRPC against a real daemon."""

import grpc
import pytest
from support.admin import Admin
from support.daemon import Daemon
from support.raw_node import RawNode
from support.refusal import refused
from support.vendor import TestVendor

from licd.v1 import registration_service_pb2 as pb

FAILED = grpc.StatusCode.FAILED_PRECONDITION
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.fixture
def ready(daemon: Daemon, admin: Admin, vendor: TestVendor) -> Admin:
    """A license is there, a node is connected."""
    admin.upload(vendor.lic())
    RawNode(daemon.stubs("node")).joined()
    return admin


def lock(admin: Admin) -> pb.Challenge:
    """Six wrong codes over two challenges; the sixth locks."""
    challenge = admin.challenge()
    for left in (5, 4, 3):
        with refused(FAILED, "WRONG_CODE") as refusal:
            admin.submit(challenge, admin.wrong_code(challenge))
        assert refusal.metadata["attempts_left"] == str(left)
    challenge = admin.challenge()
    for left in (2, 1):
        with refused(FAILED, "WRONG_CODE") as refusal:
            admin.submit(challenge, admin.wrong_code(challenge))
        assert refusal.metadata["attempts_left"] == str(left)
    with refused(EXHAUSTED, "LOCKED_OUT") as refusal:
        admin.submit(challenge, admin.wrong_code(challenge))
    assert "locked_until" in refusal.metadata
    assert any(url.endswith("google.rpc.RetryInfo") for url in refusal.type_urls)
    return challenge


def test_R6_the_challenge_tells_the_portal_who_asks(ready: Admin, vendor: TestVendor):
    challenge = ready.challenge()
    sealed = vendor.open(challenge.url)
    registration = ready.registration()
    assert sealed.license_id == registration.license.license_id
    assert sealed.challenge_id.hex() == challenge.challenge_id
    assert sealed.node_count == 1
    assert sealed.predecessor == bytes(8)
    assert registration.challenge.qr_png == b"", "the picture is shown once"
    ready.submit(challenge, sealed.code)
    again = vendor.open(ready.challenge().url)
    assert again.predecessor == sealed.challenge_id
    assert again.project_key == sealed.project_key


def test_R6_the_picture_reads_back_as_the_url(ready: Admin, tmp_path):
    from support.pictures import pixels_of_png, pixels_of_text, read_qr

    challenge = ready.challenge()
    assert read_qr(pixels_of_png(challenge.qr_png)) == challenge.url
    assert read_qr(pixels_of_text(challenge.qr_text)) == challenge.url
    assert challenge.qr_svg.startswith("<?xml")


def test_R7_a_new_challenge_ends_the_one_before_and_a_restart_ends_both(
    ready: Admin, daemon: Daemon, vendor: TestVendor
):
    first = ready.challenge()
    second = ready.challenge()
    with refused(FAILED, "CHALLENGE_EXPIRED") as refusal:
        ready.submit(first, vendor.code(first.url))
    assert refusal.metadata["state"] == "SUPERSEDED"
    daemon.kill()
    daemon.start()
    admin = Admin(daemon.stubs("admin"), vendor)
    with refused(FAILED, "CHALLENGE_EXPIRED"):
        admin.submit(second, vendor.code(second.url))
    with refused(grpc.StatusCode.NOT_FOUND, "NO_SUCH_CHALLENGE"):
        admin.submit(pb.Challenge(challenge_id="0" * 16), "123456")


def test_R8_an_accepted_code_gives_the_same_answer_again_and_no_other_is_taken(ready: Admin, vendor: TestVendor):
    challenge = ready.challenge()
    code = vendor.code(challenge.url)
    first = ready.submit(challenge, code)
    again = ready.submit(challenge, code)
    assert again.registered_at == first.registered_at
    assert again.challenge.state == pb.CHALLENGE_STATE_USED
    with refused(FAILED, "CHALLENGE_EXPIRED"):
        ready.submit(challenge, ready.wrong_code(challenge))
    assert ready.registration().lockout.wrong_codes == 0


@pytest.mark.parametrize("code", ["", "12345", "1234567", "12345a", "١٢٣٤٥٦", "123 456", "-12345"])
def test_a_code_that_is_not_six_digits_is_refused_and_not_counted(ready: Admin, code: str):
    challenge = ready.challenge()
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD") as refusal:
        ready.submit(challenge, code)
    assert refusal.metadata["field"] == "code"
    assert ready.registration().lockout.wrong_codes == 0


def test_R9_the_sixth_wrong_code_locks_over_challenges_kill_9_uploads_and_reset(
    ready: Admin, daemon: Daemon, vendor: TestVendor
):
    challenge = lock(ready)
    lockout = ready.registration().lockout
    assert (lockout.locked, lockout.wrong_codes, lockout.lockouts) == (True, 6, 1)
    with refused(EXHAUSTED, "LOCKED_OUT"):
        ready.submit(challenge, vendor.code(challenge.url))
    with refused(EXHAUSTED, "LOCKED_OUT"):
        ready.challenge()
    daemon.kill()
    daemon.start()
    admin = Admin(daemon.stubs("admin"), vendor)
    admin.upload(vendor.lic())
    admin.stubs.registration.ResetRegistration(pb.ResetRegistrationRequest())
    with refused(EXHAUSTED, "LOCKED_OUT"):
        admin.challenge()
    left = admin.registration().lockout.locked_until.seconds - admin.registration().leader.since.seconds
    assert 898 <= left <= 901, "the lockout starts again in full at each start"


def test_R9_a_right_code_clears_the_count(ready: Admin, vendor: TestVendor):
    challenge = ready.challenge()
    for _ in range(5):
        with refused(FAILED, "WRONG_CODE"):
            ready.submit(challenge, ready.wrong_code(challenge))
    assert ready.submit(challenge, vendor.code(challenge.url)).lockout.wrong_codes == 0


def test_R9_attempts_are_counted_before_the_comparison_over_many_clients(
    ready: Admin, daemon: Daemon, vendor: TestVendor
):
    challenge = ready.challenge()
    request = pb.SubmitCodeRequest(challenge_id=challenge.challenge_id, code=ready.wrong_code(challenge))
    calls = [daemon.stubs("admin").registration.SubmitCode.future(request) for _ in range(12)]
    codes = sorted(str(call.exception().code()) for call in calls)
    assert codes == [str(FAILED)] * 5 + [str(EXHAUSTED)] * 7
    assert ready.registration().lockout.wrong_codes == 6


def test_a_qr_needs_a_license(admin: Admin):
    with refused(FAILED, "NO_LICENSE"):
        admin.challenge()
    with refused(FAILED, "NO_LICENSE"):
        admin.stubs.registration.ReleaseLicense(pb.ReleaseLicenseRequest())


def test_R30_release_ends_everything_and_shows_the_same_release_until_the_next_upload(ready: Admin, vendor: TestVendor):
    from licd_formats.challenge import Purpose

    ready.register()
    key = vendor.open(ready.challenge().url).project_key
    first = ready.stubs.registration.ReleaseLicense(pb.ReleaseLicenseRequest())
    again = ready.stubs.registration.ReleaseLicense(pb.ReleaseLicenseRequest())
    assert vendor.open(first.registration.release.url, Purpose.RELEASE).project_key == key
    assert again.registration.release == first.registration.release
    assert ready.state == "UNLICENSED"
    ready.upload(vendor.lic())
    assert not ready.registration().HasField("release")
    assert vendor.open(ready.challenge().url).project_key != key
