"""QR pictures as pixels for zxing-cpp."""

import io

import png
import zxingcpp


class Pixels:
    """A grey picture by the array interface, which zxing-cpp reads without numpy."""

    def __init__(self, rows: list[bytes]) -> None:
        self._data = b"".join(rows)
        self.__array_interface__ = {
            "version": 3,
            "shape": (len(rows), len(rows[0])),
            "typestr": "|u1",
            "data": self._data,
        }


def read_qr(pixels: Pixels) -> str:
    """What the QR in a picture says."""
    found = zxingcpp.read_barcode(pixels)
    assert found is not None, "there is no QR in the picture that can be read"
    return str(found.text)


def pixels_of_png(content: bytes) -> Pixels:
    """The pixels of a PNG."""
    _, _, rows, info = png.Reader(file=io.BytesIO(content)).read()
    scale, planes = 255 // (2 ** info["bitdepth"] - 1), info["planes"]
    return Pixels([bytes(value * scale for value in row[::planes]) for row in rows])


def pixels_of_text(text: str, scale: int = 4) -> Pixels:
    """The pixels of half blocks as a terminal shows them: blocks are light, spaces are dark."""
    lit = {"█": (255, 255), "▀": (255, 0), "▄": (0, 255), " ": (0, 0), "\xa0": (0, 0)}
    rows = []
    for line in text.splitlines():
        for half in (0, 1):
            row = b"".join(bytes([lit[character][half]]) * scale for character in line)
            rows.extend([row] * scale)
    return Pixels(rows)
