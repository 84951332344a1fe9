"""What the phone reads: for each refusal a title, what it means, what to do, and the HTTP status.

All the portal's sentences stand here and in the templates, so that another language is another table.
"""

from dataclasses import dataclass
from http import HTTPStatus

from licd_vendor.domain.scan import Refusal, Refused


@dataclass(frozen=True, slots=True)
class Words:
    """A refusal, in words."""

    status: HTTPStatus
    title: str
    meaning: str
    remedy: str


_UNREADABLE = Words(
    HTTPStatus.NOT_FOUND,
    "This QR code can't be read",
    "The link is incomplete, was changed on its way, or is for another portal.",
    "Scan the whole QR code again with the phone's camera. If that fails too, ask your vendor.",
)
WORDS = {
    Refusal.UNREADABLE: _UNREADABLE,
    Refusal.REVOKED: Words(
        HTTPStatus.FORBIDDEN,
        "This license was revoked",
        "Your vendor has withdrawn the license.",
        "Ask your vendor.",
    ),
    Refusal.EXPIRED: Words(
        HTTPStatus.GONE,
        "The certificate has expired",
        "The license's time is over.",
        "Ask your vendor for a new Container.lic and upload it.",
    ),
    Refusal.QR_TOO_OLD: Words(
        HTTPStatus.GONE,
        "This QR code is too old",
        "Its code was shown more than 5 minutes ago, or is no longer good.",
        "Refresh the QR on your server and scan the new one.",
    ),
    Refusal.RELEASED: Words(
        HTTPStatus.CONFLICT,
        "This installation has released its license",
        "A released installation can't be registered again.",
        "Upload Container.lic on the server again, then scan the new QR.",
    ),
    Refusal.BOUND_ELSEWHERE: Words(
        HTTPStatus.CONFLICT,
        "The maximum number of authorizations has been reached",
        "The license is in use by another installation.",
        "Release the license there first, or ask your vendor to unbind it.",
    ),
    Refusal.COPIED: Words(
        HTTPStatus.CONFLICT,
        "This installation was copied or restored",
        "Its records are not the newest that this portal has seen. Your vendor can see this.",
        "Register the original installation, or ask your vendor to unbind the license.",
    ),
    Refusal.NOT_BOUND: Words(
        HTTPStatus.CONFLICT,
        "Nothing to release",
        "The license was never bound to this installation.",
        "You can register the license on another server unless another installation holds it.",
    ),
    Refusal.RELEASE_LIMIT: Words(
        HTTPStatus.CONFLICT,
        "Ask your vendor to move this license",
        "The license was moved as often as the contract allows in a year. Your vendor can see this.",
        "Your vendor can unbind it for you.",
    ),
}
NO_SUCH_PAGE = Words(HTTPStatus.NOT_FOUND, "There is no such page", "", "Scan the QR code again.")
WRONG_METHOD = Words(HTTPStatus.METHOD_NOT_ALLOWED, "That is not possible here", "", "Scan the QR code again.")
TOO_LARGE = Words(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "That was too much", "", "Scan the QR code again.")
BUSY = Words(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The portal can't answer right now",
    "Nothing was changed.",
    "Wait a minute, then reload this page.",
)


def of(refused: Refused) -> Words:
    """Give the words for a refusal."""
    if refused.kind is not Refusal.CLOCK_OFF:
        return WORDS[refused.kind]
    where = "behind" if refused.clock_offset < 0 else "ahead"
    return Words(
        HTTPStatus.CONFLICT,
        f"Your server's clock is {span(abs(refused.clock_offset))} {where}",
        "A license can only be registered on a server that knows the time.",
        "Set the server's clock, then refresh the QR and scan the new one. "
        "If this is an old picture of the QR, just scan a fresh one.",
    )


def span(seconds: int) -> str:
    """Write a span of time in its two largest units, such as `3 h 12 min`."""
    minutes, days = seconds // 60, seconds // 86_400
    if days:
        return f"{days} d {minutes // 60 % 24} h"
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min"
