"""The registration over the console's calls: what the page is told, from no license to REGISTERED and back."""

import json
import secrets

import pytest
import resvg_py
import zxingcpp
from support.admin import Admin
from support.console import Console
from support.daemon import Daemon
from support.pictures import pixels_of_png
from support.raw_node import RawNode
from support.vendor import TestVendor

UPLOAD = "/api/license?method=LOCAL_CONTAINER"


@pytest.fixture
def node(daemon: Daemon) -> RawNode:
    """A node that is connected."""
    return RawNode(daemon.stubs("node")).joined()


def state(console: Console) -> str:
    return str(console.get("/api/registration").json["registration"]["state"]).removeprefix("REGISTRATION_STATE_")


def scanned(console: Console, path: str = "/api/challenge.svg") -> str:
    """What a phone reads from the picture."""
    picture = console.get(path)
    assert picture.headers["content-type"] == "image/svg+xml"
    png = bytes(resvg_py.svg_to_bytes(svg_string=picture.content.decode(), dpi=192))
    found = zxingcpp.read_barcode(pixels_of_png(png))
    return found.text if found else ""


def test_from_a_file_to_registered(console: Console, node: RawNode, vendor: TestVendor) -> None:
    uploaded = console.post(UPLOAD, vendor.lic()).json
    assert uploaded["registration"]["license"]["company"] == "Acme Ltd"
    challenge = console.post("/api/challenge").json["registration"]["challenge"]
    assert scanned(console) == challenge["url"]
    sent = {"challenge_id": challenge["challenge_id"], "code": vendor.code(challenge["url"])}
    assert console.post("/api/code", sent).json["registration"]["nodes_licensed"] == 1
    assert state(console) == "REGISTERED"
    assert console.post("/api/reset").json["registration"]["state"] == "REGISTRATION_STATE_UNREGISTERED"
    released = console.post("/api/release").json["registration"]["release"]
    assert scanned(console, "/api/release.svg") == released["url"]
    assert state(console) == "UNLICENSED"


@pytest.mark.parametrize(
    ("content", "title"),
    [
        (b"", "The content of the certificate is incorrect"),
        (b"not a license", "The content of the certificate is incorrect"),
        (secrets.token_bytes(60_000), "The content of the certificate is incorrect"),
    ],
)
def test_a_wrong_file_is_told_in_the_contracts_words(console: Console, content: bytes, title: str) -> None:
    answer = console.post(UPLOAD, content)
    assert (answer.status, answer.refused) == (200, "LICENSE_REFUSED")
    (failure,) = answer.json["refused"]["failures"]
    assert failure["title"] == title
    assert failure["remedy"]
    assert state(console) == "UNLICENSED"


def test_R1_a_file_too_large_is_named_by_its_beginning(console: Console) -> None:
    answer = console.post(UPLOAD, b"%PDF-1.7".ljust(64 * 1024 + 1))
    assert answer.refused == "LICENSE_REFUSED"
    assert "This is a PDF document" in answer.json["refused"]["failures"][0]["remedy"]


def test_R36_a_file_too_large_is_refused_before_it_is_read_whole(console: Console) -> None:
    answer = console.post(UPLOAD, b"x" * 70_000)
    assert answer.refused == "INVALID_FIELD"
    assert "64 KiB" in answer.json["refused"]["message"]


def test_R2_what_would_end_a_registration_is_told_first_and_goes_on_with_replace(
    console: Console, daemon: Daemon, node: RawNode, vendor: TestVendor, admin: Admin
) -> None:
    console.post(UPLOAD, vendor.lic())
    admin.register()
    other = vendor.lic()
    tried = console.post(f"{UPLOAD}&dry_run=1", other).json
    assert tried["registration"]["state"] == "REGISTRATION_STATE_REGISTERED"
    assert (tried["effect"]["ends_registration"], tried["effect"]["seats_lost"]) == (True, 1)
    refused = console.post(UPLOAD, other)
    assert refused.refused == "WOULD_END_REGISTRATION"
    assert json.loads(refused.json["refused"]["metadata"]["effect"]) == tried["effect"]
    assert state(console) == "REGISTERED"
    done = console.post(f"{UPLOAD}&replace=1", other).json
    assert (done["effect"], state(console)) == (tried["effect"], "UNREGISTERED")


@pytest.mark.parametrize("method", ["", "METHOD", "AUTH_METHOD_LOCAL_CONTAINER"])
def test_an_unknown_method_is_no_method(console: Console, vendor: TestVendor, method: str) -> None:
    assert console.post(f"/api/license?method={method}", vendor.lic()).refused == "INVALID_FIELD"


def test_R5_all_reasons_at_once_each_node_named(
    console: Console, daemon: Daemon, node: RawNode, vendor: TestVendor
) -> None:
    RawNode(daemon.stubs("node"), "report-2", version="9.0", content="hr").joined()
    console.post(UPLOAD, vendor.lic())
    challenge = console.post("/api/challenge").json["registration"]["challenge"]
    sent = {"challenge_id": challenge["challenge_id"], "code": vendor.code(challenge["url"])}
    answer = console.post("/api/code", sent)
    assert answer.refused == "REGISTRATION_REFUSED"
    told = {(failure["node_name"], failure["title"]) for failure in answer.json["refused"]["failures"]}
    assert told == {("report-2", "Version mismatch"), ("report-2", "Project content does not match")}
    checked = console.get("/api/check").json["failures"]
    assert checked == answer.json["refused"]["failures"]


def test_R9_wrong_codes_count_and_lock(console: Console, node: RawNode, vendor: TestVendor, admin: Admin) -> None:
    console.post(UPLOAD, vendor.lic())
    challenge = console.post("/api/challenge").json["registration"]["challenge"]
    wrong = {
        "challenge_id": challenge["challenge_id"],
        "code": f"{(int(vendor.code(challenge['url'])) + 1) % 10**6:06d}",
    }
    for left in (5, 4, 3, 2, 1):
        answer = console.post("/api/code", wrong)
        assert (answer.refused, answer.json["refused"]["metadata"]["attempts_left"]) == ("WRONG_CODE", str(left))
    assert console.post("/api/code", wrong).refused == "LOCKED_OUT"
    assert int(console.post("/api/code", wrong).headers["retry-after"]) > 890
    assert console.post("/api/challenge").refused == "LOCKED_OUT"
    assert console.get("/api/registration").json["registration"]["lockout"]["locked"]
    assert admin.registration().lockout.locked


@pytest.mark.parametrize(
    "sent", [b"", b"{", b"[]", b'{"code": 1}', b'{"challenge_id": "a", "code": "1", "x": 1}', b"\xff"]
)
def test_what_no_page_sends_is_refused(console: Console, sent: bytes) -> None:
    answer = console.post("/api/code", sent)
    assert (answer.status, answer.refused) == (200, "INVALID_FIELD")


def test_a_code_that_is_not_six_digits_is_not_counted(console: Console, vendor: TestVendor) -> None:
    console.post(UPLOAD, vendor.lic())
    challenge = console.post("/api/challenge").json["registration"]["challenge"]
    for code in ("12345", "1234567", "12345a", "１２３４５６"):
        sent = {"challenge_id": challenge["challenge_id"], "code": code}
        assert console.post("/api/code", sent).refused == "INVALID_FIELD"
    assert console.get("/api/registration").json["registration"]["lockout"]["wrong_codes"] == 0


def test_the_stream_tells_each_change_of_the_registration(console: Console, vendor: TestVendor) -> None:
    news = console.live("topic=registration")
    assert next(news)[1]["registration"]["state"] == "REGISTRATION_STATE_UNLICENSED"
    console.post(UPLOAD, vendor.lic())
    topic, told = next(news)
    assert topic == "registration"
    assert told["registration"]["state"] == "REGISTRATION_STATE_UNREGISTERED"
    assert told["now"] > 1_700_000_000_000


def test_there_is_no_picture_of_nothing(console: Console) -> None:
    assert console.get("/api/challenge.svg").refused == "NO_SUCH_CHALLENGE"
    assert console.get("/api/release.svg").refused == "NO_LICENSE"


def test_what_can_not_be_seen_in_a_license_is_shown_as_an_escape(
    console: Console, admin: Admin, vendor: TestVendor
) -> None:
    admin.upload(vendor.lic(company="AC\u200bME"))
    assert console.get("/api/registration").json["registration"]["license"]["company"] == "AC\\u200bME"
    _, news = next(console.live("topic=registration"))
    assert news["registration"]["license"]["company"] == "AC\\u200bME"
