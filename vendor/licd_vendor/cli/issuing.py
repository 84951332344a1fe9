"""`licd-vendor issue`: a customer's mail answered with Container.lic (R29).

What is asked for comes from the application mail (--request) or from options, never from both.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import click

from licd_vendor import clock, home, issuing, keys, mail, smtp
from licd_vendor.cli.address import ADDRESS
from licd_vendor.cli.common import Session, pass_session
from licd_vendor.cli.terms import SPAN
from licd_vendor.domain import application_mail
from licd_vendor.domain.issue import Request, choose_contract, end_of_last_day
from licd_vendor.errors import RefusedError
from licd_vendor.passphrase import read_secret
from licd_vendor.store import audit, records
from licd_vendor.store.audit import Act
from licd_vendor.store.database import Database

_DAY_SECONDS = 86_400
_FILE = click.Path(dir_okay=False, path_type=Path)
_IN_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)
_BY_MAIL = ("sender", "company", "nodes")
_OPTIONS = (
    click.option("--request", type=_IN_FILE, help="The customer's mail, as saved by a mail program (.eml)."),
    click.option("--contract", "contract_id", type=int, help="The contract's id.  [default: found by the mail]"),
    click.option("--from", "sender", metavar="MAIL", help="Without --request: the address that the mail came from."),
    click.option("--company", help="Without --request: the company that the mail named."),
    click.option("--nodes", type=int, help="Without --request: the maximum of nodes asked for.  [default: 1]"),
    click.option("--expires", metavar="YYYY-MM-DD", help="The license's last day, to its end in every time zone."),
    click.option("--days", type=click.IntRange(1, 36_500), help="Instead: how many days from now."),
    click.option("--outage-grace", "outage_grace_seconds", type=SPAN, help="Instead of the contract's, such as 24h."),
    click.option("--min-version", metavar="VERSION", help='Instead of the contract\'s; "" for none.'),
    click.option("--reissue", metavar="LICENSE_ID", help="Issue this license again: longer, or for more nodes."),
    click.option(
        "--portal-url", required=True, metavar="URL", help="Where phones reach the portal: http(s)://host[:port]."
    ),
    click.option("--key", "key_id", metavar="KEY_ID", help="Sign with this key.  [default: the newest]"),
    click.option("--out", type=_FILE, default="Container.lic", show_default=True, help="The license file to write."),
    click.option("--mail", "mail_file", type=_FILE, default="answer.eml", show_default=True, help="The mail to write."),
    click.option("--smtp", "smtp_address", type=ADDRESS, help="Send the mail, too: the server, with STARTTLS."),
    click.option("--smtp-user", help="Log in there as; the password: LICD_VENDOR_SMTP_PASSWORD, or asked for."),
    click.option("--smtp-password-file", type=_IN_FILE, help="File with the password of --smtp-user."),
    click.option("--smtp-ca", type=_IN_FILE, help="Authorities that its certificate is checked with (PEM)."),
)


def _with_options(function: Callable[..., None]) -> Callable[..., None]:
    return reduce(lambda inner, option: option(inner), reversed(_OPTIONS), function)


@click.command(short_help="Answer a mail: write Container.lic and its mail.")
@_with_options
@pass_session
def issue(session: Session, /, **given: Any) -> None:
    """Answer a customer's mail: write Container.lic and the mail that carries it, and send it if asked to."""
    now = clock.now()
    expires_at = _expires_at(given, now)
    relay = _relay(given)
    chosen = {"outage_grace_seconds": given["outage_grace_seconds"], "min_version": given["min_version"]}
    request = replace(_request(given, expires_at), **chosen)
    with session.database() as database:
        contract_id = _contract_id(database, given, request)
        issued = _issue(session, database, contract_id, request, given, now)
        license_ = issued.license
        nodes = f"{license_.max_nodes} {'node' if license_.max_nodes == 1 else 'nodes'}"
        click.echo(f"license {license_.license_id} for {nodes} until {clock.iso(license_.expires_at)}")
        click.echo(f"written: {given['out']}, {given['mail_file']}")
        if relay is not None:
            _send(session, database, relay, issued, given["mail_file"], now)


def _expires_at(given: dict[str, Any], now: int) -> int:
    if (given["expires"] is None) == (given["days"] is None):
        raise click.UsageError("give one of --expires and --days")
    return end_of_last_day(given["expires"], now) if given["days"] is None else now + int(given["days"]) * _DAY_SECONDS


def _request(given: dict[str, Any], expires_at: int) -> Request:
    if given["request"] is None:
        if given["sender"] is None or given["company"] is None or given["contract_id"] is None:
            raise click.UsageError("give --request, or --contract, --from and --company")
        return Request(given["sender"], given["company"], 1 if given["nodes"] is None else given["nodes"], expires_at)
    if any(given[name] is not None for name in _BY_MAIL):
        raise click.UsageError("--request says it: leave out --from, --company and --nodes")
    asked = application_mail.read(_read(given["request"]))
    return Request(
        asked.sender, asked.company, asked.max_nodes, expires_at, asked.project, asked.signed_on, asked.message_id
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(application_mail.MAX_BYTES + 1)
    except OSError as fault:
        raise RefusedError(f"--request {path}: {fault.strerror}") from None


def _contract_id(database: Database, given: dict[str, Any], request: Request) -> int:
    if given["contract_id"] is not None:
        return int(given["contract_id"])
    with database.reading() as connection:
        return choose_contract(records.list_contracts(connection), request).contract_id


def _issue(
    session: Session, database: Database, contract_id: int, request: Request, given: dict[str, Any], now: int
) -> issuing.Issued:
    order = issuing.Order(
        contract_id=contract_id,
        request=request,
        vendor=keys.load_vendor(session.home),
        portal_url=given["portal_url"],
        portal_public_key=keys.load_portal(session.home, session.passphrase).public_key().public_bytes_raw(),
        reissue=given["reissue"],
    )

    def deliver(issued: issuing.Issued) -> None:
        home.write_public(given["out"], issued.content)
        home.write_public(given["mail_file"], _mail(issued))

    signing = keys.load_signing(session.home, session.passphrase, given["key_id"])
    return issuing.issue_license(database, order, signing, session.who, now, deliver)


def _mail(issued: issuing.Issued) -> bytes:
    return mail.write(issued.license, issued.content, issued.recipient, issued.in_reply_to)


def _relay(given: dict[str, Any]) -> smtp.Relay | None:
    if given["smtp_address"] is None:
        if given["smtp_user"] or given["smtp_password_file"] or given["smtp_ca"]:
            raise click.UsageError("--smtp-user, --smtp-password-file and --smtp-ca need --smtp")
        return None
    host, port = given["smtp_address"]
    password = None
    if given["smtp_user"] is not None:
        password = read_secret("SMTP password", "LICD_VENDOR_SMTP_PASSWORD", given["smtp_password_file"])
        if not password:
            raise RefusedError("SMTP password: give one by LICD_VENDOR_SMTP_PASSWORD or --smtp-password-file")
    return smtp.Relay(host, port, given["smtp_user"], password, given["smtp_ca"])


def _send(
    session: Session, database: Database, relay: smtp.Relay, issued: issuing.Issued, mail_file: Path, now: int
) -> None:
    """The license is durable by now: what fails here can be sent again from the file."""
    try:
        smtp.send(relay, mail_file.read_bytes(), issued.license.vendor.email, issued.recipient)
    except RefusedError as fault:
        raise RefusedError(f"{fault}; the license is issued: send {mail_file} with any mail program") from None
    with database.writing() as connection:
        audit.keep(
            connection, session.who, Act.MAILED, now, license_id=issued.license.license_id, detail=issued.recipient
        )
    click.echo(f"sent to {issued.recipient}")
