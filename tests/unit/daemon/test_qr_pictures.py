"""R6: the QR as PNG, as SVG and in half blocks, read back by an independent reader."""

import base64
import io

import png
import pytest
import resvg_py
import zxingcpp
from support.pictures import Pixels, pixels_of_png, pixels_of_text

from licd_daemon.operations.qr import MAX_VERSION, Pictures, draw
from licd_formats.challenge import TOKEN_CHARACTERS

TOKEN = base64.b32encode(bytes(range(100, 207))).decode().rstrip("=")
NORMAL = "https://portal.vendor.example/Q/" + TOKEN
LONGEST = "https://" + "a" * 51 + "/Q/" + TOKEN  # the portal's URL has 59 characters
LONGEST_UPPER = "http://" + "A" * 52 + "/Q/" + TOKEN


def read(pixels: object) -> str:
    (found,) = zxingcpp.read_barcodes(pixels)
    assert found.format == zxingcpp.BarcodeFormat.QRCode
    assert found.ec_level == "M"
    return str(found.text)


def test_the_urls_are_as_long_as_real_ones() -> None:
    assert len(TOKEN) == TOKEN_CHARACTERS
    assert len(LONGEST.split("/Q/")[0]) == 59


@pytest.fixture(scope="module", params=[NORMAL, LONGEST, LONGEST_UPPER], ids=["normal", "longest", "upper"])
def drawn(request: pytest.FixtureRequest) -> tuple[str, Pictures]:
    return request.param, draw(request.param)


def test_R6_the_png_is_read(drawn: tuple[str, Pictures]) -> None:
    url, pictures = drawn
    assert read(pixels_of_png(pictures.png)) == url


def test_R6_the_svg_is_read(drawn: tuple[str, Pictures]) -> None:
    url, pictures = drawn
    rendered = bytes(resvg_py.svg_to_bytes(svg_string=pictures.svg, dpi=192))
    _, _, rows, info = png.Reader(file=io.BytesIO(rendered)).read()
    assert read(Pixels([bytes(row[:: info["planes"]]) for row in rows])) == url


def test_R6_the_terminals_half_blocks_are_read(drawn: tuple[str, Pictures]) -> None:
    url, pictures = drawn
    assert read(pixels_of_text(pictures.text)) == url


def test_R6_a_normal_url_is_version_8_and_the_longest_at_most_10() -> None:
    assert draw(NORMAL).version == 8
    for url in (LONGEST, LONGEST_UPPER):
        assert draw(url).version <= MAX_VERSION


def test_R6_the_terminals_picture_has_27_to_33_rows_of_equal_width() -> None:
    for url in (NORMAL, LONGEST):
        rows = draw(url).text.splitlines()
        assert len({len(row) for row in rows}) == 1
        assert len(rows) <= 33
