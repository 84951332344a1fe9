"""R1: from the file that people have to the bytes that the vendor signed.

Mail programs, editors and shells wrap, indent, quote and re-encode what passes through them. Rules:

- Taken out is only what can be no part of a compact JWS: a byte order mark, white space and line ends wherever they
  are, characters that nobody sees, and the `>` at the beginning of a mail's quoted lines.
- UTF-16 and UTF-32 are read as the text that they are (PowerShell's `>` writes UTF-16).
- What is left is judged by the strict verifier, which knows nothing of all this: a file of which one character was
  changed is refused as ever.
- More than 64 KiB as they came are refused before anything is taken out.
"""

import codecs
import re

from licd_formats.container_lic import MAX_BYTES, LicenseInvalid, VendorKeys, verify
from licd_formats.license import License

# DOS's end of file, soft hyphen, zero-width spaces and joiners, marks of direction, byte order marks.
_INVISIBLE = re.compile("[\x1a\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
# UTF-32 first: its little-endian mark begins with that of UTF-16.
_ENCODINGS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (b"e\0y\0", "utf-16-le"),
    (b"\0e\0y", "utf-16-be"),
    (b"", "utf-8"),
)


def read(content: bytes, keys: VendorKeys) -> License:
    """Verify a Container.lic, whatever a mail or an editor has put around it.

    Args:
        content: The file's bytes, as they came.
        keys: The vendor's public keys.

    Raises:
        LicenseTypeMismatch: Signed by the vendor, but `ver` or `auth_method` is another one (R4).
        LicenseInvalid: For every other fault (R1).
    """
    if len(content) > MAX_BYTES:
        raise LicenseInvalid("file: larger than 64 KiB")
    return verify(tidied(content).encode(), keys)


def tidied(content: bytes) -> str:
    """The file's characters without those that can be no part of a license."""
    lines = _INVISIBLE.sub("", text_of(content)).splitlines()
    return "".join("".join(line.lstrip("> \t\xa0") for line in lines).split())


def text_of(content: bytes) -> str:
    """The file as a text; bytes that are in none of the encodings are taken as Latin-1, of which every byte is."""
    encoding = next(name for mark, name in _ENCODINGS if content.startswith(mark))
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("latin-1")
