"""The doors that are a function: bytes in, a value or a refusal out."""

import asyncio
import json
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from fuzz.door import Door, each
from support.vendor import TestVendor
from vectors.story import Story, play

from licd_daemon.cli.config_file import read_file
from licd_daemon.coordinator.ntp import UnusableAnswer, judged
from licd_daemon.journal import chain, codec, segments
from licd_daemon.journal.port import Head, JournalCorrupt, JournalError, Query, Record, Snapshot
from licd_daemon.journal.sqlite.backend import SqliteJournal
from licd_formats import license_file
from licd_formats.challenge import ChallengeInvalid, Purpose, SealedContent, open_sealed, seal
from licd_formats.claims import TypeMismatch, from_claims, to_claims
from licd_formats.container_lic import LicenseInvalid
from licd_formats.file_kinds import named
from licd_formats.strict import Malformed, read_json_object
from licd_formats.vendor_keys import VendorKeys, VendorKeysInvalid
from licd_kit.addresses import Address
from licd_kit.options import ConfigInvalid
from licd_vendor.domain import application_mail
from licd_vendor.errors import RefusedError
from node_client import local

QUESTION = b"question"
MAIL = """\
From: Ops <ops@acme.example>
To: licenses@vendor.example
Subject: ACME company registration
Message-ID: <1@acme.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

Company: ACME
Project name: Finance
Registration method: Local container authentication
Date: 2024年3月1日
Maximum number of nodes: 5
"""
CONFIG = b'listen = "127.0.0.1:0"\nlease-ttl = "15s"\nntp-server = ["a", "b"]\ninsecure = true\n'
STATE = {
    "state": "LICENSED", "licensed": True, "lease_left": 12.5, "grace_left": 0.0,
    "failures": [{"reason": "CLOCK_DRIFT", "title": "t", "detail": "d", "remedy": "r"}],
}  # fmt: skip


def license_files(_: ExitStack) -> Door:
    """What people upload as Container.lic: read, and if it is refused, named."""
    vendor = TestVendor()
    keys = VendorKeys.of({"key-1": vendor.signing.public_key()})
    sound = vendor.lic()
    text = sound.decode()
    wrapped = "\r\n".join(f"> {text[at : at + 76]}" for at in range(0, len(text), 76)).encode()

    def read(content: bytes) -> None:
        try:
            found = license_file.read(content, keys)
        except LicenseInvalid:
            named(content)
            raise
        assert license_file.tidied(content) == text, found

    return Door(
        (sound, wrapped, text.encode("utf-16"), b"\xef\xbb\xbf" + sound), (b"eyJ", b"."), each(read, LicenseInvalid)
    )


def claims(_: ExitStack) -> Door:
    """What stands in a license that the vendor signed."""
    seed = json.dumps(to_claims(TestVendor().license())).encode()

    def read(content: bytes) -> None:
        from_claims(read_json_object(content, "claims"), "key-1")

    return Door((seed,), (b'"ver"', b'"exp"', b"https://"), each(read, Malformed, TypeMismatch))


def vendor_keys(_: ExitStack) -> Door:
    """A JWK Set."""
    keys = VendorKeys.of({"key-1": TestVendor().signing.public_key()}).to_jwk_set().encode()
    return Door((keys,), (b'"kty"', b'"OKP"', b'"x"'), each(VendorKeys.from_jwk_set, VendorKeysInvalid))


def sealed(portal: X25519PrivateKey) -> str:
    """A challenge for a portal."""
    license_id, at = "11111111-1111-4111-8111-111111111111", 1_700_000_000
    content = SealedContent(license_id, bytes(16), b"\1" * 8, at, bytes(8), 3, "042195")
    return seal(content, portal.public_key().public_bytes_raw(), Purpose.REGISTER)


def challenges(_: ExitStack) -> Door:
    """What stands behind /Q/ in a URL that the portal is given."""
    portal = X25519PrivateKey.generate()
    seed = sealed(portal).encode()

    def read(token: bytes) -> None:
        open_sealed(token.decode("utf-8", "surrogateescape"), portal, Purpose.REGISTER)
        assert token.upper() == seed

    return Door((seed,), (b"A" * 172,), each(read, ChallengeInvalid))


def _records() -> tuple[list[Record], Story]:
    story, head = Story(), Head()
    records: list[Record] = []
    play(story)
    for now, events in story.entries:
        more, head = chain.extend(head, events, now)
        records += more
    return records, story


def journal_entries(_: ExitStack) -> Door:
    """An entry's JSON."""
    records, _story = _records()

    def read(body: bytes) -> None:
        chain.decode(Record(1, 0, "", body, b""))

    seeds = [record.body for record in records]
    return Door(seeds, (b'"kind"', b'"event"', b'"now"'), each(read, JournalCorrupt))


def snapshots(_stack: ExitStack) -> Door:
    """A state's JSON."""
    _, story = _records()
    return Door((codec.encode_state(story.state),), (b'"state"',), each(codec.decode_state, JournalCorrupt))


def etcd_segments(_: ExitStack) -> Door:
    """A value that holds many entries."""
    records, _story = _records()
    seeds = [segments.encode(segment) for segment in segments.pack(records, Head())]
    return Door(seeds, (), each(lambda content: segments.decode(1, content), JournalCorrupt))


def journal_files(stack: ExitStack) -> Door:
    """The SQLite file, as a disk or a person may have left it."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    sound, tried = folder / "sound.db", folder / "tried" / "journal.db"
    records, story = _records()
    head = Head(records[-1].position, records[-1].digest)

    async def write() -> None:
        journal = await SqliteJournal.open(sound)
        await journal.append(records, Head())
        await journal.save_snapshot(Snapshot(head, codec.encode_state(story.state)))
        await journal.close()

    async def read_all() -> None:
        journal = await SqliteJournal.open(tried)
        try:
            await journal.load()
            await journal.read(Query())
            await journal.verify()
        finally:
            await journal.close()

    def read(content: bytes) -> None:
        shutil.rmtree(tried.parent, ignore_errors=True)
        tried.parent.mkdir()
        tried.write_bytes(content)
        asyncio.run(read_all())

    asyncio.run(write())
    return Door((sound.read_bytes(),), (b"SQLite format 3\0", b"session_joined"), each(read, JournalError))


def mails(_: ExitStack) -> Door:
    """An application mail."""
    labels = (b"Company", "最大节点数".encode(), b"Content-Type: multipart/mixed; boundary=x\n\n--x\n", b"=?utf-8?B?")
    return Door((MAIL.encode(),), labels, each(application_mail.read, RefusedError))


def ntp_answers(_: ExitStack) -> Door:
    """A packet that an NTP server, or somebody in its place, sent."""
    seed = b"\x24\x02\x06\xec" + bytes(12) + bytes(8) + QUESTION + (b"\xea" + bytes(7)) * 2
    return Door((seed,), (QUESTION,), each(lambda packet: judged(packet, QUESTION), UnusableAnswer))


def config_files(stack: ExitStack) -> Door:
    """The file of --config."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "licd.toml"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        read_file(path)

    return Door((CONFIG,), (b"[", b"[[", b'"""', b"1979-05-27"), each(read, ConfigInvalid))


def addresses(_: ExitStack) -> Door:
    """An address as people write it."""

    def read(content: bytes) -> None:
        Address.parse(content.decode("utf-8", "replace"))

    return Door((b"127.0.0.1:7443", b"[::1]:7443", b"licd.example:1"), (b"[", b"]", b"%eth0"), each(read, ValueError))


def seat_answers(stack: ExitStack) -> Door:
    """What a program is answered by whatever listens at LICD_NODE_SOCKET."""
    path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "socket"
    listener = stack.enter_context(socket.socket(socket.AF_UNIX))
    listener.bind(str(path))
    listener.listen()

    def read(answer: bytes) -> None:
        answering = threading.Thread(target=_answer, args=(listener, answer))
        answering.start()
        try:
            status = local.ask(str(path))
        finally:
            answering.join()
        assert not status.licensed or b"LICENSED" in answer

    body = json.dumps(STATE).encode()
    seed = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    words = (b'"GRACE"', b'"licensed"', b"transfer-encoding: chunked\r\n", b"content-length", b"[" * 20_000)
    return Door((seed, b"HTTP/1.0 200 OK\r\n\r\n" + body), words, each(read, OSError, ValueError))


def _answer(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection, suppress(OSError):
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass


READERS: dict[str, Callable[[ExitStack], Door]] = {
    "license-file": license_files,
    "claims": claims,
    "vendor-keys": vendor_keys,
    "challenge": challenges,
    "journal-entry": journal_entries,
    "snapshot": snapshots,
    "etcd-segment": etcd_segments,
    "journal-file": journal_files,
    "mail": mails,
    "ntp-answer": ntp_answers,
    "config-file": config_files,
    "address": addresses,
    "seat-answer": seat_answers,
}
