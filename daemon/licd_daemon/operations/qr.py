"""A QR code as PNG, as SVG, and in half blocks for a terminal (R6). Drawing takes 10 ms: call it off the loop.

The library is loaded with the first picture: a daemon that starts, and fixes an outage by it, creates none.
"""

import io
from dataclasses import dataclass

MAX_VERSION = 10
SHORTEST_MODE_SWITCH = 12  # characters; below it, changing to a denser mode costs more bits than it saves


@dataclass(frozen=True, slots=True)
class Pictures:
    """One QR code three times. `version` is its size, 1 to 40."""

    png: bytes
    svg: str
    text: str
    version: int


def draw(url: str) -> Pictures:
    """Encodes `url` at error correction M, in mixed modes."""
    import qrcode
    from qrcode.constants import ERROR_CORRECT_M
    from qrcode.image.pure import PyPNGImage
    from qrcode.image.svg import SvgPathFillImage

    code = qrcode.QRCode(error_correction=ERROR_CORRECT_M, box_size=8, border=4)
    code.add_data(url.encode("ascii"), optimize=SHORTEST_MODE_SWITCH)
    code.make(fit=True)
    png, svg, text = io.BytesIO(), io.BytesIO(), io.StringIO()
    code.make_image(PyPNGImage).save(png)
    code.make_image(SvgPathFillImage).save(svg)
    code.print_ascii(text, invert=True)
    return Pictures(png.getvalue(), svg.getvalue().decode("utf-8"), text.getvalue(), code.version)
