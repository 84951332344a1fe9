"""The customer's mail that asks for a license (R29): bytes to what it asks for, or the rule that it breaks.

Rules:

- Title: `COMPANY company registration ... official authorization document`; between them stands what is to be licensed,
  or nothing. Case and runs of spaces do not matter.
- One sender. Exactly one `From`, with exactly one address: with two, each reader would take another one.
- Text, not only HTML: what is read is what the customer has seen. In it one line each, `name: value`, the names in any
  case, an ASCII or a full-width colon, in any order, a bullet before them or not:
  Company name, Project name, Contract signing date (YYYY-MM-DD), Way to register (LOCAL_CONTAINER), and
  Maximum number (of nodes that register; 1 if it is not there). None twice. Other lines are passed over, and so is what
  is quoted with `>`.
- The company of the title is the company of the text.
- At most 1 MiB, and nothing in it steers a terminal. Every fault is a RefusedError that names the rule and the field.
- A sender's address proves nothing: anybody can write it. So the answer goes to the contract's address alone.
"""

import email
import re
from dataclasses import dataclass
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from email.policy import default

from licd_daemon.formats import claims, strict
from licd_vendor.domain.issue import folded
from licd_vendor.errors import RefusedError

MAX_BYTES = 1024 * 1024
MAX_TEXT = 64 * 1024
TITLE = "COMPANY company registration ... official authorization document"
_TITLE = re.compile(
    r"(?P<company>.+?) company registration (?:(?P<what>.+) )?official authorization document", re.IGNORECASE
)
_MAX_TITLE, _MAX_FIELD_NAME = 1024, 80
_BULLET = re.compile(r"(?:[-*•·]|[0-9]{1,2}[.)])\s*")
_COMPANY, _PROJECT, _DATE = "company name", "project name", "contract signing date"
_WAY, _MAXIMUM = "way to register", "maximum number"
_REQUIRED = (_COMPANY, _PROJECT, _DATE, _WAY)
_DIGITS = re.compile(r"[0-9]{1,7}")
_MESSAGE_ID = re.compile(r"<[\x21-\x3b\x3d\x3f-\x7e]{3,250}>")


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
    try:
        message = email.message_from_bytes(content, policy=default)
        sender, title, message_id = _sender(message), _title(message), _message_id(message)
        fields = _fields(_text(message))
        return _application(sender, title, fields, message_id)
    except RefusedError:
        raise
    except strict.Malformed as fault:
        raise _refused(str(fault)) from None
    except Exception:
        # over broken headers and charsets that it does not know, the standard library's parser stumbles in many ways
        raise _refused("the file is no mail that can be read; save it anew as .eml") from None


def _application(sender: str, title: str, fields: dict[str, str], message_id: str | None) -> ApplicationMail:
    missing = [name for name in _REQUIRED if not fields.get(name)]
    if missing:
        raise _refused(f"the mail must say {', '.join(missing)}: one line each, `name: value`")
    company = strict.as_text(fields[_COMPANY], _COMPANY, claims.MAX_NAME)
    if folded(title) != folded(company):
        raise _refused(f"the title's company, {title!r}, must be the text's, {company!r}")
    if folded(fields[_WAY]).replace(" ", "_") != claims.AUTH_METHOD.casefold():
        raise _refused(f"{_WAY} must be {claims.AUTH_METHOD}")
    return ApplicationMail(
        sender=sender,
        company=company,
        project=strict.as_text(fields[_PROJECT], _PROJECT, claims.MAX_NAME),
        signed_on=claims.check_date(fields[_DATE], _DATE),
        max_nodes=_maximum(fields.get(_MAXIMUM)),
        message_id=message_id,
    )


def _sender(message: EmailMessage) -> str:
    headers = message.get_all("from", [])
    if len(headers) != 1 or not isinstance(headers[0], AddressHeader) or len(headers[0].addresses) != 1:
        raise _refused("the mail must have one sender: exactly one From with one address")
    return claims.check_email(headers[0].addresses[0].addr_spec, "From")


def _title(message: EmailMessage) -> str:
    headers = message.get_all("subject", [])
    title = " ".join(str(headers[0]).split()) if len(headers) == 1 else ""
    found = _TITLE.fullmatch(title) if len(title) <= _MAX_TITLE else None
    if found is None:
        raise _refused(f"the title must be `{TITLE}`")
    if found["what"]:
        strict.as_text(found["what"], "title", claims.MAX_NAME)
    return strict.as_text(found["company"], "title", claims.MAX_NAME)


def _message_id(message: EmailMessage) -> str | None:
    value = str(message.get("message-id", "")).strip()
    return value if _MESSAGE_ID.fullmatch(value) else None


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    if part is None:
        raise _refused("the mail must have its text as plain text, not as HTML alone")
    text = part.get_content()
    if not isinstance(text, str) or len(text) > MAX_TEXT:
        raise _refused(f"the mail's text must be at most {MAX_TEXT} characters")
    return text


def _fields(text: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in text.splitlines():
        before, colon, value = line.replace("：", ":", 1).partition(":")
        name = _known(before) if colon and len(before) <= _MAX_FIELD_NAME else None
        if name is None:
            continue
        if name in fields:
            raise _refused(f"{name} must stand in the mail once")
        fields[name] = value.strip()
    return fields


def _known(before: str) -> str | None:
    name = folded(_BULLET.sub("", before.strip(), count=1))
    if name in (_MAXIMUM, "maximum number of registrations", "maximum number of nodes"):
        return _MAXIMUM
    return name if name in _REQUIRED else None


def _maximum(text: str | None) -> int:
    if text is None:
        return claims.DEFAULT_MAX_NODES
    if not _DIGITS.fullmatch(text):
        raise _refused(f"{_MAXIMUM} must be a whole number, such as 3")
    return strict.as_int(int(text), _MAXIMUM, 1, claims.MAX_NODES)


def _refused(what: str) -> RefusedError:
    return RefusedError(f"R29: {what}")
