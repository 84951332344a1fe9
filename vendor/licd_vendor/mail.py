"""The mail that carries Container.lic to the customer (R29): an RFC 5322 message, ready for any mail program.

It goes to the contract's address, regardless of who wrote the application, and answers that mail if its id is known.
"""

from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr, make_msgid

from licd_formats.license import License, LicensedApplication
from licd_vendor import clock
from licd_vendor.spans import span

_BODY = """\
Hello,

attached is the license of {company} for {project}: at most {max_nodes} node(s), until {expires}.
License {license_id}
Application: {application}
Outage grace: programs may run for {outage_grace} while the license daemon is away.

1. Save the attachment Container.lic and upload it: in the web console, or with `licd upload Container.lic`.
2. Scan the QR code that is shown then with a phone, and tap the button on the page.
3. Type the six digits from the phone within 5 minutes.

The first scan binds the license to that installation. To move it to another server, release it there first
(`licd release`), or answer this mail.

{vendor}
"""


def write(license_: License, content: bytes, recipient: str, in_reply_to: str | None = None) -> bytes:
    """Write the mail.

    Args:
        license_: The license.
        content: Container.lic, as signed.
        recipient: The contract's mail address.
        in_reply_to: The application mail's id, with its angle brackets.

    Returns:
        The message's bytes, with CRLF line ends.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = formataddr((license_.vendor.name, license_.vendor.email))
    message["To"] = recipient
    message["Subject"] = f"Your license for {license_.project}"
    message["Date"] = format_datetime(datetime.fromtimestamp(license_.issued_at, UTC))
    message["Message-ID"] = make_msgid(domain=license_.vendor.email.rpartition("@")[2])
    if in_reply_to is not None:
        message["In-Reply-To"] = in_reply_to
        message["References"] = in_reply_to
    message.set_content(
        _BODY.format(
            company=license_.company,
            project=license_.project,
            max_nodes=license_.max_nodes,
            expires=clock.minute(license_.expires_at),
            license_id=license_.license_id,
            application=_application(license_.application),
            outage_grace=span(license_.outage_grace_seconds),
            vendor=license_.vendor.name,
        )
    )
    message.add_attachment(content, maintype="application", subtype="octet-stream", filename="Container.lic")
    return message.as_bytes()


def _application(certified: LicensedApplication) -> str:
    lowest = f", at least {certified.min_version}" if certified.min_version else ""
    return f"{certified.name} {certified.version}{lowest}"
