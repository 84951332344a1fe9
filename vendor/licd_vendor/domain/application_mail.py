"""The customer's mail that asks for a license (R29): bytes to what it asks for, or the rule that it breaks.

Rules:

- Title: `COMPANY company registration ... official authorization document` or `COMPANY公司注册...正式授权文件`; between
  them stands what is to be licensed, or nothing. Case, width and runs of spaces do not matter, nor what mail programs
  put before it when they answer or forward.
- One sender. Exactly one `From`, with exactly one address: with two, each reader would take another one.
- In the text a form with the company's name, the project's name, the contract signing date, the way to register (local
  container authentication), and the maximum of nodes that register, 1 if it is not there: see mail_form.py and
  mail_values.py.
- The company of the title is the company of the text.
- At most 1 MiB, and nothing in it steers a terminal. Every fault is a RefusedError that names the rule, the field and
  what to write.
- A sender's address proves nothing: anybody can write it. So the answer goes to the contract's address alone.
"""

import email
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import default

from licd_formats import claims, strict
from licd_vendor.domain import mail_form, mail_text, mail_values
from licd_vendor.domain.mail_form import COMPANY, DATE, MAXIMUM, PROJECT, REQUIRED, WAY
from licd_vendor.domain.names import folded, narrow
from licd_vendor.errors import RefusedError

MAX_BYTES = 1024 * 1024
MAX_TEXT = 64 * 1024
TITLE = "COMPANY company registration APPLICATION official authorization document"
_TITLE = re.compile(
    r"(?P<company>.+?) company registration (?:(?P<what>.+) )?official authori[sz]ation document[.。]?", re.IGNORECASE
)
_CHINESE_TITLE = re.compile(r"(?P<company>.+?) ?公司[注註][册冊] ?(?P<what>.*?) ?正式授[权權]文件[.。]?")
_BEFORE_TITLE = re.compile(
    r"(?:\s*(?:re|fw|fwd|aw|wg|tr|sv|答复|答覆|回复|回覆|转发|轉寄|轉發)\s*:\s*)+", re.IGNORECASE
)
_MAX_TITLE = 1024
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{3,250}>")
_OUTLOOK = b"\xd0\xcf\x11\xe0"
_EXAMPLES = {
    COMPANY: "Company name: ACME",
    PROJECT: "Company Project name: Finance",
    DATE: "Contract signing date: 2024-03-01",
    WAY: f"Way to register: {mail_values.WAY_WRITTEN}",
}


@dataclass(frozen=True, slots=True)
class ApplicationMail:
    """What the mail asks for."""

    sender: str
    company: str
    project: str
    signed_on: str
    max_nodes: int
    message_id: str | None
    """With its angle brackets; None: the mail has none that can be quoted."""


def read(content: bytes) -> ApplicationMail:
    """Read an application mail.

    Args:
        content: The message as a mail program saves it (RFC 5322, .eml).

    Raises:
        RefusedError: Naming the rule that the mail breaks, and the field.
    """
    if len(content) > MAX_BYTES:
        raise _refused("the mail must be at most 1 MiB")
    if content.startswith(_OUTLOOK):
        raise _refused("the file is in Outlook's own format (.msg); save the mail as .eml")
    try:
        message = email.message_from_bytes(content.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n"), policy=default)
        sender, title, message_id = _sender(message), _title(message), _message_id(message)
        return _application(sender, title, _fields(mail_text.texts(message)), message_id)
    except RefusedError:
        raise
    except strict.Malformed as fault:
        raise _refused(str(fault)) from None
    except Exception:
        # over broken headers and charsets that it does not know, the standard library's parser stumbles in many ways
        raise _refused("the file is not a mail that can be read; save it again as .eml") from None


def _application(sender: str, title: str, fields: dict[str, str], message_id: str | None) -> ApplicationMail:
    missing = [name for name in REQUIRED if name not in fields]
    if missing:
        examples = "; ".join(_EXAMPLES[name] for name in missing)
        raise _refused(
            f"the mail must say {', '.join(missing)}: one line each, such as `{examples}`; attachments are not read"
        )
    company = strict.as_text(fields[COMPANY], COMPANY, claims.MAX_NAME)
    if not _is_named(company, title):
        raise _refused(f"the title's company, {title!r}, must be the text's, {company!r}")
    if not mail_values.is_way(fields[WAY]):
        raise _refused(f"{WAY} must be {claims.AUTH_METHOD}; write `{_EXAMPLES[WAY]}`")
    return ApplicationMail(
        sender=sender,
        company=company,
        project=strict.as_text(fields[PROJECT], PROJECT, claims.MAX_NAME),
        signed_on=mail_values.signed_on(fields[DATE], DATE),
        max_nodes=mail_values.maximum(fields[MAXIMUM], MAXIMUM) if MAXIMUM in fields else claims.DEFAULT_MAX_NODES,
        message_id=message_id,
    )


def _is_named(company: str, title: str) -> bool:
    """Say whether the title names the company: in `ACME company registration`, `company` may be part of its name."""
    named, begun = folded(company), folded(title)
    return named.startswith(begun) and named[len(begun) :].lstrip() in ("", "company", "公司")


def _sender(message: EmailMessage) -> str:
    headers = message.get_all("from", [])
    if len(headers) != 1 or not isinstance(headers[0], AddressHeader) or len(headers[0].addresses) != 1:
        raise _refused("the mail must have one sender: exactly one From with one address")
    return claims.check_email(headers[0].addresses[0].addr_spec, "From")


def _title(message: EmailMessage) -> str:
    """Give the company that the title names."""
    title = narrow(mail_text.title(message))
    if len(title) <= _MAX_TITLE:
        title = title[len(before[0]) :] if (before := _BEFORE_TITLE.match(title)) else title
        if found := _TITLE.fullmatch(title) or _CHINESE_TITLE.fullmatch(title):
            if found["what"]:
                strict.as_text(found["what"], "title", claims.MAX_NAME)
            return strict.as_text(found["company"], "title", claims.MAX_NAME)
    raise _refused(f"the title must be `{TITLE}`, with the company's name")


def _message_id(message: EmailMessage) -> str | None:
    value = str(message.get("message-id", "")).strip()
    return value if _MESSAGE_ID.fullmatch(value) else None


def _fields(texts: Iterable[str]) -> dict[str, str]:
    """Give the form of the text that has most of what is required; of two as good, the first."""
    found = []
    for text in texts:
        if len(text) > MAX_TEXT:
            raise _refused(f"the mail's text must be at most {MAX_TEXT} characters")
        found.append(mail_form.fields(text))
    if not found:
        raise _refused("the mail must have a text; attachments are not read")
    return max(found, key=lambda one: len(one.keys() & set(REQUIRED)))


def _refused(what: str) -> RefusedError:
    return RefusedError(f"R29: {what}")
