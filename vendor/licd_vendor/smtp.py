"""Sends a mail over SMTP (RFC 5321, RFC 6409).

Rules:

- STARTTLS (RFC 3207), with the server's certificate verified, before anything is sent; on loopback it may be missing,
  and then no password is sent.
- One recipient, one try: a mail that was not sent is kept as a file, and the person is notified.
- The password comes from the environment or a file, and is in no error.
"""

import smtplib
import ssl
from dataclasses import dataclass
from pathlib import Path

from licd_kit.addresses import is_loopback
from licd_vendor.errors import RefusedError

TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Relay:
    """The mail server, and as whom to log in."""

    host: str
    port: int
    user: str | None
    password: str | None
    ca: Path | None
    """Authorities to trust instead of the system's (PEM)."""

    def __repr__(self) -> str:
        """Name the server only: the password must not reach a log."""
        return f"Relay({self.host}:{self.port})"


def send(relay: Relay, content: bytes, sender: str, recipient: str) -> None:
    """Send one message.

    Args:
        relay: Where to.
        content: The message's bytes, with CRLF line ends.
        sender: The address that bounces go to.
        recipient: Whom it is for.

    Raises:
        RefusedError: When the server can't be reached, is not who it says, or refuses the mail; with its answer.
    """
    named = f"smtp {relay.host}:{relay.port}"
    try:
        with smtplib.SMTP(relay.host, relay.port, timeout=TIMEOUT_SECONDS) as server:
            _secure(server, relay)
            if relay.user is not None:
                server.login(relay.user, relay.password or "")
            server.sendmail(sender, [recipient], content)
    except smtplib.SMTPResponseException as fault:
        reply = fault.smtp_error.decode(errors="replace") if isinstance(fault.smtp_error, bytes) else fault.smtp_error
        raise RefusedError(f"{named}: refused with {fault.smtp_code} {_printable(reply)}") from None
    except smtplib.SMTPRecipientsRefused as fault:
        code, answer = next(iter(fault.recipients.values()))
        reply = answer.decode(errors="replace")
        raise RefusedError(f"{named}: refused {recipient} with {code} {_printable(reply)}") from None
    except smtplib.SMTPNotSupportedError as fault:
        raise RefusedError(f"{named}: {fault}") from None
    except ssl.SSLError as fault:
        raise RefusedError(f"{named}: TLS failed ({fault.reason or 'no reason given'}); see --smtp-ca") from None
    except (OSError, smtplib.SMTPException) as fault:
        raise RefusedError(f"{named}: {getattr(fault, 'strerror', None) or type(fault).__name__}") from None


def _secure(server: smtplib.SMTP, relay: Relay) -> None:
    server.ehlo_or_helo_if_needed()
    if server.has_extn("starttls"):
        try:
            context = ssl.create_default_context(cafile=relay.ca)
        except OSError as fault:
            raise RefusedError(f"--smtp-ca {relay.ca}: {fault.strerror or 'not certificates in PEM'}") from None
        server.starttls(context=context)
        server.ehlo()
    elif not is_loopback(relay.host):
        raise RefusedError(
            f"smtp {relay.host}:{relay.port}: does not offer STARTTLS; the mail would be read on its way"
        )
    elif relay.user is not None:
        raise RefusedError(
            f"smtp {relay.host}:{relay.port}: no password is sent without STARTTLS; leave --smtp-user out"
        )


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text)[:200]
