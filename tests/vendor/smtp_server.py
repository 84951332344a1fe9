"""A real SMTP server with STARTTLS and AUTH PLAIN (RFC 5321, 3207, 4954), one connection at a time, in a thread."""

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from licd_daemon.cli.serve.certificates import ensure_certificates


@dataclass
class Mailbox:
    """What the server took, and how it behaves."""

    port: int = 0
    offers_tls: bool = True
    refuses: bool = False
    messages: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)


@contextmanager
def serving(folder: Path, *, offers_tls: bool = True, refuses: bool = False) -> Iterator[Mailbox]:
    """The server until the end of the block; its certificate's authority is `folder`/ca.crt."""
    mailbox = Mailbox(offers_tls=offers_tls, refuses=refuses)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ensure_certificates(folder, ["127.0.0.1"], datetime.now(UTC))
    context.load_cert_chain(folder / "server.crt", folder / "server.key")

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            _talk(self, mailbox, context)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        mailbox.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield mailbox
        finally:
            server.shutdown()
            thread.join()


def _talk(handler: socketserver.StreamRequestHandler, mailbox: Mailbox, context: ssl.SSLContext) -> None:
    connection, read, over_tls = handler.connection, handler.rfile, False

    def say(text: str) -> None:
        connection.sendall(text.encode() + b"\r\n")

    say("220 mail.example ESMTP")
    while line := read.readline().decode().rstrip("\r\n"):
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            offered = ["250-mail.example", "250-8BITMIME"]
            say("\r\n".join([*offered, "250 AUTH PLAIN" if over_tls or not mailbox.offers_tls else "250 STARTTLS"]))
        elif verb == "STARTTLS" and mailbox.offers_tls:
            say("220 go ahead")
            try:
                connection = context.wrap_socket(connection, server_side=True)
            except (ssl.SSLError, OSError):
                return
            read, over_tls = connection.makefile("rb"), True
        elif verb == "AUTH":
            mailbox.logins.append(base64.b64decode(line.split(" ")[2]).decode().replace("\0", "|"))
            say("235 welcome" if mailbox.logins[-1] == "|vendor|right" else "535 no such user or password")
        elif verb == "RCPT":
            mailbox.recipients.append(line)
            say("550 no such mailbox" if mailbox.refuses else "250 ok")
        elif verb == "DATA":
            say("354 go on")
            lines = []
            while (part := read.readline()) != b".\r\n":
                lines.append(part)
            mailbox.messages.append(b"".join(lines))
            mailbox.over_tls.append(over_tls)
            say("250 taken")
        elif verb == "QUIT":
            say("221 bye")
            break
        else:
            say("250 ok")
    if over_tls:
        connection.close()
