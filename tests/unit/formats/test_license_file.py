"""R1: the license as mails, editors, shells and clipboards hand it on, and what people upload instead of it."""

import base64
import gzip
import json
import quopri
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.formats.test_container_lic import GOOD, KEY, KEYS, LICENSE

from licd_formats.container_lic import MAX_BYTES, LicenseInvalid, LicenseTypeMismatch
from licd_formats.file_kinds import named
from licd_formats.license_file import read

TEXT = GOOD.decode()
LINES = textwrap.wrap(TEXT, 76)
WRAPPED = "\n".join(LINES)

SAME = {
    "as issued": GOOD,
    "line end": GOOD + b"\n",
    "CRLF": GOOD + b"\r\n",
    "line ends before": b"\r\n\n" + GOOD,
    "spaces around": b"  " + GOOD + b" \n",
    "UTF-8 byte order mark": b"\xef\xbb\xbf" + GOOD,
    "byte order mark and line end": b"\xef\xbb\xbf" + GOOD + b"\r\n",
    "wrapped": WRAPPED.encode(),
    "wrapped with CRLF": WRAPPED.replace("\n", "\r\n").encode(),
    "wrapped with CR": WRAPPED.replace("\n", "\r").encode(),
    "wrapped at one character": "\n".join(TEXT).encode(),
    "line ends turned into spaces": WRAPPED.replace("\n", " ").encode(),
    "indented": textwrap.indent(WRAPPED, "\t    ").encode(),
    "form feed and vertical tab": WRAPPED.replace("\n", "\x0b\x0c").encode(),
    "format=flowed": " \n".join(LINES).encode(),
    "quoted by a mail": textwrap.indent(WRAPPED, "> ").encode(),
    "quoted twice": textwrap.indent(WRAPPED, "> >> ").encode(),
    "zero-width spaces": "\u200b".join(LINES).encode(),
    "soft hyphens": "\u00ad".join(LINES).encode(),
    "no-break spaces": "\u00a0".join(LINES).encode(),
    "no-break spaces in Latin-1": "\u00a0".join(LINES).encode("latin-1"),
    "line separators": "\u2028".join(LINES).encode(),
    "marks of direction around": f"\u202a{TEXT}\u202c".encode(),
    "ideographic space": f"{TEXT}\u3000".encode(),
    "UTF-16 (PowerShell)": f"{TEXT}\r\n".encode("utf-16"),
    "UTF-16 big-endian": f"\ufeff{TEXT}".encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "UTF-32": TEXT.encode("utf-32"),
    "end of file of DOS": GOOD + b"\r\n\x1a",
}


@pytest.mark.parametrize("form", SAME)
def test_R1_what_changes_nothing_is_read(form: str) -> None:
    assert read(SAME[form], KEYS) == LICENSE


@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.sampled_from(" \t\r\n\u200b\u00a0\ufeff")), max_size=40))
def test_R1_white_space_anywhere_changes_nothing(places: list[tuple[int, str]]) -> None:
    text = TEXT
    for at, space in places:
        text = text[:at] + space + text[at:]
    assert read(text.encode(), KEYS) == LICENSE


@given(st.data())
def test_R1_the_reader_weakens_nothing_another_character_is_refused(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(TEXT) - 1))
    other = data.draw(
        st.characters(min_codepoint=33, max_codepoint=126).filter(lambda each: each not in (TEXT[at], ">"))
    )
    changed = TEXT[:at] + other + TEXT[at + 1 :]
    for form in (changed, "\r\n".join(textwrap.wrap(changed, 76)), f"\ufeff{changed}\n"):
        with pytest.raises(LicenseInvalid):
            read(form.encode(), KEYS)


@given(st.integers(1, len(GOOD) - 1), st.sampled_from(["", "\n", " ", "> "]))
def test_R1_the_reader_weakens_nothing_a_missing_character_is_refused(at: int, instead: str) -> None:
    with pytest.raises(LicenseInvalid):
        read((TEXT[: at - 1] + instead + TEXT[at:]).encode(), KEYS)


def test_R1_a_quote_mark_inside_a_line_is_no_quoting() -> None:
    with pytest.raises(LicenseInvalid):
        read((TEXT[:40] + ">" + TEXT[40:]).encode(), KEYS)


def test_R1_more_than_64_kib_are_refused_although_most_of_it_is_white_space() -> None:
    assert read(GOOD + b" " * (MAX_BYTES - len(GOOD)), KEYS) == LICENSE
    with pytest.raises(LicenseInvalid, match="64 KiB"):
        read(GOOD + b" " * (MAX_BYTES - len(GOOD) + 1), KEYS)


def test_R1_a_wrapped_license_of_another_version_is_a_type_mismatch() -> None:
    claims = json.loads(base64.urlsafe_b64decode(TEXT.split(".")[1] + "=="))
    head = TEXT.split(".")[0]
    body = base64.urlsafe_b64encode(json.dumps(claims | {"ver": 2}).encode()).decode().rstrip("=")
    signature = base64.urlsafe_b64encode(KEY.sign(f"{head}.{body}".encode())).decode().rstrip("=")
    with pytest.raises(LicenseTypeMismatch):
        read("\r\n".join(textwrap.wrap(f"{head}.{body}.{signature}", 60)).encode(), KEYS)


MAIL = b"From: vendor@vendor.example\r\nSubject: Container.lic\r\n\r\nHere it is:\r\n" + GOOD
OTHER_TOKEN = b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
KINDS = {
    "empty": (b"", "is empty"),
    "only white space": (b" \r\n\t\n", "is empty"),
    "only a byte order mark": (b"\xef\xbb\xbf", "is empty"),
    "zeros": (bytes(700), "nothing but zeros"),
    "web page": (b"<html>login</html>", "web page"),
    "web page of a proxy": (b"\xef\xbb\xbf\r\n<!DOCTYPE HTML PUBLIC>\r\n<HTML><HEAD>", "web page"),
    "web page after a comment": (b"<!-- saved -->\n<!doctype html><title>Sign in</title>", "web page"),
    "answer of a web server": (b"HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n", "web page"),
    "whole mail": (MAIL, "whole mail"),
    "whole mail as received": (b"Return-Path: <a@b>\nReceived: from x\n\n", "whole mail"),
    "mailbox": (b"From a@b Sat Nov 28 2026\nSubject: x\n\n", "whole mail"),
    "mail with a page in it": (b"Subject: x\r\nContent-Type: text/html\r\n\r\n<html>" + GOOD, "whole mail"),
    "mail of Outlook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500), "Outlook"),
    "quoted-printable": (quopri.encodestring(GOOD), "quoted-printable"),
    "base64": (base64.b64encode(GOOD), "base64"),
    "base64 of a mail": (base64.encodebytes(GOOD + b"\r\n"), "base64"),
    "hexadecimal": (GOOD.hex().encode(), "hexadecimal"),
    "uuencoded": (b"begin 644 Container.lic\nM97E*", "uuencoded"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
    "ZIP": (b"PK\x03\x04\x14\0" + GOOD, "ZIP"),
    "gzip": (gzip.compress(GOOD), "gzip"),
    "tar": (b"Container.lic".ljust(257, b"\0") + b"ustar\x0000" + bytes(300), "tar"),
    "RTF": (b"{\\rtf1\\ansi " + GOOD + b"}", "RTF"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(40), "picture"),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF", "picture"),
    "signed mail": (b"\x30\x80\x06\x09*\x86H", "S/MIME"),
    "mail that begins with a rare header": (b"Envelope-To: it@acme.example\nFrom: a@b\n\n", "whole mail"),
    "link": (b"https://portal.example/files/Container.lic\r\n", "link"),
    "shortcut of Windows": (b"[InternetShortcut]\r\nURL=https://portal.example and more", "text without a license"),
    "JSON": (b'{"licenses": []}', "JSON"),
    "JSON list": (b'[{"a": 1}]', "JSON"),
    "its claims without a signature": (b'{"iss": "x", "jti": ', "JSON"),
    "vendor keys": (KEYS.to_jwk_set().encode(), "public keys"),
    "XML": (b"<?xml version='1.0'?><a/>", "XML"),
    "PEM": (b"-----BEGIN CERTIFICATE-----\nMIIB", "PEM"),
    "another token": (OTHER_TOKEN, "another kind (JWT)"),
    "cut off in the header": (GOOD[:30], "cut off"),
    "cut off in the claims": (GOOD[:300], "cut off"),
    "cut off in the signature": (GOOD[:-4], "cut off"),
    "its second half": (GOOD[300:], "cut off"),
    "twice": (GOOD + GOOD, "more than one license"),
    "twice with a line end": (GOOD + b"\n" + GOOD + b"\n", "more than one license"),
    "in upper case": (GOOD.upper(), "one case"),
    "text around it": (b"Dear customer,\n" + GOOD + b"\nRegards", "other text around"),
    "in quotes": (b'"' + GOOD + b'"', "other text around"),
    "text behind it": (GOOD + b"\n--\nVendor Ltd", "other text around"),
    "a text": (b"Your license is attached.", "text without a license"),
    "binary": (bytes(range(1, 256)), "no text"),
    "too large": (GOOD + b" " * MAX_BYTES, "larger than any license"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_R1_another_file_is_named_as_what_it_is_with_what_to_do(kind: str) -> None:
    content, said = KINDS[kind]
    with pytest.raises(LicenseInvalid):
        read(content, KEYS)
    sentence = named(content)
    assert said in sentence
    assert sentence.startswith(("This ", "These ", "There ", "The "))
    assert ": " in sentence, "what it is, and what to do"
    assert sentence.endswith(".")


@pytest.mark.parametrize("case", ["of another vendor", "changed claims", "changed signature"])
def test_R1_a_file_in_a_licenses_form_is_not_named(case: str) -> None:
    head, body, signature = TEXT.split(".")
    turned = str.maketrans("ab", "ba")
    content = {
        "of another vendor": f"{head}.{body}.{signature[::-1]}",
        "changed claims": f"{head}.{body.translate(turned)}.{signature}",
        "changed signature": f"{head}.{body}.{signature.translate(turned)}",
    }[case]
    with pytest.raises(LicenseInvalid):
        read(content.encode(), KEYS)
    assert named(content.encode()) == ""


@given(st.binary(max_size=400))
def test_R1_whatever_the_bytes_are_the_reader_refuses_and_names_without_a_fault(content: bytes) -> None:
    with pytest.raises(LicenseInvalid):
        read(content, KEYS)
    assert named(content).isprintable()


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["eyJ", "eyJ.", ".", "> ", "<", "{", "[", "=", "a ", "\u200b", "eyJhbGciOiJ."])
def test_R36_a_file_made_to_be_slow_is_read_at_once(piece: str) -> None:
    content = (piece * MAX_BYTES).encode()[:MAX_BYTES]
    with pytest.raises(LicenseInvalid):
        read(content, KEYS)
    assert named(content).isprintable()
