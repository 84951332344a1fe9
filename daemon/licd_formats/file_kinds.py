"""What a file is that is not a license, for the person who has taken it for one (R1).

- The answer is a sentence that says what it is and what to do. It goes by the file's form alone, so it helps no forger:
  a file that has a license's form, regardless of who signed it, is not named.
- Nothing is decoded and then accepted: a license inside a mail or an archive is pointed at; its holder takes it out.
"""

import base64
import binascii
import json
import quopri
import re

from licd_formats.container_lic import MAX_BYTES
from licd_formats.license_file import text_of, tidied

_SIGNATURE = 86  # characters of base64url for the 64 bytes of an Ed25519 signature
_ATTACHED = "upload the file Container.lic itself, as the vendor attached it."
_IN_MAIL = "as it is inside a mail: save the attachment Container.lic, and upload that."
_UNPACK = "unpack it and upload the Container.lic that is inside."
_AGAIN = "download or copy Container.lic again, all of it."

_MAGIC = (
    (b"PK\x03\x04", f"This is a ZIP archive or an office document: {_UNPACK}"),
    (b"\x1f\x8b", f"This is a gzip archive: {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"This is a 7-Zip archive: {_UNPACK}"),
    (b"Rar!", f"This is a RAR archive: {_UNPACK}"),
    (b"BZh", f"This is a bzip2 archive: {_UNPACK}"),
    (b"\xfd7zXZ", f"This is an xz archive: {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"This is a Zstandard archive: {_UNPACK}"),
    (b"%PDF", f"This is a PDF document: {_ATTACHED}"),
    (b"{\\rtf", f"This is an RTF document: {_ATTACHED}"),
    (b"\xd0\xcf\x11\xe0", f"This is a mail saved by Outlook or an old office document: {_ATTACHED}"),
    (b"\x89PNG", f"This is a picture (PNG): {_ATTACHED}"),
    (b"\xff\xd8\xff", f"This is a picture (JPEG): {_ATTACHED}"),
    (b"GIF8", f"This is a picture (GIF): {_ATTACHED}"),
    (b"BM", f"This is a picture (BMP): {_ATTACHED}"),
    (b"II*\0", f"This is a picture (TIFF): {_ATTACHED}"),
    (b"MM\0*", f"This is a picture (TIFF): {_ATTACHED}"),
    (b"RIFF", f"This is a picture or a recording: {_ATTACHED}"),
    (b"SQLite format 3", f"This is a database: {_ATTACHED}"),
    (b"\x7fELF", f"This is a program: {_ATTACHED}"),
    (b"MZ", f"This is a program: {_ATTACHED}"),
    (b"\x30\x80", f"This is a signed or encrypted mail (S/MIME): {_ATTACHED}"),
    (b"\x30\x82", f"This is a certificate, a key or a signed mail (DER): {_ATTACHED}"),
)
_WEB = re.compile(r"http/[0-9]|<(!doctype html|html|head|body|script|title|meta)\b")
_MAIL = re.compile(
    r"from |(from|to|cc|bcc|subject|date|sender|reply-to|received|return-path|delivered-to|envelope-to|mime-version"
    r"|message-id|in-reply-to|references|user-agent|importance|thread-[a-z]+|list-[a-z]+|content-[a-z-]+"
    r"|dkim-signature|arc-[a-z-]+|authentication-results|x-[a-z0-9-]+):"
)
_TOKEN = re.compile(r"[A-Za-z0-9_.-]+")


def named(content: bytes) -> str:
    """A sentence that names what the file is and what to do; empty: it has a license's form, or nobody can say.

    Args:
        content: The bytes of a file that `license_file.read` has refused, as they came.
    """
    if not content.strip(b"\0"):
        nothing = "This file holds nothing but zeros" if content else "This file is empty"
        return f"{nothing}: {_AGAIN}"
    return _by_magic(content) or _by_text(content) or _by_token(content) or _unnamed(content)


def _by_magic(content: bytes) -> str:
    if content[257:262] == b"ustar":
        return f"This is a tar archive: {_UNPACK}"
    return next((sentence for mark, sentence in _MAGIC if content.startswith(mark)), "")


def _by_text(content: bytes) -> str:
    text = text_of(content).lstrip("\ufeff \t\r\n")
    head = text[:2048].casefold()
    if not tidied(content):
        return f"This file is empty: {_AGAIN}"
    if _MAIL.match(head):
        return "This is a whole mail: save its attachment Container.lic, and upload that."
    if _WEB.search(head):
        return "This is a web page, perhaps of a proxy that asks for a login: download Container.lic again."
    if head.startswith("<"):
        return f"This is an XML file: {_ATTACHED}"
    if head.startswith("-----begin "):
        return f"This is a PEM file, such as a certificate or a key: {_ATTACHED}"
    if head.startswith("begin ") and head[6:9].isdigit():
        return f"This is a uuencoded file, {_IN_MAIL}"
    if re.fullmatch(r"https?://\S+", head.strip()):
        return "This is a link: open it in a browser, download Container.lic and upload that."
    return _json(text) if re.match(r'\{\s*["}]|\[\s*["\[{]', head) else ""


def _json(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None  # cut off, but begun as JSON
    if isinstance(value, dict) and "keys" in value:
        return (
            "These are the vendor's public keys, which belong to licd serve --vendor-keys: "
            "upload the file Container.lic instead."
        )
    return f"This is a JSON file: {_ATTACHED}"


def _by_token(content: bytes) -> str:
    """What has a license in it, or is a part of one; a license's own form is not named."""
    text = tidied(content)
    found = _licenses_in(text)
    parts = text.split(".")
    if found > 1:
        return "This file holds more than one license: upload one at a time."
    if found == 1 and (not _TOKEN.fullmatch(text) or len(parts) != 3 or len(parts[2]) > _SIGNATURE):
        return f"There is other text around the license: {_ATTACHED}"
    if found == 1 and not _foreign(parts[0]):
        return ""
    return _encoded(content, text) or (_damaged(text, parts) if _TOKEN.fullmatch(text) else "")


def _licenses_in(text: str) -> int:
    """How many runs of header, payload and signature the text holds, also with other text before or behind them."""
    parts = [part for piece in re.split(r"[^A-Za-z0-9_.-]+", text) for part in (*piece.split("."), "")]
    runs = zip(parts, parts[1:], parts[2:], strict=False)
    return sum("eyJ" in head and body.startswith("eyJ") and len(end) >= _SIGNATURE for head, body, end in runs)


def _encoded(content: bytes, text: str) -> str:
    if b"=" in content and _licenses_in(tidied(quopri.decodestring(content))):
        return f"This is a license in quoted-printable, {_IN_MAIL}"
    for name, decode in (("base64", base64.b64decode), ("hexadecimal", binascii.unhexlify)):
        try:
            inside = decode(text.encode())
        except ValueError:
            continue
        if _licenses_in(tidied(inside)):
            return f"This is a license that was encoded once more ({name}): decode it, or {_ATTACHED}"
    return ""


def _damaged(text: str, parts: list[str]) -> str:
    if len(parts) == 3 and len(parts[2]) == _SIGNATURE and text in (text.upper(), text.lower()):
        return f"The letters of this license were changed to one case: {_AGAIN}"
    if text.startswith("eyJ") and _foreign(parts[0]):
        return f"This is a token of another kind (JWT): {_ATTACHED}"
    beginning = text.startswith("eyJ") and len(parts) <= 3
    end = 2 <= len(parts) <= 3 and len(parts[-1]) == _SIGNATURE and not text.startswith("eyJ")
    return f"This is only a part of a license, which was cut off on its way: {_AGAIN}" if beginning or end else ""


def _foreign(header: str) -> bool:
    """Whether a token's header can be read and is not that of a license."""
    try:
        value = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("typ") != "container-lic+jwt"


def _unnamed(content: bytes) -> str:
    text = text_of(content).strip()
    if len(content) > MAX_BYTES:
        return f"This file is larger than any license (64 KiB): {_ATTACHED}"
    if not all(each.isprintable() or each.isspace() for each in text):
        return f"This is a file of another kind, and no text: {_ATTACHED}"
    words = " " in text and not _licenses_in(tidied(content))
    return f"This is a text without a license in it: {_ATTACHED}" if words else ""
