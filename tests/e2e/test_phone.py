"""The phone's browser: from the QR's picture to six digits that register the cluster."""

from pathlib import Path

import grpc
import pytest
import resvg_py
from playwright.sync_api import Browser
from support.daemon import Stubs
from support.pictures import pixels_of_png, pixels_of_text, read_qr

from licd.v1 import registration_service_pb2 as pb
from licd_daemon.cli.demo.parts import Parts, eventually


@pytest.fixture
def url(parts: Parts, tmp_path: Path) -> str:
    """What the QR says, read from its picture."""
    parts.issue()
    parts.start_portal()
    parts.start_daemon()
    parts.start_node("report-1", ["sleep", "infinity"])
    eventually("the node is connected", parts.nodes)
    parts.licd("upload", str(parts.license))
    parts.licd("qr", "--png", str(tmp_path / "qr.png"))
    return read_qr(pixels_of_png((tmp_path / "qr.png").read_bytes()))


def test_the_page_behind_the_qr_gives_the_code_that_registers_the_cluster(parts: Parts, url: str, browser: Browser):
    errors: list[str] = []
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(url)
    assert "Example Reports Ltd" not in page.content(), "R25: all of it only after the POST"
    page.get_by_role("button").click()
    code = page.locator("output.code").inner_text()
    text = page.inner_text("main")
    assert "Example Reports Ltd" in text
    assert "Sales reports" in text
    assert "1 of at most 3" in text
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert errors == []
    parts.licd("submit", code)
    assert parts.state() == "REGISTERED"
    context.close()


def test_the_three_pictures_say_the_same(parts: Parts, url: str):
    credentials = grpc.ssl_channel_credentials(parts.ca.read_bytes())
    with grpc.secure_channel(parts.address, credentials) as channel:
        stubs = Stubs(channel, parts.token_file("admin").read_text().strip())
        challenge = stubs.registration.CreateChallenge(pb.CreateChallengeRequest()).challenge
    rendered = bytes(resvg_py.svg_to_bytes(svg_string=challenge.qr_svg, background="white", dpi=300))
    for pixels in (pixels_of_text(challenge.qr_text), pixels_of_png(challenge.qr_png), pixels_of_png(rendered)):
        assert read_qr(pixels) == challenge.url
