"""`licd request`: the mail that asks the vendor for a license, written from what the cluster knows.

- The cluster does not know who asks, and for which contract: options say so, unless a license in force names them.
- It is a file for a mail program: a cluster has no way out, so it is sent from elsewhere. The address that it is sent
  from must be the contract's, or the vendor refuses it.
- It is the form of the vendor's table, which the vendor's side reads (docs/vendor.md, R29).
"""

from dataclasses import dataclass
from datetime import date, datetime
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from licd.v1.registration_service_pb2 import (
    GetRegistrationRequest,
    GetRegistrationResponse,
    Registration,
)
from licd_daemon.cli.options import client_command
from licd_daemon.cli.text import say, wall_time

if TYPE_CHECKING:
    from licd_daemon.cli.client import Client

_MOST_CHARACTERS = 256
_FOR_READERS = """
Application: {application}
Nodes connected now: {connected}
{license}"""
_ENGLISH = """\
Company Name: {company}
Company Project name: {project}
Contract signing date: {signed_on.year} year {signed_on.month:02} month {signed_on.day:02} day
Way to register: Local container authentication
Maximum number of registrations: {nodes}
"""
_CHINESE = """\
公司名称：{company}
公司项目名称：{project}
合同签署日期：{signed_on.year}年{signed_on.month:02}月{signed_on.day:02}日
注册方式：本地容器认证
最大注册数：{nodes}
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for, and by whom."""

    sender: str
    recipient: str
    company: str
    project: str
    application: str
    signed_on: date
    nodes: int
    language: str = "en"


@click.command(short_help="Write the mail that asks the vendor for a license.")
@click.option("--from", "sender", required=True, metavar="MAIL", help="Your address, as the contract names it.")
@click.option("--signed-on", required=True, metavar="YYYY-MM-DD", help="The day on which the contract was signed.")
@click.option("--to", "recipient", metavar="MAIL", help="The vendor's address.  [default: the license's]")
@click.option("--company", help="Your company, as the contract names it.  [default: the license's]")
@click.option("--project", help="The project, as the contract names it.  [default: the license's]")
@click.option("--application", help="What is to be licensed: name and version.  [default: the license's]")
@click.option("--nodes", type=click.IntRange(1, 1_000_000), help="For how many nodes.  [default: those connected]")
@click.option(
    "--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="The vendor's form, in which."
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default="application.eml",
    show_default=True,
    help="The mail to write.",
)
@client_command
def request(
    client: "Client",
    sender: str,
    signed_on: str,
    recipient: str | None,
    company: str | None,
    project: str | None,
    application: str | None,
    nodes: int | None,
    language: str,
    out: Path,
) -> None:
    """Write the mail that asks the vendor for a license, from what the cluster knows."""
    answer = client.call("RegistrationService/GetRegistration", GetRegistrationRequest(), GetRegistrationResponse)
    registration = answer.registration
    known = registration.license
    certified = f"{known.application.name} {known.application.version}".strip()
    asked = _Asked(
        sender=_given("--from", sender),
        recipient=_given("--to", recipient or known.vendor_email),
        company=_given("--company", company or known.company),
        project=_given("--project", project or known.project),
        application=_given("--application", application or certified),
        signed_on=_date(signed_on),
        nodes=nodes or max(registration.nodes_connected, 1),
        language=language,
    )
    try:
        out.write_bytes(write(asked, registration, wall_time()))
    except OSError as fault:
        raise click.UsageError(f"--out {out}: {fault.strerror}") from None
    say(f"written: {out}, for {asked.nodes} {'node' if asked.nodes == 1 else 'nodes'}")
    say(f"Send it to {asked.recipient}, from {asked.sender}, with any mail program; then: licd upload Container.lic")


def write(asked: _Asked, registration: Registration, now: datetime) -> bytes:
    """The application mail.

    Args:
        asked: what is asked for.
        registration: what the cluster knows.
        now: this machine's wall time, with a time zone.
    """
    message = EmailMessage(policy=SMTP)
    try:
        message["From"] = asked.sender
        message["To"] = asked.recipient
    except (MessageError, ValueError, IndexError):
        raise click.UsageError("--from, --to: not a mail address") from None
    message["Subject"] = _title(asked)
    message["Date"] = format_datetime(now)
    license_id = registration.license.license_id
    message.set_content(
        ((_CHINESE if asked.language == "zh" else _ENGLISH) + _FOR_READERS).format(
            company=asked.company,
            project=asked.project,
            signed_on=asked.signed_on,
            nodes=asked.nodes,
            application=asked.application,
            connected=registration.nodes_connected,
            license=f"License in force: {license_id}\n" if license_id else "",
        )
    )
    return message.as_bytes()


def _title(asked: _Asked) -> str:
    if asked.language == "zh":
        return f"{asked.company.removesuffix('公司')}公司注册{asked.application}正式授权文件"
    return f"{asked.company} company registration {asked.application} official authorization document"


def _given(option: str, value: str) -> str:
    text = " ".join(value.split())
    if not text:
        raise click.UsageError(f"{option}: no license in force names it; give this option")
    if len(text) > _MOST_CHARACTERS or not text.isprintable():
        raise click.UsageError(f"{option}: must be 1 to {_MOST_CHARACTERS} printable characters")
    return text


def _date(text: str) -> date:
    try:
        parsed = date.fromisoformat(text)
    except ValueError:
        parsed = None
    if parsed is None or parsed.isoformat() != text:
        raise click.UsageError("--signed-on: not a date written YYYY-MM-DD")
    return parsed
